"""The payload: bytes by formula, values bit for bit, error by quantisation step."""

import struct
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from explorer.core.payload import (
    PAYLOAD_BITS,
    Codec,
    PayloadError,
    PayloadForm,
    decode,
    encode,
    encoded_bytes,
    header_bytes,
    is_calibrated,
    least_encoded_bytes,
    range_bytes,
    roundtrip,
    roundtrip_there,
)

BITS = st.sampled_from(PAYLOAD_BITS)
AFFINE_BITS = st.sampled_from([8, 6, 4, 2])
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


@st.composite
def codecs(draw: st.DrawFn, shape: tuple[int, ...]) -> Codec:
    """Any form; a calibrated range need not fit the tensor, and may be a single value."""
    ranges, entropy = (
        draw(st.sampled_from(["sample", "tensor", "channel"])),
        draw(st.sampled_from(["none", "zstd"])),
    )
    bits = draw(BITS)
    if not is_calibrated(bits, ranges):
        return Codec(bits, ranges, entropy)
    count = shape[0] if ranges == "channel" else 1
    lows = st.lists(MODEST, min_size=count, max_size=count)
    steps = st.lists(st.floats(0, 10, width=32), min_size=count, max_size=count)
    return Codec(bits, ranges, entropy, np.array(draw(lows), np.float32), np.array(draw(steps), np.float32))


@given(tensors(), st.data())
def test_decoding_gives_the_roundtrip_bit_for_bit(tensor: Tensor, data: st.DataObject) -> None:
    shape = tuple(tensor.shape)
    codec = data.draw(codecs(shape))
    payload = encode(tensor, codec)
    longest = encoded_bytes(tensor.numel(), codec.bits, codec.ranges)
    assert len(payload) <= longest if codec.entropy == "zstd" else len(payload) == longest
    form = PayloadForm((codec.bits,), codec.ranges, codec.entropy)
    assert len(payload) >= least_encoded_bytes(tensor.numel(), codec.bits, form)
    decoded = decode(payload, shape, codec)
    assert decoded.shape == shape
    assert decoded.dtype == torch.float32
    assert decoded.numpy().tobytes() == roundtrip(tensor[None], codec)[0].numpy().tobytes()
    assert torch.isfinite(decoded).all()


@given(st.lists(tensors(MODEST).map(torch.flatten), min_size=2, max_size=5), BITS)
def test_samples_of_a_batch_do_not_touch_each_other(samples: list[Tensor], bits: int) -> None:
    length = min(len(sample) for sample in samples)
    batch = torch.stack([sample[:length] for sample in samples])
    for sample, received in zip(batch, roundtrip(batch, Codec(bits)), strict=True):
        assert torch.equal(received, roundtrip(sample[None], Codec(bits))[0])


@given(st.integers(1, 50), BITS, st.sampled_from([("sample", 10), ("tensor", 2), ("channel", 2)]))
def test_length_is_the_formula(elements: int, bits: int, form: tuple[Any, int]) -> None:
    ranges, header = form
    known = {"low": np.zeros(1, np.float32), "step": np.ones(1, np.float32)}
    range_ = known if is_calibrated(bits, ranges) else {}
    expected = header + ceil(Fraction(elements * bits, 8))
    assert header_bytes(ranges) == header
    assert encoded_bytes(elements, bits, ranges) == expected
    assert len(encode(torch.zeros(1, elements), Codec(bits, ranges, **range_))) == expected


def test_bytes_of_a_calibrated_range() -> None:
    assert [range_bytes((6, 4, 4), ranges) for ranges in ("sample", "tensor", "channel")] == [0, 8, 48]


@given(tensors())
def test_32_bits_change_nothing(tensor: Tensor) -> None:
    assert torch.equal(roundtrip(tensor[None], Codec(32))[0], tensor)


