"""How sparse layers run, by what the layers themselves hold."""

from fractions import Fraction

import pytest
from torch import nn

from explorer.core.sparsity.execution import Execution, sparse_execution
from explorer.core.sparsity.layers import BlockConv, BlockLinear, sparse_layer

DENSITIES = [Fraction(1, 4), Fraction(1, 8), Fraction(3, 8), Fraction(5, 8)]
WORK = {"dense_macs": 64 * 10, "dense_bytes": 4 * 64, "input_bytes": 32}


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("interleaved", [False, True])
def test_gathers_where_the_layer_does(density: Fraction, interleaved: bool) -> None:
    conv = sparse_layer(nn.Conv2d(8, 8, 3), "block", density, 0, interleaved)
    linear = sparse_layer(nn.Linear(8, 8), "block", density, 0, interleaved)
    assert isinstance(conv, BlockConv)
    assert isinstance(linear, BlockLinear)
    for kind, layer in (("conv", conv), ("linear", linear)):
        found = sparse_execution(kind, "block", density, interleaved, **WORK)
        assert found.groups == layer.groups
        assert found.kind.startswith("gathered") == (layer.sources is not None)
        assert found.added_bytes == (2 * density.numerator * 32 if layer.sources is not None else 0)


@pytest.mark.parametrize("pattern", ["structured", "random", "clash_free", "periodic"])
@pytest.mark.parametrize("density", DENSITIES)
def test_freely_placed_weights_run_dense(pattern: str, density: Fraction) -> None:
    found = sparse_execution("conv", pattern, density, True, **WORK)
    zeros = 1 - density
    assert found == Execution("conv", 1, int(640 * zeros), int(256 * zeros))
