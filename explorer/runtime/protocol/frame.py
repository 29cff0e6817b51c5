"""The compact frame for links on which HTTP is too long: BLE, serial lines, LoRaWAN.

A frame is a header of 24 bytes and what it carries. All numbers are little endian:

    offset  bytes  field
    0       3      magic, the letters SSX
    3       1      version of this layout
    4       1      kind: 1 payload, 2 answer, 3 refusal
    5       1      number of the bundle's operating point that the payload was made at
    6       2      sequence number, which an answer and a refusal repeat
    8       8      first bytes of the bundle's digest
    16      4      length of the content in bytes
    20      4      CRC-32 of the 20 bytes before it and of the content

A payload frame carries the payload; an answer a label (int32) and a confidence (float32); a refusal its
reason as UTF-8. The link's own framing says where a message begins and ends, and ``unpack`` takes nothing but
one whole frame. The checksum finds damage, not forgery: a link that strangers can write to needs a signature.

This file imports the standard library only, so it can be copied to a gateway as it is.
"""

import math
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from zlib import crc32

MAGIC = b"SSX"
VERSION = 1
DIGEST_BYTES = 8
MAX_SEQUENCE = 0xFFFF  # count on from 0 after it
MAX_POINT = 0xFF

_BEFORE_CHECKSUM = Struct("<3sBBBH8sI")
_CHECKSUM = Struct("<I")
_ANSWER = Struct("<if")
_HEADER_BYTES = _BEFORE_CHECKSUM.size + _CHECKSUM.size
_MAX_CONTENT = 0xFFFFFFFF


class FrameError(ValueError):
    """Bytes that are no frame of this bundle, or content that fits into none; the message says why.

    Example:
        >>> unpack(b"GET / HTTP/1.1", digest8=bytes(8))
        Traceback (most recent call last):
            ...
        explorer.runtime.protocol.frame.FrameError: a frame has at least 24 bytes, got 14
    """


class Kind(IntEnum):
    """What a frame carries.

    Example:
        >>> Kind.ANSWER.value, Kind(3).name
        (2, 'REFUSAL')
    """

    PAYLOAD = 1
    ANSWER = 2
    REFUSAL = 3


@dataclass(frozen=True)
class Frame:
    """A frame that was received whole.

    Attributes:
        kind: What it carries.
        sequence: Number of the request, in [0, 65535].
        content: Payload, answer or reason.
        point: Number of the bundle's operating point, in [0, 255].

    Example:
        >>> Frame(Kind.PAYLOAD, sequence=7, content=b"abc").point
        0
    """

    kind: Kind
    sequence: int
    content: bytes
    point: int = 0


def pack(kind: Kind, digest8: bytes, sequence: int, content: bytes, point: int = 0) -> bytes:
    """Put the frame around a content.

    Args:
        kind: What it carries.
        digest8: First 8 bytes of the bundle's digest.
        sequence: Number of the request, in [0, 65535].
        content: Payload; :func:`answer_content`; or a reason, as UTF-8.
        point: Number of the operating point, in [0, 255].

    Returns:
        24 bytes more than ``content`` has.

    Raises:
        FrameError: A number or the content does not fit.

    Example:
        >>> frame = pack(Kind.PAYLOAD, bytes(8), sequence=7, content=b"abc", point=2)
        >>> len(frame), frame[:8].hex(" "), frame[-3:]
        (27, '53 53 58 01 01 02 07 00', b'abc')
    """
    for name, number, largest in (("sequence", sequence, MAX_SEQUENCE), ("point", point, MAX_POINT)):
        if not 0 <= number <= largest:
            raise FrameError(f"{name} must be in [0, {largest}], got {number}")
    _check_digest(digest8)
    if len(content) > _MAX_CONTENT:
        raise FrameError(f"content must have at most {_MAX_CONTENT} bytes, got {len(content)}")
    _check_content(kind, content)
    before = _BEFORE_CHECKSUM.pack(MAGIC, VERSION, kind, point, sequence, digest8, len(content))
    return before + _CHECKSUM.pack(crc32(content, crc32(before))) + content


