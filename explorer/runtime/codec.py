"""The payload codec: one tensor quantised and encoded to the bytes that cross the link, and back.

Layout: form (1 byte: 1 where each sample's own range travels along, 2 where the range was calibrated and both
sides know it), bits (1 byte, the highest bit set where the values are compressed), in form 1 low and step
(float32 each, little endian), then the values. 32 bits are raw float32, 16 bits are float16, fewer are
affine quantisation: value = low + step * code, the codes packed without gaps. Values that would overflow are
clamped: 16 bits to +-65504, fewer to a quarter of float32's largest value, and then to the range.

The search, the edge device and the server share this one implementation.
"""

import struct
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .errors import UserError

Ranges = Literal["sample", "tensor", "channel"]
Entropy = Literal["none", "zstd"]
Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[Any]  # uint8, or floats of 32 or 16 bits

PAYLOAD_BITS = (32, 16, 8, 6, 4, 2)
_OWN_RANGE, _CALIBRATED = 1, 2
_COMPRESSED = 0x80
_HEADER, _RANGE = struct.Struct("<BB"), struct.Struct("<ff")
HALF_MAX = float(np.finfo(np.float16).max)
AFFINE_MAX = float(np.finfo(np.float32).max) / 4  # so that high - low is finite
_STORED: dict[int, Any] = {32: np.dtype("<f4"), 16: np.dtype("<f2")}
_STATES_SIZE = 0xE0  # bits of a frame's first byte (RFC 8878, 3.1.1.1.1)


class PayloadError(ValueError):
    """A tensor that cannot be encoded, or bytes that are no payload of the codec."""


@dataclass(frozen=True, eq=False)
class Codec:
    """What encoder and decoder of one split point both know.

    Attributes:
        bits: Bits per value, one of :data:`PAYLOAD_BITS`.
        ranges: Where the range of up to 8 bits comes from: each sample's own, sent along; or calibrated on
            training data, one for the tensor or one per channel (the first axis), stored on both sides.
        entropy: ``zstd`` compresses what gets shorter by it (Zstandard, RFC 8878), without loss.
        low, step: Calibrated range, float32, shape (1,) or (channels,); None where there is none, see
            :func:`is_calibrated`.

    Example:
        >>> low, step = np.zeros(1, np.float32), np.full(1, 0.5, np.float32)
        >>> codec = Codec(2, ranges="tensor", low=low, step=step)
        >>> roundtrip(np.array([[-1.0, 0.6, 9.0]], np.float32), codec).tolist()
        [[0.0, 0.5, 1.5]]
    """

    bits: int
    ranges: Ranges = "sample"
    entropy: Entropy = "none"
    low: Floats | None = None
    step: Floats | None = None

    def __post_init__(self) -> None:
        for end in (self.low, self.step):
            assert (end is not None) == is_calibrated(self.bits, self.ranges)


def is_calibrated(bits: int, ranges: Ranges) -> bool:
    """Whether a codec has a range that both sides store.

    Example:
        >>> is_calibrated(8, "channel"), is_calibrated(8, "sample"), is_calibrated(16, "channel")
        (True, False, False)
    """
    return bits <= 8 and ranges != "sample"


def header_bytes(ranges: Ranges) -> int:
    """Bytes before the values.

    Example:
        >>> header_bytes("sample"), header_bytes("channel")
        (10, 2)
    """
    return _HEADER.size + (_RANGE.size if ranges == "sample" else 0)


