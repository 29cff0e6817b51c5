"""The payload: one tensor encoded to the bytes that cross the link, and back.

Layout: version (1 byte), bits (1 byte), low and step (float32 each, little endian), then the values.
32 bits are raw float32, 16 bits are float16, 8 bits are affine: value = low + step * code, with low and
step from the tensor's own range. Values that would overflow are clamped: 16 bits to +-65504, 8 bits to a
quarter of float32's largest value.
"""

import struct

import torch
from torch import Tensor

PAYLOAD_BITS = (32, 16, 8)
_VERSION = 1
_HEADER = struct.Struct("<BBff")
HEADER_BYTES = _HEADER.size
_HALF_MAX = torch.finfo(torch.float16).max
_AFFINE_MAX = torch.finfo(torch.float32).max / 4  # so that high - low is finite
_STORED = {32: torch.float32, 16: torch.float16, 8: torch.uint8}


def encoded_bytes(elements: int, bits: int) -> int:
    """Length of an encoded tensor, header included."""
    return HEADER_BYTES + elements * bits // 8


def encode(tensor: Tensor, bits: int) -> bytes:
    """Encode one sample's tensor (no batch axis), float32."""
    codes, low, step = _to_codes(tensor.detach().reshape(1, -1), bits)
    return _HEADER.pack(_VERSION, bits, low.item(), step.item()) + codes.contiguous().numpy().tobytes()


def decode(payload: bytes, shape: tuple[int, ...]) -> Tensor:
    """Decode to a float32 tensor of ``shape`` (no batch axis).

    Raises:
        ValueError: Not a payload of this version, or its length does not fit ``shape``.
    """
    if len(payload) < HEADER_BYTES or payload[0] != _VERSION or payload[1] not in PAYLOAD_BITS:
        raise ValueError(f"not a version {_VERSION} payload: starts with {payload[:2]!r}")
    _, bits, low, step = _HEADER.unpack_from(payload)
    elements = torch.Size(shape).numel()
    if len(payload) != encoded_bytes(elements, bits):
        raise ValueError(f"shape {shape} takes {encoded_bytes(elements, bits)} bytes, got {len(payload)}")
    codes = torch.frombuffer(bytearray(payload[HEADER_BYTES:]), dtype=_STORED[bits])
    return _from_codes(codes.reshape(1, -1), torch.tensor([[low]]), torch.tensor([[step]])).reshape(shape)


def roundtrip(batch: Tensor, bits: int) -> Tensor:
    """What the server receives: encode and decode each sample of ``batch`` (B, ...), bit for bit."""
    return _from_codes(*_to_codes(batch.reshape(len(batch), -1), bits)).reshape(batch.shape)


def _to_codes(values_BN: Tensor, bits: int) -> tuple[Tensor, Tensor, Tensor]:
    """Codes (B, N) with low and step (B, 1); bits other than 8 use low 0 and step 1."""
    zero, one = torch.zeros(len(values_BN), 1), torch.ones(len(values_BN), 1)
    if bits == 32:
        return values_BN.float(), zero, one
    if bits == 16:
        return values_BN.clamp(-_HALF_MAX, _HALF_MAX).half(), zero, one
    values_BN = values_BN.clamp(-_AFFINE_MAX, _AFFINE_MAX)
    low, high = values_BN.aminmax(dim=1, keepdim=True)
    step = (high - low) / 255
    safe_step = torch.where(step > 0, step, one)
    return ((values_BN - low) / safe_step).round().clamp(0, 255).to(torch.uint8), low, step


def _from_codes(codes_BN: Tensor, low: Tensor, step: Tensor) -> Tensor:
    return codes_BN.float() if codes_BN.dtype != torch.uint8 else codes_BN.float() * step + low
