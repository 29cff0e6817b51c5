"""Patterns placed by magnitude: exact degrees, near the optimum where that is known."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from explorer.core.sparsity.magnitude import largest_blocks, largest_connections
from explorer.core.sparsity.patterns import adjacency, block_source_groups, legal_densities


def magnitudes(outputs: int, inputs: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((outputs, inputs))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 1000), st.data())
def test_degrees_are_exact(outputs: int, inputs: int, seed: int, data: st.DataObject) -> None:
    density = data.draw(st.sampled_from(legal_densities(inputs, outputs)))
    kept = largest_connections(magnitudes(outputs, inputs, seed), density)
    assert (kept.sum(axis=1) == density * inputs).all()
    assert (kept.sum(axis=0) == density * outputs).all()


def test_rows_that_do_not_compete_keep_their_largest() -> None:
    magnitude = np.array([[9.0, 1, 8, 2], [1, 9, 2, 8]])
    assert largest_connections(magnitude, Fraction(1, 2)).tolist() == [
        [True, False, True, False],
        [False, True, False, True],
    ]


def test_equal_magnitudes_end() -> None:
    kept = largest_connections(np.ones((6, 4)), Fraction(1, 2))
    assert kept.sum(axis=0).tolist() == [3] * 4


@pytest.mark.parametrize("seed", range(5))
def test_near_the_optimum(seed: int) -> None:
    """One connection each is an assignment, whose optimum is known; random placement keeps half."""
    magnitude = magnitudes(24, 24, seed)
    kept = magnitude[largest_connections(magnitude, Fraction(1, 24))].sum()
    best = magnitude[linear_sum_assignment(magnitude, maximize=True)].sum()
    by_chance = magnitude[adjacency("structured", 24, 24, Fraction(1, 24), seed + 9)].sum()
    assert kept > 0.85 * best > by_chance


@pytest.mark.parametrize("interleaved", [False, True])
def test_blocks_that_were_planted_are_found(interleaved: bool) -> None:
    """Large weights lie where some other assignment of groups has them."""
    density, rng = Fraction(2, 7), np.random.default_rng(0)
    rows = np.repeat(np.arange(7), 4)
    shuffled = rng.permutation(7)
    sources = np.sort(shuffled[block_source_groups(density)], axis=1)
    units = np.arange(14)
    group_of_input = units % 7 if interleaved else units // 2
    planted = (sources[rows][:, :, None] == group_of_input).any(axis=1)
    magnitude = planted + 0.1 * rng.random((28, 14))
    assert largest_blocks(magnitude, density, interleaved).tolist() == sources.tolist()