@given(tensors(MODEST))
def test_16_bits_are_half_precision(tensor: Tensor) -> None:
    received = roundtrip(tensor[None], Codec(16))[0]
    assert torch.equal(received, tensor.half().float())
    # 11 significant bits, and steps of 2**-24 below the smallest normal number
    assert ((received - tensor).abs() <= tensor.abs() * 2**-11 + 2**-25).all()


@given(tensors(MODEST), AFFINE_BITS)
def test_affine_values_are_off_by_half_a_step_at_most(tensor: Tensor, bits: int) -> None:
    received = roundtrip(tensor[None], Codec(bits))[0]
    step = (tensor.max() - tensor.min()).item() / (2**bits - 1)
    rounding = 4 * tensor.abs().max().item() * 2**-24  # of float32 itself
    assert (received - tensor).abs().max().item() <= step / 2 + rounding + 2**-140


@given(tensors(MODEST), AFFINE_BITS, st.floats(0.01, 10), st.floats(-100, 100))
def test_calibrated_values_are_off_by_half_a_step_or_clamped(
    tensor: Tensor, bits: int, step: float, low: float
) -> None:
    codec = Codec(bits, "tensor", "none", np.array([low], np.float32), np.array([step], np.float32))
    received = roundtrip(tensor[None], codec)[0]
    clamped = tensor.clamp(low, low + step * (2**bits - 1))
    assert ((received - clamped).abs() <= step / 2 + 1e-3 * step + 1e-3).all()


def test_every_channel_has_its_range() -> None:
    tensor = torch.tensor([[0.0, 1.0, 2.0, 3.0], [0.0, 100.0, 200.0, 300.0]])
    codec = Codec(2, "channel", "none", np.zeros(2, np.float32), np.array([1.0, 100.0], np.float32))
    assert torch.equal(roundtrip(tensor[None], codec)[0], tensor)
    # codes 0 1 2 3 twice, the first in the highest bits
    assert encode(tensor, codec) == bytes([2, 2, 0b00011011, 0b00011011])


@pytest.mark.parametrize("bits", PAYLOAD_BITS)
@pytest.mark.parametrize("value", [0.0, -3.75, 1e-30])
def test_constant_tensor(value: float, bits: int) -> None:
    tensor = torch.full((2, 3), value)
    received = roundtrip(tensor[None], Codec(bits))[0]
    assert torch.equal(received, tensor.half().float() if bits == 16 else tensor)


def test_8_bit_codes_by_hand() -> None:
    payload = encode(torch.tensor([-1.0, 0.0, 1.55]), Codec(8))
    # range 2.55 in 255 steps of 0.01: codes 0, 100, 255
    assert payload[:2] == bytes([1, 8])
    assert struct.unpack("<ff", payload[2:10]) == pytest.approx((-1.0, 0.01))
    assert list(payload[10:]) == [0, 100, 255]


def test_6_bit_codes_by_hand() -> None:
    payload = encode(torch.tensor([0.0, 1.0, 2.0, 63.0, 32.0]), Codec(6))
    assert payload[10:] == int("00000000000100001011111110000000", 2).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("bits", "largest"), [(32, FLOAT_MAX), (16, HALF_MAX), (8, FLOAT_MAX / 4), (2, FLOAT_MAX / 4)], ids=str
)
def test_huge_values_are_clamped_not_lost(bits: int, largest: float) -> None:
    received = roundtrip(torch.tensor([[-FLOAT_MAX, 0.0, FLOAT_MAX]]), Codec(bits))[0]
    step = 2 * largest / (2**bits - 1) if bits <= 8 else 0.0
    assert received.tolist() == pytest.approx([-largest, 0.0, largest], rel=1e-6, abs=step / 2)


def test_payload_does_not_follow_later_changes() -> None:
    tensor = torch.tensor([1.0, 2.0], requires_grad=True)
    payload = encode(tensor, Codec(32))
    with torch.no_grad():
        tensor.zero_()
    assert decode(payload, (2,), Codec(32)).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("bits", PAYLOAD_BITS)
