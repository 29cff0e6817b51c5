"""Calibrated ranges: the smallest error among the sizes tried, per tensor or per channel."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from explorer.core.payload import Codec, roundtrip
from explorer.core.payload_ranges import fitted_codec


def batch(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def squared_error(values: torch.Tensor, codec: Codec) -> float:
    return (roundtrip(values, codec) - values).square().sum().item()


def with_range(values: torch.Tensor, bits: int, factor: float) -> Codec:
    low, high = factor * values.min(), factor * values.max()
    return Codec(bits, "tensor", "none", low.view(1).numpy(), ((high - low) / (2**bits - 1)).view(1).numpy())


@given(st.integers(0, 100), st.sampled_from([8, 6, 4, 2]))
def test_one_range_for_the_tensor_has_the_least_error(seed: int, bits: int) -> None:
    values = batch(seed, 20, 3, 2, 2) ** 3
    codec = fitted_codec(values, bits, "tensor", "none")
    assert codec.low is not None
    assert codec.low.shape == (1,)
    least = min(squared_error(values, with_range(values, bits, tenths / 10)) for tenths in range(2, 11))
    assert squared_error(values, codec) == pytest.approx(least, rel=1e-4)


@given(st.integers(0, 100), st.sampled_from([8, 4]))
def test_each_channel_is_fitted_as_if_alone(seed: int, bits: int) -> None:
    values = batch(seed, 20, 3, 5) * torch.tensor([[1.0], [10.0], [0.1]])
    codec = fitted_codec(values, bits, "channel", "none")
    assert codec.low is not None
    assert codec.step is not None
    for channel in range(3):
        alone = fitted_codec(values[:, channel : channel + 1], bits, "tensor", "none")
        assert alone.low is not None
        assert alone.step is not None
        assert codec.low[channel] == pytest.approx(alone.low[0])
        assert codec.step[channel] == pytest.approx(alone.step[0])


def test_flat_tensors_have_a_range_per_feature() -> None:
    codec = fitted_codec(batch(0, 20, 7), 8, "channel", "zstd")
    assert codec.low is not None
    assert codec.low.shape == (7,)
    assert codec.entropy == "zstd"


def test_few_bits_cut_outliers_off() -> None:
    values = batch(0, 100, 50)
    values[0, 0] = 8.0
    fitted = fitted_codec(values, 2, "tensor", "none")
    assert fitted.low is not None
    assert fitted.step is not None
    assert fitted.low.item() + 3 * fitted.step.item() < 8.0


def test_constant_values_come_back() -> None:
    values = torch.full((4, 2, 3), -1.5)
    assert torch.equal(roundtrip(values, fitted_codec(values, 4, "channel", "none")), values)


@pytest.mark.parametrize(("bits", "ranges"), [(32, "channel"), (16, "tensor"), (8, "sample")])
def test_nothing_to_fit(bits: int, ranges: str) -> None:
    codec = fitted_codec(batch(0, 4, 2), bits, ranges, "none")  # type: ignore[arg-type]
    assert (codec.bits, codec.ranges, codec.low, codec.step) == (bits, ranges, None, None)
