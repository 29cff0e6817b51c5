"""The payload: one tensor quantised and encoded to the bytes that cross the link, and back.

Layout: form (1 byte: 1 where each sample's own range travels along, 2 where the range was calibrated and both
sides know it), bits (1 byte, the highest bit set where the values are compressed), in form 1 low and step
(float32 each, little endian), then the values. 32 bits are raw float32, 16 bits are float16, fewer are
affine quantisation: value = low + step * code, the codes packed without gaps. Values that would overflow are
clamped: 16 bits to +-65504, fewer to a quarter of float32's largest value, and then to the range.
"""

import struct
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import zstandard
from torch import Tensor

Ranges = Literal["sample", "tensor", "channel"]
Entropy = Literal["none", "zstd"]

PAYLOAD_BITS = (32, 16, 8, 6, 4, 2)
_OWN_RANGE, _CALIBRATED = 1, 2
_COMPRESSED = 0x80
_HEADER, _RANGE = struct.Struct("<BB"), struct.Struct("<ff")
_HALF_MAX = torch.finfo(torch.float16).max
AFFINE_MAX = torch.finfo(torch.float32).max / 4  # so that high - low is finite
_STORED: dict[int, Any] = {32: np.float32, 16: np.float16}
_STATES_SIZE = 0xE0  # bits of a frame's first byte (RFC 8878, 3.1.1.1.1)
# a payload names its own form, so the frame needs neither magic number nor size nor checksum
_ZSTD = zstandard.ZstdCompressionParameters.from_level(
    3,
    format=zstandard.FORMAT_ZSTD1_MAGICLESS,
    write_content_size=False,
    write_checksum=False,
    write_dict_id=False,
)


class PayloadError(ValueError):
    """A tensor that cannot be encoded, or bytes that are no payload of the codec."""


@dataclass(frozen=True)
class PayloadForm:
    """How payloads of a search are encoded.

    Attributes:
        bits: Bits per value that are tried, of :data:`PAYLOAD_BITS`.
        ranges: Where the range of up to 8 bits comes from: each sample's own, sent along; or calibrated on
            training data, one for the tensor or one per channel (the first axis), stored on both sides.
        entropy: ``zstd`` compresses what gets shorter by it (Zstandard, RFC 8878), without loss.

    Example:
        >>> PayloadForm(bits=(8, 4), ranges="channel")
        PayloadForm(bits=(8, 4), ranges='channel', entropy='none')
    """

    bits: tuple[int, ...]
    ranges: Ranges = "sample"
    entropy: Entropy = "none"


@dataclass(frozen=True, eq=False)
class Codec:
    """What encoder and decoder of one split point both know.

    Attributes:
        bits: Bits per value.
        ranges, entropy: See :class:`PayloadForm`.
        low, step: Calibrated range, float32, shape (1,) or (channels,); None where there is none, see
            :func:`is_calibrated`.

    Example:
        >>> codec = Codec(2, ranges="tensor", low=torch.tensor([0.0]), step=torch.tensor([0.5]))
        >>> roundtrip(torch.tensor([[-1.0, 0.6, 9.0]]), codec)
        tensor([[0.0000, 0.5000, 1.5000]])
    """

    bits: int
    ranges: Ranges = "sample"
    entropy: Entropy = "none"
    low: Tensor | None = None
    step: Tensor | None = None

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


def least_encoded_bytes(elements: int, bits: int, form: PayloadForm) -> int:
    """What an encoded tensor has at least, whatever its values; nobody knows how well they compress.

    Example:
        >>> least_encoded_bytes(100, 8, PayloadForm((8,)))
        110
        >>> least_encoded_bytes(100, 8, PayloadForm((8,), entropy="zstd"))
        10
    """
    return header_bytes(form.ranges) if form.entropy != "none" else encoded_bytes(elements, bits, form.ranges)


def range_bytes(shape: tuple[int, ...], ranges: Ranges) -> int:
    """Bytes of the calibrated range that each side stores for values of up to 8 bits.

    Example:
        >>> range_bytes((16, 8, 8), "channel"), range_bytes((16, 8, 8), "sample")
        (128, 0)
    """
    return {"sample": 0, "tensor": 1, "channel": shape[0]}[ranges] * _RANGE.size


def encode(tensor: Tensor, codec: Codec) -> bytes:
    """Encode one sample's tensor (no batch axis), float32.

    Raises:
        PayloadError: It holds NaN.

    Example:
        >>> payload = encode(torch.linspace(0, 1, 6), Codec(4))
        >>> len(payload), payload[-3:].hex()
        (13, '0369cf')
    """
    codes, low, step = _to_codes(tensor.detach().unsqueeze(0), codec)
    array: npt.NDArray[Any] = codes.contiguous().numpy().reshape(-1)
    form, travelling = _CALIBRATED, b""
    if codec.ranges == "sample":
        form, travelling = _OWN_RANGE, _RANGE.pack(low.item(), step.item())
    bits, values = codec.bits, (_packed(array, codec.bits) if codec.bits <= 8 else array.tobytes())
    if codec.entropy == "zstd":
        content = array.tobytes() if _straddles(codec.bits) else values
        compressed = zstandard.ZstdCompressor(compression_params=_ZSTD).compress(content)
        if len(compressed) < len(values):
            bits, values = bits | _COMPRESSED, compressed
    return _HEADER.pack(form, bits) + travelling + values


