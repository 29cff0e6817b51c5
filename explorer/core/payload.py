"""Payloads of torch tensors: the codec of :mod:`explorer.runtime.codec`, which edge and server share.

A tensor on the CPU and its numpy array share their memory, so nothing is copied on the way.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from explorer.runtime import codec as arrays
from explorer.runtime.codec import (
    AFFINE_MAX,
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
    return arrays.encode(tensor.detach().float().numpy(), codec)


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
    return torch.from_numpy(arrays.roundtrip(batch.detach().float().numpy(), codec))
