"""Kernels that keep p taps in places that repeat: supports by rule, layers as masked dense ones."""

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from explorer.core.sparsity.layers import PeriodicConv, sparse_layer
from explorer.core.sparsity.patterns import legal_densities_of
from explorer.core.sparsity.periodic import kept_taps, kernel_variants
from explorer.core.sparsity.sparsify import find_junctions, placement_checksum, sparsify
from explorer.errors import UserError

SEED = 3
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
SEEDS = st.integers(0, 2**32 - 1)
CHANNELS = st.integers(1, 12)
CONVOLUTIONS: list[tuple[type[nn.Conv1d] | type[nn.Conv2d], dict[str, Any]]] = [
    (nn.Conv1d, {"kernel_size": 5, "stride": 2, "padding": 1}),
    (nn.Conv1d, {"kernel_size": 4, "dilation": 2, "bias": False}),
    (nn.Conv2d, {"kernel_size": 3, "padding": "same", "dilation": 2}),
    (nn.Conv2d, {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0), "bias": False}),
]
CASES = [
    (kind, geometry, density)
    for kind, geometry in CONVOLUTIONS
    for density in legal_densities_of("periodic", 5, 4, prod(kind(5, 4, **geometry).kernel_size))
]


@st.composite
def supports(draw: st.DrawFn) -> tuple[int, Fraction]:
    """(taps, legal density)."""
    taps = draw(st.integers(1, 49))
    return taps, draw(st.sampled_from(legal_densities_of("periodic", 1, 1, taps)))


@given(supports(), SEEDS)
def test_variants_cover_all_taps_evenly(support: tuple[int, Fraction], seed: int) -> None:
    taps, density = support
    variants = kernel_variants(taps, density, seed)
    assert variants.shape == (density.denominator, density * taps)
    assert (variants[:, 1:] > variants[:, :-1]).all()  # no tap twice
    assert (np.bincount(variants.flatten(), minlength=taps) == density.numerator).all()
    assert len({variant.tobytes() for variant in variants}) == density.denominator


@given(supports(), CHANNELS, CHANNELS, SEEDS)
def test_kept_taps(support: tuple[int, Fraction], inputs: int, outputs: int, seed: int) -> None:
    taps, density = support
    positions = kept_taps(inputs, outputs, taps, density, seed)
    assert positions.shape == (outputs, inputs, density * taps)
    assert (np.diff(positions.flatten()) > 0).all()
    kernels = positions // taps
    assert (kernels == np.arange(outputs * inputs).reshape(outputs, inputs, 1)).all()  # p taps in each
    tap = positions % taps
    period = density.denominator
    assert (tap[:, period:] == tap[:, :-period]).all()  # repeats over the inputs ..
    assert (tap[period:] == tap[:-period]).all()  # .. and the outputs
    assert tap.tolist() == (kept_taps(inputs, outputs, taps, density, seed) % taps).tolist()