def decode(payload: bytes, shape: tuple[int, ...], codec: Codec) -> Tensor:
    """Decode to a float32 tensor of ``shape`` (no batch axis).

    Raises:
        PayloadError: Not what :func:`encode` gives with this codec for a tensor of ``shape``.

    Example:
        >>> payload = encode(torch.linspace(0, 1, 4), Codec(2))
        >>> decode(payload, (4,), Codec(2))
        tensor([0.0000, 0.3333, 0.6667, 1.0000])
    """
    form = _OWN_RANGE if codec.ranges == "sample" else _CALIBRATED
    header, elements = header_bytes(codec.ranges), prod(shape)
    known = {bytes([form, codec.bits]), bytes([form, codec.bits | _COMPRESSED])}
    if len(payload) < header or payload[:2] not in known:
        raise PayloadError(f"not a payload of {codec.bits} bits, form {form}: starts with {payload[:2]!r}")
    codes = _stored_codes(payload[header:], bool(payload[1] & _COMPRESSED), elements, codec)
    low, step = _known_range(codec, len(shape))
    if codec.ranges == "sample":
        low, step = (torch.tensor(value) for value in _RANGE.unpack_from(payload, _HEADER.size))
    return _from_codes(torch.from_numpy(codes.copy()).reshape(1, *shape), low, step).squeeze(0)


def roundtrip(batch: Tensor, codec: Codec) -> Tensor:
    """What the server receives: encode and decode each sample of ``batch`` (B, ...), bit for bit.

    Raises:
        PayloadError: ``batch`` holds NaN.

    Example:
        >>> roundtrip(torch.tensor([[0.0, 0.4, 1.0], [0.0, 4.0, 10.0]]), Codec(2))
        tensor([[ 0.0000,  0.3333,  1.0000],
                [ 0.0000,  3.3333, 10.0000]])
    """
    return _from_codes(*_to_codes(batch, codec))


def affine_step(low: Tensor, high: Tensor, bits: int) -> Tensor:
    """Distance of neighbouring values when ``2 ** bits`` of them lie evenly from ``low`` to ``high``.

    Example:
        >>> affine_step(torch.tensor(-1.0), torch.tensor(2.0), bits=2)
        tensor(1.)
    """
    return (high - low).div(2**bits - 1)


def _to_codes(batch: Tensor, codec: Codec) -> tuple[Tensor, Tensor, Tensor]:
    """Codes (B, ...) with low and step, which broadcast over them; 32 and 16 bits use low 0 and step 1."""
    if torch.isnan(batch).any():
        raise PayloadError("cannot encode NaN")
    low, step = _known_range(codec, batch.dim() - 1)
    if codec.bits == 32:
        return batch.float(), low, step
    if codec.bits == 16:
        return batch.clamp(-_HALF_MAX, _HALF_MAX).half(), low, step
    batch = batch.clamp(-AFFINE_MAX, AFFINE_MAX)
    if codec.ranges == "sample":
        ends = batch.reshape(len(batch), -1).aminmax(dim=1)
        low, high = (end.view(-1, *[1] * (batch.dim() - 1)) for end in ends)
        step = affine_step(low, high, codec.bits)
    safe_step = torch.where(step > 0, step, 1.0)
    codes = ((batch - low) / safe_step).round().clamp(0, 2**codec.bits - 1).to(torch.uint8)
    return codes, low, step


def _known_range(codec: Codec, axes: int) -> tuple[Tensor, Tensor]:
    """Calibrated low and step (else 0 and 1), shaped for tensors of ``axes`` axes without batch."""
    if codec.low is None or codec.step is None:
        return torch.zeros(()), torch.ones(())
    over = (-1, *[1] * (axes - 1))
    return codec.low.view(over), codec.step.view(over)


def _from_codes(codes: Tensor, low: Tensor, step: Tensor) -> Tensor:
    values = codes.float()
    return values if codes.is_floating_point() else values * step + low


def _stored_codes(content: bytes, compressed: bool, elements: int, codec: Codec) -> npt.NDArray[Any]:
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


def _decompressed(content: bytes, size: int) -> bytes:
    if not content or content[0] & _STATES_SIZE:  # the size is known; a stated one would be believed
        raise PayloadError("compressed values must be a frame that does not state its size")
    decompressor = zstandard.ZstdDecompressor(format=zstandard.FORMAT_ZSTD1_MAGICLESS)
    try:
        values = decompressor.decompress(content, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise PayloadError(f"compressed values cannot be read: {error}") from None
    if len(values) != size:
        raise PayloadError(f"compressed values must hold {size} bytes, got {len(values)}")
    return values