def unpack(frame: bytes, digest8: bytes) -> Frame:
    """The inverse of :func:`pack`, which believes nothing before the checksum is right.

    Args:
        frame: One whole frame, and nothing besides.
        digest8: First 8 bytes of the digest of the bundle that is served.

    Raises:
        FrameError: Anything else than a whole, undamaged frame of this bundle.

    Example:
        >>> unpack(pack(Kind.PAYLOAD, bytes(8), sequence=7, content=b"abc"), digest8=bytes(8))
        Frame(kind=<Kind.PAYLOAD: 1>, sequence=7, content=b'abc', point=0)
        >>> unpack(pack(Kind.PAYLOAD, bytes(8), sequence=7, content=b"abc")[:-1], digest8=bytes(8))
        Traceback (most recent call last):
            ...
        explorer.runtime.protocol.frame.FrameError: the content must have 3 bytes as the frame says, got 2
    """
    _check_digest(digest8)
    if len(frame) < _HEADER_BYTES:
        raise FrameError(f"a frame has at least {_HEADER_BYTES} bytes, got {len(frame)}")
    magic, version, kind, point, sequence, digest, length = _BEFORE_CHECKSUM.unpack_from(frame)
    if magic != MAGIC:
        raise FrameError(f"a frame begins with {MAGIC!r}, got {magic!r}")
    if version != VERSION:
        raise FrameError(f"the frame's version must be {VERSION}, got {version}")
    content = bytes(frame[_HEADER_BYTES:])
    if len(content) != length:
        raise FrameError(f"the content must have {length} bytes as the frame says, got {len(content)}")
    (checksum,) = _CHECKSUM.unpack_from(frame, _BEFORE_CHECKSUM.size)
    if checksum != (own := crc32(content, crc32(frame[: _BEFORE_CHECKSUM.size]))):
        raise FrameError(f"the frame is damaged: its checksum says {checksum:08x}, its bytes give {own:08x}")
    if digest != digest8:
        raise FrameError(f"the frame is of bundle {digest.hex()}, this is bundle {digest8.hex()}")
    if kind not in set(Kind):
        raise FrameError(f"the frame's kind must be one of 1, 2, 3, got {kind}")
    _check_content(Kind(kind), content)
    return Frame(Kind(kind), sequence, content, point)


def answer_content(label: int, confidence: float) -> bytes:
    """What an answer frame carries: the label as int32 and the confidence as float32.

    Raises:
        FrameError: The label is no int32, or the confidence not finite.

    Example:
        >>> len(pack(Kind.ANSWER, bytes(8), sequence=7, content=answer_content(3, confidence=0.5)))
        32
    """
    if not math.isfinite(confidence):
        raise FrameError(f"the confidence must be finite, got {confidence}")
    if not -(2**31) <= label < 2**31:
        raise FrameError(f"the label must fit into 32 bits, got {label}")
    return _ANSWER.pack(label, confidence)


def read_answer(frame: Frame) -> tuple[int, float]:
    """Label and confidence of an answer frame.

    Raises:
        FrameError: It is no answer; a refusal's reason is in the message.

    Example:
        >>> read_answer(Frame(Kind.ANSWER, sequence=7, content=answer_content(3, confidence=0.5)))
        (3, 0.5)
        >>> read_answer(Frame(Kind.REFUSAL, sequence=7, content=b"queue full"))
        Traceback (most recent call last):
            ...
        explorer.runtime.protocol.frame.FrameError: refused: queue full
    """
    if frame.kind is Kind.REFUSAL:
        raise FrameError(f"refused: {frame.content.decode()}")
    if frame.kind is not Kind.ANSWER:
        raise FrameError(f"the frame must be an answer, got {frame.kind.name}")
    label, confidence = _ANSWER.unpack(frame.content)
    return label, confidence


def _check_digest(digest8: bytes) -> None:
    if len(digest8) != DIGEST_BYTES:
        raise FrameError(f"digest8 must have {DIGEST_BYTES} bytes, got {len(digest8)}")


def _check_content(kind: Kind, content: bytes) -> None:
    """What answers and refusals must look like; a payload is the codec's to judge."""
    if kind is Kind.ANSWER:
        if len(content) != _ANSWER.size:
            raise FrameError(f"an answer has {_ANSWER.size} bytes, got {len(content)}")
        if not math.isfinite(_ANSWER.unpack(content)[1]):
            raise FrameError("an answer's confidence must be finite, got infinity or NaN")
    elif kind is Kind.REFUSAL:
        try:
            content.decode()
        except UnicodeDecodeError:
            raise FrameError("a refusal's reason must be UTF-8") from None
