"""Payloads of torch tensors: the codec of :mod:`explorer.runtime.codec`, which edge and server share.

A tensor on the CPU and its numpy array share their memory, so nothing is copied on the way. On another device
what the server receives is computed there, to the same bits.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from explorer.core.device import CPU
from explorer.runtime import codec as arrays
from explorer.runtime.codec import (
    AFFINE_MAX,
    HALF_MAX,
    PAYLOAD_BITS,
    Codec,
    Entropy,
    PayloadError,
    Ranges,
    affine_step,
    encoded_bytes,
    header_bytes,
    is_calibrated,
    range_bytes,
)

__all__ = [
    "AFFINE_MAX",
    "PAYLOAD_BITS",
    "Codec",
    "Entropy",
    "PayloadError",
    "PayloadForm",
    "Ranges",
    "affine_step",
    "decode",
    "encode",
    "encoded_bytes",
    "header_bytes",
    "is_calibrated",
    "least_encoded_bytes",
    "range_bytes",
    "roundtrip",
    "roundtrip_there",
]


@dataclass(frozen=True)
class PayloadForm:
    """How payloads of a search are encoded.

    Attributes:
        bits: Bits per value that are tried, of :data:`PAYLOAD_BITS`.
        ranges, entropy: See :class:`explorer.runtime.codec.Codec`.

    Example:
        >>> PayloadForm(bits=(8, 4), ranges="channel")
        PayloadForm(bits=(8, 4), ranges='channel', entropy='none')
    """

    bits: tuple[int, ...]
    ranges: Ranges = "sample"
    entropy: Entropy = "none"


def least_encoded_bytes(elements: int, bits: int, form: PayloadForm) -> int:
    """What an encoded tensor has at least, whatever its values; nobody knows how well they compress.

    Example:
        >>> least_encoded_bytes(100, 8, PayloadForm((8,)))
        110
        >>> least_encoded_bytes(100, 8, PayloadForm((8,), entropy="zstd"))
        10
    """
    return header_bytes(form.ranges) if form.entropy != "none" else encoded_bytes(elements, bits, form.ranges)


def encode(tensor: Tensor, codec: Codec) -> bytes:
    """Encode one sample's tensor (no batch axis), see :func:`explorer.runtime.codec.encode`.

    Example:
        >>> payload = encode(torch.linspace(0, 1, 6), Codec(4))
        >>> len(payload), payload[-3:].hex()
        (13, '0369cf')
    """
    return arrays.encode(tensor.detach().float().cpu().numpy(), codec)


def decode(payload: bytes, shape: tuple[int, ...], codec: Codec) -> Tensor:
    """Decode to a float32 tensor of ``shape``, see :func:`explorer.runtime.codec.decode`.

    Example:
        >>> payload = encode(torch.linspace(0, 1, 4), Codec(2))
        >>> decode(payload, (4,), Codec(2))
        tensor([0.0000, 0.3333, 0.6667, 1.0000])
    """
    return torch.from_numpy(arrays.decode(payload, shape, codec).copy())


def roundtrip(batch: Tensor, codec: Codec) -> Tensor:
    """What the server receives: encode and decode each sample of ``batch`` (B, ...), bit for bit.

    Raises:
        PayloadError: ``batch`` holds NaN.

    Example:
        >>> roundtrip(torch.tensor([[0.0, 0.4, 1.0], [0.0, 4.0, 10.0]]), Codec(2))
        tensor([[ 0.0000,  0.3333,  1.0000],
                [ 0.0000,  3.3333, 10.0000]])
    """
    if batch.device == CPU:
        return torch.from_numpy(arrays.roundtrip(batch.detach().float().numpy(), codec))
    return roundtrip_there(batch.detach().float(), codec)


def roundtrip_there(values: Tensor, codec: Codec) -> Tensor:
    """What :func:`explorer.runtime.codec.roundtrip` gives, by operators of the device that ``values`` lie on.

    Each operator rounds once, as numpy's does: nothing is fused, and a divisor is a tensor, since torch
    multiplies by the reciprocal of a number.

    Raises:
        PayloadError: ``values`` hold NaN.

    Example:
        >>> roundtrip_there(torch.tensor([[0.0, 0.4, 3.0], [0.0, 4.0, 30.0]]), Codec(2))
        tensor([[ 0.,  0.,  3.],
                [ 0.,  0., 30.]])
    """
    if values.isnan().any():
        raise PayloadError("cannot encode NaN")
    if codec.bits == 32:
        return values
    if codec.bits == 16:
        return values.clamp(-HALF_MAX, HALF_MAX).half().float()
    values, most = values.clamp(-AFFINE_MAX, AFFINE_MAX), float(2**codec.bits - 1)
    if codec.low is None or codec.step is None:
        axes = tuple(range(1, values.dim()))
        low = values.amin(axes, keepdim=True)
        step = (values.amax(axes, keepdim=True) - low) / torch.full_like(low, most)
    else:
        over = (-1, *[1] * (values.dim() - 2))
        low, step = (torch.from_numpy(end).to(values.device).view(over) for end in (codec.low, codec.step))
    safe_step = torch.where(step > 0, step, torch.ones_like(step))
    codes = ((values - low) / safe_step).round().clamp(0, most)
    return codes * step + low
