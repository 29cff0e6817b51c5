"""Every sparse layer is the dense layer with a masked weight: values, gradients, counts."""

from fractions import Fraction
from math import prod, sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from explorer.core.sparsity.layers import BlockConv, BlockLinear, DenseLayer, SparseLayer, sparse_layer
from explorer.core.sparsity.patterns import PATTERN_NAMES, PatternName, adjacency

SEED = 5
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
Placement = tuple[PatternName, bool]
PLACEMENTS: list[Placement] = [*((pattern, False) for pattern in PATTERN_NAMES), ("block", True)]
DENSITIES = [Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)]  # k = 1 of 4, 1 of 2, 3 of 4
CONVOLUTIONS: list[tuple[type[nn.Conv1d] | type[nn.Conv2d], dict[str, Any]]] = [
    (nn.Conv1d, {"kernel_size": 3}),
    (nn.Conv1d, {"kernel_size": 3, "stride": 2, "padding": 2, "dilation": 2}),
    (nn.Conv2d, {"kernel_size": 1}),
    (nn.Conv2d, {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0)}),
    (nn.Conv2d, {"kernel_size": 3, "padding": "same", "dilation": 2}),
]


def expanded(layer: SparseLayer, seed: int) -> tuple[Tensor, Tensor]:
    """(kept weights as (|W|, *kernel), their flat places in the dense weight), by definition of the pattern.

    ``block``: output group a reads input groups a .. a + k - 1 (mod g), in that order; an input group is a
    run of neighbours, or every g-th unit when interleaved.
    """
    if isinstance(layer, BlockLinear | BlockConv):
        groups, reads = layer.density.denominator, layer.density.numerator
        size_in, size_out = layer.inputs // groups, layer.outputs // groups
        places = []
        for output in range(layer.outputs):
            group = output // size_out
            sources = [(group + read) % groups for read in range(reads)]
            step, stride = (1, groups) if layer.interleaved else (size_in, 1)
            units = [source * step + unit * stride for source in sources for unit in range(size_in)]
            places += [output * layer.inputs + unit for unit in units]
        if isinstance(layer, BlockLinear):
            return layer.weight_GIO.transpose(1, 2).reshape(-1), torch.tensor(places)
        return layer.weight.reshape(-1, *layer.weight.shape[2:]), torch.tensor(places)
    kept = adjacency(layer.pattern, layer.inputs, layer.outputs, layer.density, seed)
    values = layer.get_parameter("values_K")
    return values.reshape(-1, *values.shape[1:]), torch.from_numpy(kept.reshape(-1)).nonzero().flatten()