def test_nan_is_refused(bits: int) -> None:
    tensor = torch.tensor([0.0, float("nan")])
    with pytest.raises(PayloadError, match="cannot encode NaN"):
        encode(tensor, Codec(bits))
    with pytest.raises(PayloadError, match="cannot encode NaN"):
        roundtrip(tensor[None], Codec(bits))


@pytest.mark.parametrize("bits", PAYLOAD_BITS)
def test_regular_values_are_compressed_noise_is_not(bits: int) -> None:
    codec = Codec(bits, entropy="zstd")
    regular, noise = torch.arange(8.0).repeat(64), torch.rand(64, generator=torch.Generator().manual_seed(0))
    assert len(encode(regular, codec)) < encoded_bytes(512, bits) / 2
    assert encode(regular, codec)[1] == bits | 0x80
    assert len(encode(noise[:4], codec)) == encoded_bytes(4, bits)
    assert encode(noise[:4], codec)[1] == bits


GOOD = encode(torch.arange(6.0), Codec(8))
ZSTD = Codec(8, entropy="zstd")
COMPRESSED = encode(torch.zeros(600), ZSTD)


@pytest.mark.parametrize(
    ("payload", "shape", "codec", "message"),
    [
        (b"", (6,), Codec(8), "not a payload of 8 bits, form 1: starts with b''"),
        (GOOD[:9], (6,), Codec(8), "not a payload of 8 bits"),
        (b"\x02" + GOOD[1:], (6,), Codec(8), r"form 1: starts with b'\\x02\\x08'"),
        (
            GOOD,
            (6,),
            Codec(8, "tensor", "none", torch.zeros(1), torch.ones(1)),
            r"form 2: starts with b'\\x01\\x08'",
        ),
        (GOOD, (6,), Codec(4), "not a payload of 4 bits"),
        (GOOD, (7,), Codec(8), "7 values of 8 bits take 7 bytes, got 6"),
        (GOOD[:-1], (6,), Codec(8), "6 values of 8 bits take 6 bytes, got 5"),
        (GOOD + b"\x00", (2, 3), Codec(8), "6 values of 8 bits take 6 bytes, got 7"),
        (COMPRESSED[:-1], (600,), ZSTD, "compressed values"),
        (COMPRESSED + b"\x00", (600,), ZSTD, "compressed values"),
        (COMPRESSED, (601,), ZSTD, "compressed values must hold 601 bytes, got 600"),
        (COMPRESSED, (599,), ZSTD, "compressed values"),
        (COMPRESSED[:10], (600,), ZSTD, "does not state its size"),
        # a frame that claims a tebibyte
        (COMPRESSED[:10] + b"\xe0" + (2**40).to_bytes(8, "little") + b"\1\0\0", (600,), ZSTD, "its size"),
    ],
)
def test_what_is_no_payload_is_refused(payload: bytes, shape: Any, codec: Codec, message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        decode(payload, shape, codec)


@given(st.binary(max_size=40), BITS, st.sampled_from(["none", "zstd"]))
def test_any_bytes_decode_or_are_refused(content: bytes, bits: int, entropy: Any) -> None:
    codec = Codec(bits, entropy=entropy)
    try:
        decoded = decode(bytes([1, bits | 0x80]) + bytes(8) + content, (2, 3), codec)
    except PayloadError:
        return
    assert decoded.shape == (2, 3)


@given(data=st.data())
def test_another_device_gives_the_same_bits(data: st.DataObject) -> None:
    tensor = data.draw(tensors())
    codec = data.draw(codecs(tuple(tensor.shape)))
    batch = torch.stack([tensor, -tensor, tensor / 3])
    assert torch.equal(roundtrip_there(batch, codec), roundtrip(batch, codec))


def test_another_device_refuses_nan() -> None:
    with pytest.raises(PayloadError, match="cannot encode NaN"):
        roundtrip_there(torch.tensor([[0.0, float("nan")]]), Codec(8))