@given(supports(), SEEDS)
def test_few_channels_see_every_tap(support: tuple[int, Fraction], seed: int) -> None:
    taps, density = support
    channels = -(-density.denominator // density.numerator)  # 1 / density, rounded up
    one_output = kept_taps(channels, 1, taps, density, seed) % taps
    assert set(one_output.flatten().tolist()) == set(range(taps))


def test_seed_orders_the_taps() -> None:
    assert len({kernel_variants(9, Fraction(4, 9), seed).tobytes() for seed in range(5)}) == 5


def twin_of(
    layer: PeriodicConv, dense: nn.Conv1d | nn.Conv2d, dtype: torch.dtype
) -> tuple[nn.Module, Tensor]:
    """The dense layer with the kept taps of ``layer`` and zeros elsewhere, and where these taps are."""
    places = torch.from_numpy(
        kept_taps(layer.inputs, layer.outputs, layer.taps, layer.density, SEED)
    ).flatten()
    twin = dense.to(dtype)
    with torch.no_grad():
        flat = torch.zeros(twin.weight.numel(), dtype=dtype)
        flat[places] = layer.values_OIP.flatten()
        twin.weight.copy_(flat.view_as(twin.weight))
        if twin.bias is not None and layer.bias is not None:
            twin.bias.copy_(layer.bias)
    return twin, places


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("kind", "geometry", "density"), CASES, ids=str)
def test_periodic_is_masked_dense(
    kind: type[nn.Conv1d] | type[nn.Conv2d], geometry: dict[str, Any], density: Fraction, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    dense = kind(5, 4, **geometry)
    layer = sparse_layer(dense, "periodic", density, SEED).to(dtype)
    assert isinstance(layer, PeriodicConv)
    twin, places = twin_of(layer, dense, dtype)
    x = torch.randn(3, 5, *((11,) if kind is nn.Conv1d else (7, 8)), dtype=dtype)
    x_layer, x_twin = x.clone().requires_grad_(), x.clone().requires_grad_()
    y_layer, y_twin = layer(x_layer), twin(x_twin)
    tolerance = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(y_layer, y_twin, **tolerance)

    upstream = torch.randn(y_twin.shape, dtype=dtype)
    y_layer.backward(upstream)
    y_twin.backward(upstream)
    torch.testing.assert_close(x_layer.grad, x_twin.grad, **tolerance)
    assert layer.values_OIP.grad is not None
    expected = twin.get_parameter("weight").grad.flatten()[places]  # type: ignore[union-attr]
    scale = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(
        layer.values_OIP.grad.flatten(), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale
    )
    if layer.bias is not None:
        torch.testing.assert_close(
            layer.bias.grad, twin.get_parameter("bias").grad, rtol=tolerance["rtol"], atol=1e-5
        )


@pytest.mark.parametrize(("kind", "geometry", "density"), CASES, ids=str)
def test_only_kept_taps_are_stored_and_counted(
    kind: type[nn.Conv1d] | type[nn.Conv2d], geometry: dict[str, Any], density: Fraction
) -> None:
    dense = kind(5, 4, **geometry)
    layer = sparse_layer(dense, "periodic", density, SEED)
    biases = 0 if dense.bias is None else 4
    stored = sum(tensor.numel() for tensor in layer.state_dict().values())
    assert stored == density * dense.weight.numel() + biases
    shape = (5, 11) if kind is nn.Conv1d else (5, 7, 8)
    with FlopCounterMode(display=False) as counter:
        output = dense(torch.zeros(1, *shape))
    assert 2 * layer.macs(output.shape[1:]) == density * counter.get_total_flops()


def test_initial_weights_follow_the_kept_taps() -> None:
    torch.manual_seed(0)
    layer = sparse_layer(nn.Conv2d(32, 64, 3), "periodic", Fraction(2, 9), SEED)
    largest = max(parameter.abs().max().item() for parameter in layer.parameters())
    assert 0.99 * (32 * 2) ** -0.5 < largest <= (32 * 2) ** -0.5
    assert repr(layer).endswith("(32, 64, pattern=periodic, density=2/9)")
    assert not layer.compact


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(4, 2)
    )


def test_junctions_without_taps_to_leave_out_stay_dense() -> None:
    first, pointwise, grouped, linear = find_junctions(convolutional(), "periodic")
    assert first.stays_dense == ""  # one input channel is enough: the kernel itself is thinned
    assert first.legal == tuple(Fraction(kept, 9) for kept in range(1, 10))
    assert pointwise.stays_dense == "only legal density is 1 (periodic: 1 tap)"
    assert grouped.stays_dense == "grouped convolution (groups=2)"
    assert linear.stays_dense == "only legal density is 1 (periodic: 1 tap)"
    assert pointwise.legal == grouped.legal == linear.legal == (1,)


def test_sparsify_checks_the_densities_of_the_pattern() -> None:
    module = convolutional()
    sparsify(module, {"0": Fraction(4, 9), "4": Fraction(1)}, "periodic", seed=0)
    assert isinstance(module.get_submodule("0"), PeriodicConv)
    assert placement_checksum(module) != 0
    with pytest.raises(UserError, match=r"density 1/2 is not legal for junction '0': must be k / 9"):
        sparsify(convolutional(), {"0": Fraction(1, 2)}, "periodic", seed=0)
    with pytest.raises(UserError, match=r"junction '4': only legal density is 1 \(periodic: 1 tap\)"):
        sparsify(convolutional(), {"4": Fraction(1, 2)}, "periodic", seed=0)
