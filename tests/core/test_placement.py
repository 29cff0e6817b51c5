"""What is told of a placement is what the layers do."""

from fractions import Fraction

import numpy as np
import pytest
from torch import nn

from explorer.core.layers import sparse_layer
from explorer.core.patterns import PATTERN_NAMES, PatternName, adjacency, legal_densities_of
from explorer.core.placement import describe, explicit_index_bits
from explorer.errors import UserError

ALL: tuple[PatternName, ...] = (*PATTERN_NAMES, "periodic")


@pytest.mark.parametrize("pattern", ALL)
@pytest.mark.parametrize("taps", [1, 9])
def test_placement_counts_what_the_layer_stores(pattern: PatternName, taps: int) -> None:
    dense = nn.Linear(12, 8, bias=False) if taps == 1 else nn.Conv2d(12, 8, 3, bias=False)
    for density in legal_densities_of(pattern, 12, 8, taps):
        placement = describe(pattern, 12, 8, density, taps, seed=5)
        assert placement.stored_values == density * 12 * 8 * taps
        assert placement.index_bytes == 0
        assert placement.fan_in.tolist() == placement.adjacency.sum(axis=1).tolist()
        assert placement.fan_out.sum() == placement.fan_in.sum()
        if density < 1:
            layer = sparse_layer(dense, pattern, density, seed=5)
            assert placement.stored_values == sum(p.numel() for p in layer.parameters())


@pytest.mark.parametrize("pattern", PATTERN_NAMES)
def test_adjacency_and_degrees(pattern: PatternName) -> None:
    placement = describe(pattern, 12, 8, Fraction(3, 4), taps=1, seed=5)
    expected = adjacency(pattern, 12, 8, Fraction(3, 4), seed=5)
    assert placement.adjacency.tolist() == expected.tolist()
    if pattern != "random":
        assert (placement.fan_in == 9).all()
        assert (placement.fan_out == 6).all()


def test_periodic_joins_all_channels() -> None:
    placement = describe("periodic", 12, 8, Fraction(1, 9), taps=9, seed=5)
    assert placement.adjacency.all()
    assert np.unique(placement.fan_in).tolist() == [12]
    assert np.unique(placement.fan_out).tolist() == [8]


@pytest.mark.parametrize("pattern", ALL)
def test_nothing_to_index_when_all_is_kept(pattern: PatternName) -> None:
    assert describe(pattern, 12, 8, Fraction(1), taps=9, seed=5).explicit_index_bytes == 0


def test_explicit_index() -> None:
    # 32 inputs, 16 outputs, density 1/4: 128 connections of 5 bits; fan-ins 0 .. 32 take 6 bits each;
    # clash_free has 4 sweeps of 8 seeds of 2 bits; 9 variants of 4 taps of 4 bits at density 4/9
    quarter = Fraction(1, 4)
    bits = {pattern: explicit_index_bits(pattern, 32, 16, quarter, 9) for pattern in PATTERN_NAMES}
    assert bits == {"block": 0, "structured": 128 * 5, "random": 128 * 5 + 16 * 6, "clash_free": 4 * 8 * 2}
    assert explicit_index_bits("periodic", 32, 16, Fraction(4, 9), 9) == 9 * 4 * 4
    assert describe("structured", 32, 16, quarter, 9, seed=0).explicit_index_bytes == 128 * 5 // 8


def test_illegal_density() -> None:
    with pytest.raises(UserError, match=r"^periodic: density must be k / 9 "):
        describe("periodic", 12, 8, Fraction(1, 4), taps=9, seed=0)