def encoded_bytes(elements: int, bits: int, ranges: Ranges = "sample") -> int:
    """Length of an encoded tensor, header included; at most this where it is compressed.

    Example:
        >>> [encoded_bytes(100, bits) for bits in (32, 8, 4)]
        [410, 110, 60]
        >>> encoded_bytes(100, bits=4, ranges="channel")
        52
    """
    return header_bytes(ranges) + -(-elements * bits // 8)


def range_bytes(shape: tuple[int, ...], ranges: Ranges) -> int:
    """Bytes of the calibrated range that each side stores for values of up to 8 bits.

    Example:
        >>> range_bytes((16, 8, 8), "channel"), range_bytes((16, 8, 8), "sample")
        (128, 0)
    """
    return {"sample": 0, "tensor": 1, "channel": shape[0]}[ranges] * _RANGE.size


def encode(tensor: Floats, codec: Codec) -> bytes:
    """Encode one sample's tensor (no batch axis), float32.

    Raises:
        PayloadError: It holds NaN.

    Example:
        >>> payload = encode(np.linspace(0, 1, 6, dtype=np.float32), Codec(4))
        >>> len(payload), payload[-3:].hex()
        (13, '0369cf')
    """
    codes, low, step = to_codes(tensor[np.newaxis], codec)
    array = np.ascontiguousarray(codes).reshape(-1)
    form, travelling = _CALIBRATED, b""
    if codec.ranges == "sample":
        form, travelling = _OWN_RANGE, _RANGE.pack(low.item(), step.item())
    bits, values = codec.bits, (_packed(array, codec.bits) if codec.bits <= 8 else array.tobytes())
    if codec.entropy == "zstd":
        compressed = _compressed(array.tobytes() if _straddles(codec.bits) else values)
        if len(compressed) < len(values):
            bits, values = bits | _COMPRESSED, compressed
    return _HEADER.pack(form, bits) + travelling + values


def decode(payload: bytes, shape: tuple[int, ...], codec: Codec) -> Floats:
    """Decode to a float32 tensor of ``shape`` (no batch axis).

    Raises:
        PayloadError: Not what :func:`encode` gives with this codec for a tensor of ``shape``.

    Example:
        >>> payload = encode(np.linspace(0, 1, 4, dtype=np.float32), Codec(2))
        >>> (3 * decode(payload, (4,), Codec(2))).tolist()
        [0.0, 1.0, 2.0, 3.0]
    """
    form = _OWN_RANGE if codec.ranges == "sample" else _CALIBRATED
    header, elements = header_bytes(codec.ranges), prod(shape)
    known = {bytes([form, codec.bits]), bytes([form, codec.bits | _COMPRESSED])}
    if len(payload) < header or payload[:2] not in known:
        raise PayloadError(f"not a payload of {codec.bits} bits, form {form}: starts with {payload[:2]!r}")
    codes = _stored_codes(payload[header:], bool(payload[1] & _COMPRESSED), elements, codec)
    low, step = _known_range(codec, len(shape))
    if codec.ranges == "sample":
        low, step = (np.array(value, np.float32) for value in _RANGE.unpack_from(payload, _HEADER.size))
    with np.errstate(over="ignore", invalid="ignore"):  # a range that somebody made up
        return from_codes(codes.reshape(shape), low, step)


def roundtrip(batch: Floats, codec: Codec) -> Floats:
    """What the server receives: encode and decode each sample of ``batch`` (B, ...), bit for bit.

    Raises:
        PayloadError: ``batch`` holds NaN.

    Example:
        >>> roundtrip(np.array([[0.0, 0.4, 3.0], [0.0, 4.0, 30.0]], np.float32), Codec(2)).tolist()
        [[0.0, 0.0, 3.0], [0.0, 0.0, 30.0]]
    """
    return from_codes(*to_codes(batch, codec))


def affine_step(low: Floats, high: Floats, bits: int) -> Floats:
    """Distance of neighbouring values when ``2 ** bits`` of them lie evenly from ``low`` to ``high``.

    Example:
        >>> float(affine_step(np.float32(-1.0), np.float32(2.0), bits=2))
        1.0
    """
    return np.asarray((high - low) / np.float32(2**bits - 1))


def to_codes(batch: Floats, codec: Codec) -> tuple[Codes, Floats, Floats]:
    """Codes (B, ...) with low and step, which broadcast over them; 32 and 16 bits use low 0 and step 1.

    Raises:
        PayloadError: ``batch`` holds NaN.

    Example:
        >>> codes, low, step = to_codes(np.array([[0.0, 0.4, 1.0]], np.float32), Codec(8))
        >>> codes.tolist(), low.item(), round(step.item(), 4)
        ([[0, 102, 255]], 0.0, 0.0039)
    """
    if np.isnan(batch).any():
        raise PayloadError("cannot encode NaN")
    low, step = _known_range(codec, batch.ndim - 1)
    if codec.bits == 32:
        return batch.astype("<f4", copy=False), low, step
    if codec.bits == 16:
        return batch.clip(-HALF_MAX, HALF_MAX).astype("<f2"), low, step
    batch = batch.clip(-AFFINE_MAX, AFFINE_MAX)
    if codec.ranges == "sample":
        axes = tuple(range(1, batch.ndim))
        low, high = (ends(batch, axis=axes, keepdims=True) for ends in (np.min, np.max))
        step = affine_step(low, high, codec.bits)
    safe_step = np.where(step > 0, step, np.float32(1.0))
    with np.errstate(over="ignore"):  # by a tiny step: infinite, and cut to the largest code
        codes = np.rint((batch - low) / safe_step).clip(0, 2**codec.bits - 1).astype(np.uint8)
    return codes, low, step


def _known_range(codec: Codec, axes: int) -> tuple[Floats, Floats]:
    """Calibrated low and step (else 0 and 1), shaped for tensors of ``axes`` axes without batch."""
    if codec.low is None or codec.step is None:
        return np.zeros((), np.float32), np.ones((), np.float32)
    over = (-1, *[1] * (axes - 1))
    return codec.low.reshape(over), codec.step.reshape(over)


def from_codes(codes: Codes, low: Floats, step: Floats) -> Floats:
    """Inverse of :func:`to_codes`, float32.

    Example:
        >>> from_codes(np.array([0, 3], np.uint8), np.float32(1.0), np.float32(0.5)).tolist()
        [1.0, 2.5]
    """
    values = codes.astype(np.float32)
    return values if codes.dtype.kind == "f" else np.asarray(values * step + low)


def _stored_codes(content: bytes, compressed: bool, elements: int, codec: Codec) -> Codes:
    """The codes, floats of 32 or 16 bits among them, behind the header."""
    packed_bytes = -(-elements * codec.bits // 8)
    if compressed:
        content = _decompressed(content, elements if _straddles(codec.bits) else packed_bytes)
    elif len(content) != packed_bytes:
        raise PayloadError(
            f"{elements} values of {codec.bits} bits take {packed_bytes} bytes, got {len(content)}"
        )
    if codec.bits > 8 or (compressed and _straddles(codec.bits)):
        return np.frombuffer(content, _STORED.get(codec.bits, np.uint8))
    return _unpacked(content, codec.bits, elements)


def _straddles(bits: int) -> bool:
    """Whether packed codes lie across bytes; a byte for each code then tells the compressor more."""
    return bits < 8 and 8 % bits != 0


def _packed(codes: npt.NDArray[np.uint8], bits: int) -> bytes:
    """The low ``bits`` of every code, one behind the other, zeros up to the next byte."""
    return np.packbits(np.unpackbits(codes[:, None], axis=1)[:, -bits:]).tobytes()


def _unpacked(packed: bytes, bits: int, elements: int) -> npt.NDArray[np.uint8]:
    codes = np.zeros((elements, 8), np.uint8)
    codes[:, -bits:] = np.unpackbits(np.frombuffer(packed, np.uint8), count=elements * bits).reshape(-1, bits)
    return np.packbits(codes, axis=1)[:, 0]


def _zstd() -> Any:
    """The parameters of frames; the library is imported where payloads are compressed only.

    A payload names its own form, so the frame needs neither magic number nor size nor checksum.
    """
    try:
        import zstandard
    except ImportError:
        raise UserError("compressed payloads need the Python package zstandard") from None
    return zstandard, zstandard.ZstdCompressionParameters.from_level(
        3,
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
        write_content_size=False,
        write_checksum=False,
        write_dict_id=False,
    )


def _compressed(content: bytes) -> bytes:
    zstandard, parameters = _zstd()
    return bytes(zstandard.ZstdCompressor(compression_params=parameters).compress(content))


def _decompressed(content: bytes, size: int) -> bytes:
    if not content or content[0] & _STATES_SIZE:  # the size is known; a stated one would be believed
        raise PayloadError("compressed values must be a frame that does not state its size")
    zstandard, _ = _zstd()
    decompressor = zstandard.ZstdDecompressor(format=zstandard.FORMAT_ZSTD1_MAGICLESS)
    try:
        values = bytes(decompressor.decompress(content, max_output_size=size, allow_extra_data=False))
    except zstandard.ZstdError as error:
        raise PayloadError(f"compressed values cannot be read: {error}") from None
    if len(values) != size:
        raise PayloadError(f"compressed values must hold {size} bytes, got {len(values)}")
    return values
