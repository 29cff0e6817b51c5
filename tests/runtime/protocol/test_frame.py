"""Frames there and back; whatever is damaged, of another bundle or no frame is refused."""

import ast
import struct
import sys
import zlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from explorer.runtime.protocol import frame as module
from explorer.runtime.protocol.frame import Frame, FrameError, Kind, answer_content, pack, read_answer, unpack
from explorer.runtime.sizes import FRAME_ANSWER_BYTES, FRAME_BYTES

OWN = bytes.fromhex("0123456789abcdef")
SEQUENCES, POINTS = st.integers(0, 0xFFFF), st.integers(0, 0xFF)
DIGESTS = st.binary(min_size=8, max_size=8)
LABELS, CONFIDENCES = st.integers(-(2**31), 2**31 - 1), st.floats(0, 1, width=32)


def contents(kind: Kind) -> st.SearchStrategy[bytes]:
    if kind is Kind.ANSWER:
        return st.builds(answer_content, LABELS, CONFIDENCES)
    return st.text(max_size=80).map(str.encode) if kind is Kind.REFUSAL else st.binary(max_size=400)


FRAMES = st.sampled_from(Kind).flatmap(
    lambda kind: st.builds(Frame, st.just(kind), SEQUENCES, contents(kind), POINTS)
)


def packed(frame: Frame, digest8: bytes = OWN) -> bytes:
    return pack(frame.kind, digest8, frame.sequence, frame.content, frame.point)


@given(FRAMES, DIGESTS)
def test_there_and_back(frame: Frame, digest8: bytes) -> None:
    sent = packed(frame, digest8)
    assert len(sent) == FRAME_BYTES + len(frame.content)
    assert unpack(sent, digest8) == frame


@given(FRAMES, st.data())
def test_every_flipped_bit_is_refused(frame: Frame, data: st.DataObject) -> None:
    sent = packed(frame)
    bit = data.draw(st.integers(0, 8 * len(sent) - 1))
    flipped = bytearray(sent)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FrameError):
        unpack(bytes(flipped), OWN)


def test_every_flipped_bit_of_one_frame_is_refused() -> None:
    sent = pack(Kind.PAYLOAD, OWN, 258, bytes(range(64)), point=3)
    for bit in range(8 * len(sent)):
        flipped = bytearray(sent)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FrameError):
            unpack(bytes(flipped), OWN)


@given(FRAMES, st.data())
def test_a_frame_cut_short_or_with_bytes_behind_it_is_refused(frame: Frame, data: st.DataObject) -> None:
    sent = packed(frame)
    kept = data.draw(st.integers(0, len(sent) - 1))
    for wrong in (sent[:kept], sent + data.draw(st.binary(min_size=1, max_size=40))):
        with pytest.raises(FrameError):
            unpack(wrong, OWN)


@given(st.binary(max_size=200))
@example(b"SSX\x01")
def test_arbitrary_bytes_are_refused(wrong: bytes) -> None:
    with pytest.raises(FrameError):
        unpack(wrong, OWN)


@given(FRAMES, DIGESTS.filter(lambda digest: digest != OWN))
def test_a_frame_of_another_bundle_is_refused_and_both_are_named(frame: Frame, other: bytes) -> None:
    with pytest.raises(FrameError, match=f"is of bundle {other.hex()}, this is bundle {OWN.hex()}"):
        unpack(packed(frame, other), OWN)


def test_layout_is_the_one_that_is_written_down() -> None:
    sent = pack(Kind.PAYLOAD, OWN, 0x0102, b"xyz", point=9)
    before = b"SSX" + bytes([1, 1, 9, 0x02, 0x01]) + OWN + bytes([3, 0, 0, 0])
    assert sent == before + struct.pack("<I", zlib.crc32(before + b"xyz")) + b"xyz"


@given(LABELS, CONFIDENCES, SEQUENCES)
def test_an_answer_has_32_bytes_and_says_label_and_confidence(
    label: int, confidence: float, sequence: int
) -> None:
    sent = pack(Kind.ANSWER, OWN, sequence, answer_content(label, confidence))
    assert len(sent) == FRAME_ANSWER_BYTES
    assert read_answer(unpack(sent, OWN)) == (label, confidence)


def crafted(kind: int, content: bytes, version: int = 1) -> bytes:
    """A frame with a right checksum, whatever it says."""
    before = b"SSX" + bytes([version, kind, 0, 0, 0]) + OWN + struct.pack("<I", len(content))
    return before + struct.pack("<I", zlib.crc32(before + content)) + content


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (crafted(0, b""), "kind must be one of 1, 2, 3, got 0"),
        (crafted(4, b""), "kind must be one of 1, 2, 3, got 4"),
        (crafted(1, b"", version=2), "version must be 1, got 2"),
        (crafted(2, bytes(7)), "an answer has 8 bytes, got 7"),
        (crafted(2, struct.pack("<if", 1, float("nan"))), "confidence must be finite"),
        (crafted(2, struct.pack("<if", 1, float("inf"))), "confidence must be finite"),
        (crafted(3, b"\xff"), "reason must be UTF-8"),
    ],
)
def test_frames_with_a_right_checksum_are_not_believed_either(sent: bytes, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        unpack(sent, OWN)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequence": -1}, r"sequence must be in \[0, 65535\], got -1"),
        ({"sequence": 65536}, r"sequence must be in \[0, 65535\], got 65536"),
        ({"point": 256}, r"point must be in \[0, 255\], got 256"),
        ({"digest8": bytes(7)}, "digest8 must have 8 bytes, got 7"),
        ({"kind": Kind.ANSWER}, "an answer has 8 bytes, got 1"),
    ],
)
def test_what_does_not_fit_is_not_packed(changes: dict[str, Any], message: str) -> None:
    content: dict[str, Any] = {"kind": Kind.PAYLOAD, "digest8": OWN, "sequence": 0, "content": b"x"}
    with pytest.raises(FrameError, match=message):
        pack(**(content | changes))


@pytest.mark.parametrize("label", [2**31, -(2**31) - 1])
def test_labels_are_32_bits_and_confidences_finite(label: int) -> None:
    with pytest.raises(FrameError, match="label must fit into 32 bits"):
        answer_content(label, 0.5)
    with pytest.raises(FrameError, match="confidence must be finite, got nan"):
        answer_content(1, float("nan"))


def test_a_refusal_and_a_payload_are_no_answers() -> None:
    refusal = unpack(pack(Kind.REFUSAL, OWN, 1, "zu groß".encode()), OWN)
    with pytest.raises(FrameError, match="refused: zu groß"):
        read_answer(refusal)
    with pytest.raises(FrameError, match="must be an answer, got PAYLOAD"):
        read_answer(Frame(Kind.PAYLOAD, 1, b"x"))


def test_it_imports_the_standard_library_only() -> None:
    with open(module.__file__, encoding="utf-8") as file:
        nodes = list(ast.walk(ast.parse(file.read())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {f"{'.' * n.level}{n.module}" for n in nodes if isinstance(n, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
