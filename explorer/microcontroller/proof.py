"""The proof that a C edge computes what it must: values, bytes of payloads and frames, then decisions."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from explorer.core.exits import confidence
from explorer.errors import UserError
from explorer.microcontroller.forms import Shape
from explorer.microcontroller.reference import torch_order
from explorer.runtime.codec import encode
from explorer.runtime.manifest import Bundle, load_bundle
from explorer.runtime.protocol.frame import unpack

FOLDER, DESCRIPTION, EXPECTED = "c", "edge.json", "expected.npz"  # of a C edge in a bundle
TOLERANCE = 1e-5  # of floats, relative to the largest value where that exceeds 1; and of confidences
FILES = ("edge.c", "edge.h", "weights.h")
_WEIGHTS = re.compile(r"static const \w+ weights_\d+\[\d+\] = \{([^}]*)\}")


class NotEqualError(Exception):
    """A C edge does not compute what it must; says where and by how much."""


@dataclass(frozen=True, eq=False)
class CEdge:
    """A C edge as it lies in a bundle.

    Attributes:
        bundle: Whose edge it is.
        files: Text by name.
        about: Its description.
        expected: Samples, and what comes of them.

    Example:
        >>> load_edge(Path("bundle")).about["weights"]  # doctest: +SKIP
        'int8'
    """

    bundle: Bundle
    files: Mapping[str, str]
    about: Mapping[str, Any]
    expected: Mapping[str, Any]


def load_edge(folder: Path) -> CEdge:
    """Read the C edge of a bundle, and check its files.

    Raises:
        UserError: There is none, or a file was changed.

    Example:
        >>> load_edge(Path("nowhere"))
        Traceback (most recent call last):
        explorer.runtime.errors.UserError: nowhere/c/edge.json: no such file: explorer deploy --c-code ...
    """
    own = folder / FOLDER
    where = own / DESCRIPTION
    if not where.is_file():
        raise UserError(f"{where}: no such file: explorer deploy --c-code writes it")
    about = json.loads(where.read_text("utf-8"))
    for name, digest in about["files"].items():
        if not (own / name).is_file() or hashlib.sha256((own / name).read_bytes()).hexdigest() != digest:
            raise UserError(f"{own / name}: is missing, or was changed since it was written")
    with np.load(own / EXPECTED) as file:
        expected = {name: file[name] for name in file.files}
    files = {name: (own / name).read_text("utf-8") for name in FILES}
    bundle = load_bundle(folder, "edge")
    if bundle.digest != about["bundle"]:
        raise UserError(f"{where}: is of bundle {about['bundle'][:16]}, this is bundle {bundle.version}")
    return CEdge(bundle, files, about, expected)


def with_flipped_weight(files: Mapping[str, str]) -> dict[str, str]:
    r"""The files with one weight changed, by its sign or by one bit: no proof may pass then.

    It is the largest one of the last layer; one that only feeds units that are always cut off would change
    nothing.

    Raises:
        UserError: There are no weights.

    Example:
        >>> text = "static const float weights_1[2] = {\n    0.5f, -1.0f};"
        >>> with_flipped_weight({"weights.h": text})["weights.h"]
        'static const float weights_1[2] = {\n    0.5f, -(-1.0f)};'
    """
    text = files["weights.h"]
    arrays = list(_WEIGHTS.finditer(text))
    if not arrays:
        raise UserError("the edge part has no weight that could be flipped")
    start, end = arrays[-1].span(1)
    numbers = list(re.finditer(r"[^\s,]+", text[start:end]))
    own = max(numbers, key=lambda number: _size(number[0]))
    new = f"{own[0]} ^ 0x40u" if own[0].startswith("0x") else f"-({own[0]})"
    return {**files, "weights.h": text[: start + own.start()] + new + text[start + own.end() :]}


def _size(number: str) -> float:
    """Of a weight; of a word of four, that of its lowest."""
    if number.startswith("0x"):
        lowest = int(number.rstrip("u"), 16) & 0xFF
        return min(lowest, 256 - lowest)
    return abs(float(number.rstrip("f")))


def prove(edge: CEdge, rows: list[dict[str, bytes | int]] | Any) -> float:
    """Compare what the C gave with what it must give.

    Args:
        edge: As loaded.
        rows: By sample, as the harness prints them.

    Returns:
        The largest difference of a float, relative to the largest where that exceeds 1; 0 for int8, which
        must agree bit for bit.

    Raises:
        NotEqualError: A value, a byte of a payload or a decision differs.

    Example:
        >>> prove(load_edge(Path("bundle")), rows)  # doctest: +SKIP
        2.4e-07
    """
    proof, most = _Proof(edge), 0.0
    for number, row in enumerate(rows):
        most = max(most, proof.sample(number, row))
    return most


class _Proof:
    def __init__(self, edge: CEdge) -> None:
        self.edge, self.about = edge, edge.about
        self.point = edge.bundle.points[0]
        self.integers = edge.about["weights"] == "int8"

    def sample(self, number: int, row: Mapping[str, bytes | int]) -> float:
        off = 0.0
        expected = self.edge.expected
        if "logits" in expected:
            logits = np.frombuffer(_bytes(row["logits"]), expected["logits"].dtype)
            off = self._compared(number, "logits", logits, expected["logits"][number])
        if self.about["crossing_shape"] is not None:
            shape = Shape(*self.about["crossing_shape"])
            values = np.frombuffer(_bytes(row["crossing"]), expected["crossing"].dtype)
            crossing = torch_order(values[np.newaxis], shape)[0]
            off = max(off, self._compared(number, "crossing", crossing, expected["crossing"][number]))
            self._sent(number, row, crossing)
        return off

    def _compared(self, number: int, name: str, found: Any, expected: Any) -> float:
        if self.integers:
            wrong = int((found != expected).sum())
            if wrong:
                raise NotEqualError(f"sample {number}: {wrong} of {found.size} integers of the {name} differ")
            return 0.0
        scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
        off = float(np.abs(found - expected).max(initial=0.0)) / scale
        if not off <= TOLERANCE:
            raise NotEqualError(f"sample {number}: {name} differ by {off:.2g}, {TOLERANCE:g} at most")
        return off

    def _sent(self, number: int, row: Mapping[str, bytes | int], crossing: Any) -> None:
        """The decision of the exit, and the bytes of payload and frame, from the C's own tensor."""
        answers = False
        if self.point.exit is not None:
            logits = np.frombuffer(_bytes(row["logits"]), np.int32 if self.integers else np.float32)
            sure = float(np.frombuffer(_bytes(row["confidence"]), np.float32)[0])
            real = torch.from_numpy((logits * self.about["logit_step"]).astype(np.float32))
            score: Any = self.point.exit.score
            expected = float(confidence(real, score, self.point.exit.temperature))
            if not abs(sure - expected) <= TOLERANCE:
                raise NotEqualError(f"sample {number}: confidence is {sure:.7g}, must be {expected:.7g}")
            answers, threshold = bool(row["answers"]), np.float32(self.point.exit.threshold)
            if answers != (np.float32(sure) >= threshold) or row["label"] != int(logits.argmax()):
                raise NotEqualError(f"sample {number}: the exit decides otherwise than its own logits say")
        if answers != ("frame" not in row):
            raise NotEqualError(f"sample {number}: a frame must be sent where the edge does not answer alone")
        if answers or self.point.codec is None:
            return
        real = crossing
        if self.integers:
            scale = self.about["scale"]
            real = (crossing.astype(np.int64) - scale["zero"]).astype(np.float32) * np.float32(scale["step"])
        codec = self.point.codec
        payload = encode(real.reshape(self.point.crossing_shape), _uncompressed(codec))
        frame = unpack(_bytes(row["frame"]), bytes.fromhex(self.edge.bundle.digest)[:8])
        if frame.content != payload:
            raise NotEqualError(f"sample {number}: the payload differs from what the codec gives")


def _uncompressed(codec: Any) -> Any:
    """The device never compresses; what it sends is a payload of the codec all the same."""
    from dataclasses import replace

    return replace(codec, entropy="none")


def _bytes(value: bytes | int) -> bytes:
    assert isinstance(value, bytes)
    return value
