"""What sparse layers start from: kept values at their places, biases, what is frozen; for every pattern."""

from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn

from explorer.core.sparsity.layers import (
    DRAWN,
    BlockConv,
    BlockLinear,
    InitialWeights,
    SparseLayer,
    sparse_layer,
)
from explorer.core.sparsity.patterns import PATTERN_NAMES, PatternName
from explorer.core.sparsity.sparsify import placement_checksum, sparsify

KEPT, SCALED = InitialWeights("keep", rescale="none"), InitialWeights("keep", rescale="all")
LAYERS = {
    "linear": (lambda: nn.Linear(16, 24), (5, 16)),
    "conv1d": (lambda: nn.Conv1d(8, 16, 3), (2, 8, 9)),
    "conv2d": (lambda: nn.Conv2d(8, 16, 3, stride=2), (2, 8, 9, 7)),
}
CASES = [(kind, pattern) for kind in LAYERS for pattern in PATTERN_NAMES]
CASES += [("conv1d", "periodic"), ("conv2d", "periodic")]
DENSITIES = {"periodic": Fraction(1, 3)}


def made(kind: str, pattern: PatternName, initial: InitialWeights, interleaved: bool = False):
    torch.manual_seed(0)
    create, shape = LAYERS[kind]
    dense = create()
    density = DENSITIES.get(pattern, Fraction(3, 8))
    return dense, sparse_layer(dense, pattern, density, 1, interleaved, initial), torch.randn(shape)


def masked(dense: nn.Module, layer: SparseLayer, x: Tensor) -> Tensor:
    """The dense layer with all weights zero but those the sparse one says it keeps."""
    flat = torch.zeros_like(dense.weight).flatten() if layer.pattern == "periodic" else None
    weight = torch.zeros_like(dense.weight)
    with torch.no_grad():
        if flat is not None:
            flat[layer.kept_positions()] = dense.weight.flatten()[layer.kept_positions()]
            weight = flat.view_as(dense.weight)
        else:
            weight.flatten(0, 1)[layer.kept_positions()] = dense.weight.flatten(0, 1)[layer.kept_positions()]
        own = dense.weight.clone()
        dense.weight.copy_(weight)
        result = dense(x)
        dense.weight.copy_(own)
    return result


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize(("kind", "pattern"), CASES)
def test_kept_weights_are_the_dense_ones_at_their_places(
    kind: str, pattern: PatternName, interleaved: bool, training: bool
) -> None:
    dense, layer, x = made(kind, pattern, KEPT, interleaved)
    layer.train(training)
    torch.testing.assert_close(layer(x), masked(dense, layer, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("kind", "pattern"), CASES)
def test_rescaling_and_biases(kind: str, pattern: PatternName) -> None:
    dense, layer, _ = made(kind, pattern, KEPT)
    _, scaled, _ = made(kind, pattern, SCALED)
    factor = float(layer.density) ** -0.5
    torch.testing.assert_close(getattr(scaled, scaled.kept), getattr(layer, layer.kept) * factor)
    assert torch.equal(scaled.bias, dense.bias)


@pytest.mark.parametrize("initial", [DRAWN, KEPT])
@pytest.mark.parametrize(("kind", "pattern"), CASES)
def test_what_is_frozen_stays_frozen(kind: str, pattern: PatternName, initial: InitialWeights) -> None:
    dense = LAYERS[kind][0]()
    dense.weight.requires_grad = False
    layer = sparse_layer(dense, pattern, DENSITIES.get(pattern, Fraction(3, 8)), 1, initial=initial)
    assert not getattr(layer, layer.kept).requires_grad
    assert layer.bias.requires_grad


@pytest.mark.parametrize("pattern", ["block", "structured"])
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("interleaved", [False, True])
def test_placement_by_magnitude_keeps_more_and_computes_the_same(
    kind: str, pattern: PatternName, interleaved: bool
) -> None:
    by_seed = made(kind, pattern, KEPT, interleaved)[1]
    dense, layer, x = made(kind, pattern, InitialWeights("keep", "none", "magnitude"), interleaved)
    sums = [getattr(own, own.kept).square().sum().item() for own in (by_seed, layer)]
    assert sums[0] < sums[1]
    assert layer.num_weights == by_seed.num_weights
    for training in (False, True):
        layer.train(training)
        torch.testing.assert_close(layer(x), masked(dense, layer, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["linear", "conv2d"])
def test_blocks_that_are_not_gathered_by_rule(kind: str) -> None:
    """k = 1: every group of outputs reads one group of inputs, which one is chosen."""
    torch.manual_seed(0)
    dense = LAYERS[kind][0]()
    layer = sparse_layer(
        dense, "block", Fraction(1, 8), 1, initial=InitialWeights("keep", "none", "magnitude")
    )
    assert isinstance(layer, BlockLinear | BlockConv)
    assert layer.sources is not None
    x = torch.randn(LAYERS[kind][1])
    torch.testing.assert_close(layer.eval()(x), masked(dense, layer, x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layer.train()(x), masked(dense, layer, x), rtol=1e-5, atol=1e-5)


def test_the_checksum_tells_other_weights_by_their_placement() -> None:
    checksums = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        module = nn.Sequential(nn.Linear(16, 24))
        initial = InitialWeights("keep", placement="magnitude")
        sparsify(module, {"0": Fraction(1, 4)}, "block", 0, initial)
        checksums.append(placement_checksum(module))
    assert checksums[0] == checksums[1] != checksums[2]


def test_tied_weights_stay_tied() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    module[2].weight = module[0].weight
    own = module[0].weight.detach().clone()
    sparsify(module, {"0": Fraction(1, 2)}, "structured", 0, KEPT)
    assert module[0].values_K is module[2].values_K
    assert torch.equal(module[0].values_K, own.flatten()[module[0].positions])