def assert_is_masked_dense(
    dense: DenseLayer, placement: Placement, density: Fraction, x: Tensor, dtype: torch.dtype
) -> None:
    pattern, interleaved = placement
    sparse = sparse_layer(dense, pattern, density, SEED, interleaved).to(dtype)
    twin, x = dense.to(dtype), x.to(dtype)
    values, places = expanded(sparse, SEED)
    mask = torch.zeros(sparse.outputs * sparse.inputs, dtype=torch.bool)
    mask[places] = True
    expected_mask = adjacency(pattern, sparse.inputs, sparse.outputs, density, SEED, interleaved)
    assert mask.view(sparse.outputs, sparse.inputs).tolist() == expected_mask.tolist()
    with torch.no_grad():
        flat = torch.zeros(len(mask), *values.shape[1:], dtype=dtype)
        flat[places] = values
        twin.weight.copy_(flat.view_as(twin.weight))
        if twin.bias is not None:
            assert sparse.bias is not None
            twin.bias.copy_(sparse.bias)
    x_sparse, x_twin = x.clone().requires_grad_(), x.clone().requires_grad_()
    y_sparse, y_twin = sparse(x_sparse), twin(x_twin)
    tolerance = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(y_sparse, y_twin, **tolerance)
    torch.testing.assert_close(sparse.eval()(x), y_twin, **tolerance)  # has forms of its own

    upstream = torch.randn(y_twin.shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
    y_sparse.backward(upstream)
    y_twin.backward(upstream)
    (weight,) = (parameter for name, parameter in sparse.named_parameters() if name != "bias")
    assert weight.grad is not None
    with torch.no_grad():
        weight.copy_(weight.grad)  # so that the gradient is put in order like the weights themselves
    gradient, _ = expanded(sparse, SEED)
    assert twin.weight.grad is not None
    dense_gradient = twin.weight.grad.reshape(len(mask), *values.shape[1:])[places]
    # a weight gradient sums over samples and positions: its rounding grows with its own size
    scale = float(dense_gradient.abs().max())
    torch.testing.assert_close(
        gradient.detach(), dense_gradient, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale
    )
    torch.testing.assert_close(x_sparse.grad, x_twin.grad, **tolerance)
    if twin.bias is not None:
        assert sparse.bias is not None
        torch.testing.assert_close(sparse.bias.grad, twin.bias.grad, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("density", DENSITIES, ids=str)
@pytest.mark.parametrize("placement", PLACEMENTS, ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("leading", [(), (5,), (2, 3)], ids=str)
def test_linear_is_masked_dense(
    placement: Placement,
    density: Fraction,
    bias: bool,
    leading: tuple[int, ...],
    dtype: torch.dtype,
) -> None:
    torch.manual_seed(0)
    assert_is_masked_dense(nn.Linear(8, 12, bias=bias), placement, density, torch.randn(*leading, 8), dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("density", DENSITIES, ids=str)
@pytest.mark.parametrize("placement", PLACEMENTS, ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kind", "geometry"), CONVOLUTIONS, ids=str)
def test_convolution_is_masked_dense(
    placement: Placement,
    density: Fraction,
    bias: bool,
    kind: type[nn.Conv1d] | type[nn.Conv2d],
    geometry: dict[str, Any],
    dtype: torch.dtype,
) -> None:
    torch.manual_seed(0)
    extents = (9,) if kind is nn.Conv1d else (6, 7)
    dense = kind(8, 4, bias=bias, **geometry)
    assert_is_masked_dense(dense, placement, density, torch.randn(3, 8, *extents), dtype)


@pytest.mark.parametrize("density", [Fraction(1, 4), Fraction(2, 5), Fraction(3, 20)], ids=str)
@pytest.mark.parametrize("interleaved", [False, True])
def test_block_linear_above_and_below_the_assembled_size(density: Fraction, interleaved: bool) -> None:
    """Small overlapping junctions train through a dense weight, larger ones do not."""
    torch.manual_seed(0)
    for outputs in (20, 4096 // 20 + 16):
        dense, x = nn.Linear(20, outputs), torch.randn(3, 20)
        assert_is_masked_dense(dense, ("block", interleaved), density, x, torch.float64)


@pytest.mark.parametrize("groups", [2, 4, 8, 16])
def test_narrow_groups_train_merged(groups: int) -> None:
    torch.manual_seed(0)
    for dense, x in (
        (nn.Conv2d(16, 32, 3, padding=1), torch.randn(2, 16, 5, 6)),
        (nn.Conv1d(16, 16, 3), torch.randn(2, 16, 7)),
    ):
        layer = sparse_layer(dense, "block", Fraction(1, groups), SEED)
        assert isinstance(layer, BlockConv)
        assert layer.merged * 16 // groups == 8  # input channels
        assert_is_masked_dense(dense, ("block", False), Fraction(1, groups), x, torch.float64)


@pytest.mark.parametrize(
    ("channels", "density", "as_dense"),
    [
        (16, Fraction(3, 8), True),  # few channels
        (64, Fraction(5, 8), True),  # many reads
        (64, Fraction(3, 4), True),  # hardly sparse
        (64, Fraction(3, 8), False),
        (16, Fraction(1, 4), False),  # nothing overlaps
    ],
    ids=str,
)
@pytest.mark.parametrize("interleaved", [False, True])
def test_overlapping_convolutions_train_as_dense_where_that_is_faster(
    channels: int, density: Fraction, as_dense: bool, interleaved: bool
) -> None:
    torch.manual_seed(0)
    for dense, x in (
        (nn.Conv2d(channels, 2 * channels, 3, padding=1), torch.randn(2, channels, 4, 5)),
        (nn.Conv1d(channels, channels, 3), torch.randn(2, channels, 7)),
    ):
        layer = sparse_layer(dense, "block", density, SEED, interleaved=interleaved)
        assert isinstance(layer, BlockConv)
        assert (layer.positions is not None) == as_dense
        assert_is_masked_dense(dense, ("block", interleaved), density, x, torch.float64)


@pytest.mark.parametrize("density", [Fraction(k, 8) for k in range(1, 8)], ids=str)
@pytest.mark.parametrize("pattern", ["structured", "clash_free"])
def test_every_legal_density_of_exact_degrees(pattern: PatternName, density: Fraction) -> None:
    """Above all those whose fan-in does not divide the inputs, so that outputs lie across two sweeps."""
    torch.manual_seed(0)
    double = torch.float64
    assert_is_masked_dense(nn.Linear(8, 16), (pattern, False), density, torch.randn(3, 8), double)
    assert_is_masked_dense(nn.Conv1d(16, 8, 3), (pattern, False), density, torch.randn(2, 16, 7), double)
    assert_is_masked_dense(nn.Conv2d(8, 8, 3), (pattern, False), density, torch.randn(2, 8, 5, 6), double)


@pytest.mark.parametrize("density", DENSITIES, ids=str)
@pytest.mark.parametrize(
    ("dense", "shape"),
    [
        (nn.Linear(8, 12), (8,)),
        (nn.Linear(8, 12), (5, 8)),  # applied at each of 5 positions
        (nn.Conv1d(8, 4, 3), (8, 9)),
        (nn.Conv2d(8, 4, 3, stride=2, padding=1), (8, 6, 7)),
    ],
)
def test_block_macs_are_what_is_executed(
    dense: DenseLayer, shape: tuple[int, ...], density: Fraction
) -> None:
    layer = sparse_layer(dense, "block", density, SEED).eval()
    with FlopCounterMode(display=False) as counter:
        output = layer(torch.zeros(1, *shape))
    assert 2 * layer.macs(output.shape[1:]) == counter.get_total_flops()


def test_macs_of_a_linear_layer() -> None:
    layer = sparse_layer(nn.Linear(8, 16), "structured", Fraction(1, 4), SEED)
    assert layer.macs((16,)) == 16 * 2  # fan-in 2 at 16 outputs: a quarter of the dense 128
    assert layer.macs((7, 16)) == 7 * 16 * 2


def test_macs_of_a_convolution() -> None:
    layer = sparse_layer(nn.Conv2d(4, 8, 3, padding=1), "random", Fraction(1, 2), SEED)
    assert layer.macs((8, 5, 6)) == (4 * 8 // 2) * (3 * 3) * (5 * 6)  # kernels x taps x positions


@pytest.mark.parametrize("pattern", PATTERN_NAMES)
@pytest.mark.parametrize(
    ("dense", "taps"), [(nn.Linear(64, 96), 1), (nn.Conv1d(64, 96, 5), 5), (nn.Conv2d(64, 96, 3), 9)]
)
def test_initial_weights_follow_the_real_fan_in(dense: DenseLayer, taps: int, pattern: PatternName) -> None:
    torch.manual_seed(0)
    layer = sparse_layer(dense, pattern, Fraction(1, 8), SEED)
    bound = 1 / sqrt(64 / 8 * taps)  # torch's bound for a dense layer, with the kept fan-in of 8
    assert layer.bias is not None
    for parameter in layer.parameters():
        largest = parameter.abs().max().item()
        assert 0.9 * bound < largest <= bound
    weights = torch.cat([parameter.flatten() for parameter in layer.parameters()])
    assert weights.std().item() == pytest.approx(bound / sqrt(3), rel=0.1)  # of a uniform distribution


@pytest.mark.parametrize("density", DENSITIES, ids=str)
@pytest.mark.parametrize("pattern", PATTERN_NAMES)
@pytest.mark.parametrize("dense", [nn.Linear(8, 12), nn.Conv1d(8, 12, 3), nn.Conv2d(8, 12, 3, bias=False)])
def test_only_kept_weights_are_stored(dense: DenseLayer, pattern: PatternName, density: Fraction) -> None:
    layer = sparse_layer(dense, pattern, density, SEED)
    taps = 1 if isinstance(dense, nn.Linear) else prod(dense.kernel_size)
    stored = sum(tensor.numel() for tensor in layer.state_dict().values())
    biases = 0 if dense.bias is None else 12
    assert stored == density * 8 * 12 * taps + biases
    assert stored == sum(parameter.numel() for parameter in layer.parameters())


@pytest.mark.parametrize("pattern", PATTERN_NAMES)
def test_layer_tells_what_it_is(pattern: PatternName) -> None:
    layer = sparse_layer(nn.Linear(8, 12), pattern, Fraction(1, 4), SEED)
    assert repr(layer).endswith(f"(8, 12, pattern={pattern}, density=1/4)")
    assert layer.compact == (pattern == "block")
