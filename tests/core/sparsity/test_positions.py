"""Bytes of positions: as the layers hold them, for every pattern, shape and density."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from explorer.core.sparsity.base import InitialWeights, SparseLayer
from explorer.core.sparsity.layers import BlockConv, BlockLinear, IndexedConv, IndexedLinear, sparse_layer
from explorer.core.sparsity.patterns import PatternName, legal_densities_of, pattern_names
from explorer.core.sparsity.periodic import PeriodicConv
from explorer.core.sparsity.positions import FEW, narrow_type, position_bytes, stored_positions

KEPT = InitialWeights("keep", placement="magnitude")
HALF = Fraction(1, 2)


def held_positions(layer: SparseLayer) -> int:
    """Numbers of the table that a layer reads in inference, none where it reads no table."""
    if isinstance(layer, BlockConv | BlockLinear):
        return 0 if layer.sources is None else layer.sources.numel()
    assert isinstance(layer, IndexedConv | IndexedLinear | PeriodicConv)
    return layer.positions.numel()


@given(
    pattern=st.sampled_from(pattern_names()),
    linear=st.booleans(),
    sizes=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    kernel=st.sampled_from([1, 3]),
    interleaved=st.booleans(),
    by_magnitude=st.booleans(),
    draw=st.data(),
)
def test_as_many_as_the_layer_holds(
    pattern: PatternName,
    linear: bool,
    sizes: tuple[int, int],
    kernel: int,
    interleaved: bool,
    by_magnitude: bool,
    draw: st.DataObject,
) -> None:
    linear = linear and pattern != "periodic"
    taps = 1 if linear else kernel**2
    density = draw.draw(st.sampled_from(legal_densities_of(pattern, *sizes, taps)))
    if density == 1:
        return
    dense = nn.Linear(*sizes) if linear else nn.Conv2d(*sizes, kernel)
    placed = by_magnitude and pattern in ("block", "structured")
    layer = sparse_layer(dense, pattern, density, 3, interleaved, KEPT if placed else InitialWeights())
    how = {"linear": linear, "interleaved": interleaved, "by_magnitude": placed}
    count, extent = stored_positions(pattern, *sizes, taps, density, **how)
    assert count == held_positions(layer)
    assert layer.index_bytes == position_bytes(count, extent)
    table = getattr(layer, "sources", None)
    table = layer.positions if table is None and not isinstance(layer, BlockConv | BlockLinear) else table
    assert table is None or int(table.max()) < extent


@pytest.mark.parametrize(
    ("count", "extent", "each"),
    [(FEW, 10, 8), (FEW + 1, 10, 1), (100, 256, 1), (100, 257, 2), (100, 65536, 2), (100, 65537, 4)],
)
def test_the_type_jumps_with_the_extent(count: int, extent: int, each: int) -> None:
    assert position_bytes(count, extent) == count * each
    kind = narrow_type(count, extent)
    assert kind is None or extent - 1 <= np.iinfo(kind).max


def test_a_dense_junction_stores_none_and_a_block_that_divides_its_inputs_neither() -> None:
    for pattern in pattern_names():
        assert stored_positions(pattern, 8, 8, 9, Fraction(1), linear=False)[0] == 0
    assert stored_positions("block", 8, 8, 1, HALF, linear=True, interleaved=True)[0] == 0
    assert stored_positions("block", 8, 8, 9, HALF, linear=False)[0] == 0
    assert stored_positions("block", 8, 8, 9, HALF, linear=False, interleaved=True)[0] == 8
