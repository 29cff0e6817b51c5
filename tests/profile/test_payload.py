"""The payload: bytes by formula, values bit for bit, error by quantisation step."""

import struct
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from explorer.profile.payload import HEADER_BYTES, PAYLOAD_BITS, decode, encode, encoded_bytes, roundtrip

BITS = st.sampled_from(PAYLOAD_BITS)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
MODEST = st.floats(-1000, 1000, width=32)
HALF_MAX, FLOAT_MAX = 65504.0, torch.finfo(torch.float32).max


@st.composite
def tensors(draw: st.DrawFn, values: st.SearchStrategy[float] = FLOATS) -> Tensor:
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    count = torch.Size(shape).numel()
    numbers = draw(
        st.lists(values, min_size=count, max_size=count) | st.builds(lambda v: [v] * count, values)
    )
    return torch.tensor(numbers, dtype=torch.float32).reshape(shape)


@given(tensors(), BITS)
def test_decoding_gives_the_roundtrip_bit_for_bit(tensor: Tensor, bits: int) -> None:
    payload = encode(tensor, bits)
    assert len(payload) == encoded_bytes(tensor.numel(), bits)
    decoded = decode(payload, tuple(tensor.shape))
    assert decoded.dtype == torch.float32
    assert decoded.numpy().tobytes() == roundtrip(tensor[None], bits)[0].numpy().tobytes()
    assert torch.isfinite(decoded).all()


@given(st.lists(tensors(MODEST).map(torch.flatten), min_size=2, max_size=5), BITS)
def test_samples_of_a_batch_do_not_touch_each_other(samples: list[Tensor], bits: int) -> None:
    length = min(len(sample) for sample in samples)
    batch = torch.stack([sample[:length] for sample in samples])
    for sample, received in zip(batch, roundtrip(batch, bits), strict=True):
        assert torch.equal(received, roundtrip(sample[None], bits)[0])


@pytest.mark.parametrize(("bits", "length"), [(32, 10 + 4 * 6), (16, 10 + 2 * 6), (8, 10 + 6)])
def test_length(bits: int, length: int) -> None:
    assert HEADER_BYTES == 1 + 1 + 4 + 4
    assert encoded_bytes(6, bits) == length
    assert len(encode(torch.zeros(2, 3), bits)) == length


@given(tensors())
def test_32_bits_change_nothing(tensor: Tensor) -> None:
    assert torch.equal(roundtrip(tensor[None], 32)[0], tensor)


@given(tensors(MODEST))
def test_16_bits_are_half_precision(tensor: Tensor) -> None:
    received = roundtrip(tensor[None], 16)[0]
    assert torch.equal(received, tensor.half().float())
    # 11 significant bits, and steps of 2**-24 below the smallest normal number
    assert ((received - tensor).abs() <= tensor.abs() * 2**-11 + 2**-25).all()


@given(tensors(MODEST))
def test_8_bits_are_off_by_half_a_step_at_most(tensor: Tensor) -> None:
    received = roundtrip(tensor[None], 8)[0]
    step = (tensor.max() - tensor.min()).item() / 255
    rounding = 4 * tensor.abs().max().item() * 2**-24  # of float32 itself
    assert (received - tensor).abs().max().item() <= step / 2 + rounding + 2**-140


@pytest.mark.parametrize("bits", PAYLOAD_BITS)
@pytest.mark.parametrize("value", [0.0, -3.75, 1e-30])
def test_constant_tensor(value: float, bits: int) -> None:
    tensor = torch.full((2, 3), value)
    received = roundtrip(tensor[None], bits)[0]
    assert torch.equal(received, tensor.half().float() if bits == 16 else tensor)


def test_8_bit_codes_by_hand() -> None:
    payload = encode(torch.tensor([-1.0, 0.0, 1.55]), 8)
    # range 2.55 in 255 steps of 0.01: codes 0, 100, 255
    assert payload[:2] == bytes([1, 8])
    assert struct.unpack("<ff", payload[2:10]) == pytest.approx((-1.0, 0.01))
    assert list(payload[10:]) == [0, 100, 255]


@pytest.mark.parametrize(("bits", "largest"), [(32, FLOAT_MAX), (16, HALF_MAX), (8, FLOAT_MAX / 4)], ids=str)
def test_huge_values_are_clamped_not_lost(bits: int, largest: float) -> None:
    received = roundtrip(torch.tensor([[-FLOAT_MAX, 0.0, FLOAT_MAX]]), bits)[0]
    step = 2 * largest / 255 if bits == 8 else 0.0
    assert received.tolist() == pytest.approx([-largest, 0.0, largest], rel=1e-6, abs=step / 2)


def test_payload_does_not_follow_later_changes() -> None:
    tensor = torch.tensor([1.0, 2.0], requires_grad=True)
    payload = encode(tensor, 32)
    with torch.no_grad():
        tensor.zero_()
    assert decode(payload, (2,)).tolist() == [1.0, 2.0]


GOOD = encode(torch.arange(6.0), 8)


@pytest.mark.parametrize(
    ("payload", "shape", "message"),
    [
        (b"", (6,), "not a version 1 payload: starts with b''"),
        (GOOD[:9], (6,), "not a version 1 payload"),
        (b"\x02" + GOOD[1:], (6,), r"not a version 1 payload: starts with b'\\x02\\x08'"),
        (b"\x01\x0c" + GOOD[2:], (6,), "not a version 1 payload"),
        (GOOD, (7,), r"shape \(7,\) takes 17 bytes, got 16"),
        (GOOD[:-1], (6,), r"shape \(6,\) takes 16 bytes, got 15"),
        (GOOD + b"\x00", (2, 3), r"shape \(2, 3\) takes 16 bytes, got 17"),
        (b"\x01\x10" + GOOD[2:], (6,), r"takes 22 bytes, got 16"),
    ],
)
def test_what_is_no_payload_is_refused(payload: bytes, shape: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(payload, shape)
