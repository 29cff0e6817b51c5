"""Where connections are kept: degrees by formula, placement by seed, densities by arithmetic."""

from fractions import Fraction
from itertools import pairwise
from math import gcd, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.core.sparsity.patterns import (
    PATTERN_NAMES,
    PatternName,
    adjacency,
    block_shape,
    block_source_groups,
    exact_density,
    kept_connections,
    ladder,
    legal_densities,
    legal_densities_of,
    snap_density,
)
from explorer.errors import UserError

PATTERNS = st.sampled_from(PATTERN_NAMES)
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def junctions(draw: st.DrawFn) -> tuple[int, int, Fraction]:
    """(inputs, outputs, legal density); a common factor is drawn first, or most junctions would be dense."""
    common = draw(st.integers(1, 12))
    inputs, outputs = common * draw(st.integers(1, 5)), common * draw(st.integers(1, 5))
    return inputs, outputs, draw(st.sampled_from(legal_densities(inputs, outputs)))


@given(st.integers(1, 30), st.integers(1, 30))
def test_a_density_is_legal_when_both_degrees_are_whole(inputs: int, outputs: int) -> None:
    # fan-in d keeps outputs * d connections; fan-out = outputs * d / inputs must be whole as well
    whole = {Fraction(d, inputs) for d in range(1, inputs + 1) if outputs * d % inputs == 0}
    legal = legal_densities(inputs, outputs)
    assert set(legal) == whole
    assert len(legal) == gcd(inputs, outputs)
    assert all(low < high for low, high in pairwise(legal))
    assert legal[-1] == 1


@given(junctions(), SEEDS, st.booleans())
@pytest.mark.parametrize("pattern", ["block", "structured", "clash_free"])
def test_every_unit_has_exactly_the_same_degree(
    pattern: PatternName, junction: tuple[int, int, Fraction], seed: int, interleaved: bool
) -> None:
    inputs, outputs, density = junction
    kept = adjacency(pattern, inputs, outputs, density, seed, interleaved)
    assert kept.shape == (outputs, inputs)
    assert (kept.sum(axis=1) == density * inputs).all()  # fan-in
    assert (kept.sum(axis=0) == density * outputs).all()  # fan-out


@given(junctions(), PATTERNS, SEEDS, st.booleans())
def test_number_of_connections(
    junction: tuple[int, int, Fraction], pattern: PatternName, seed: int, interleaved: bool
) -> None:
    inputs, outputs, density = junction
    positions = kept_connections(pattern, inputs, outputs, density, seed, interleaved)
    assert len(positions) == density * inputs * outputs
    assert (np.diff(positions) > 0).all()
    assert positions.min() >= 0
    assert positions.max() < inputs * outputs
    rows, columns = np.nonzero(adjacency(pattern, inputs, outputs, density, seed, interleaved))
    assert positions.tolist() == (rows * inputs + columns).tolist()


@given(junctions(), PATTERNS, SEEDS)
def test_placement_follows_from_the_seed(
    junction: tuple[int, int, Fraction], pattern: PatternName, seed: int
) -> None:
    again = [kept_connections(pattern, *junction, seed).tolist() for _ in range(2)]
    assert again[0] == again[1]


def test_seed_moves_connections_of_all_patterns_but_block() -> None:
    def placements(pattern: PatternName) -> int:
        return len({kept_connections(pattern, 12, 8, Fraction(1, 4), seed).tobytes() for seed in range(5)})

    assert {pattern: placements(pattern) for pattern in PATTERN_NAMES} == {
        "block": 1,
        "structured": 5,
        "random": 5,
        "clash_free": 5,
    }


def test_random_does_not_balance_degrees() -> None:
    kept = adjacency("random", 32, 32, Fraction(1, 4), seed=0)
    assert len(set(kept.sum(axis=0).tolist())) > 1


def test_block_one_of_two() -> None:
    # density 1/2 in lowest terms: 2 groups, each output group reads its own input group
    expected = [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    assert adjacency("block", 4, 4, Fraction(1, 2), seed=0).astype(int).tolist() == expected


def test_block_two_of_three() -> None:
    # density 2/3: 3 groups of 2 inputs and 1 output; output a reads input groups a and a + 1 (mod 3)
    expected = [[1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1], [1, 1, 0, 0, 1, 1]]
    assert adjacency("block", 6, 3, Fraction(2, 3), seed=0).astype(int).tolist() == expected
    assert block_shape(Fraction(4, 6)) == (3, 2)
    assert block_source_groups(Fraction(2, 3)).tolist() == [[0, 1], [1, 2], [2, 0]]


def test_interleaved_block_takes_every_second_input() -> None:
    expected = [[1, 0, 1, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 1, 0, 1]]
    assert adjacency("block", 4, 4, Fraction(1, 2), 0, interleaved=True).astype(int).tolist() == expected


@given(junctions())
def test_interleaving_renames_the_inputs(junction: tuple[int, int, Fraction]) -> None:
    """Unit i of group a is a * size + i among neighbours and i * g + a interleaved."""
    inputs, outputs, density = junction
    groups = density.denominator
    plain = adjacency("block", inputs, outputs, density, seed=0)
    renamed = plain.reshape(outputs, groups, inputs // groups).swapaxes(1, 2).reshape(outputs, inputs)
    assert (adjacency("block", inputs, outputs, density, 0, interleaved=True) == renamed).all()


@given(st.integers(2, 5), st.integers(1, 4))
def test_interleaved_blocks_mix_the_groups_before(groups: int, multiple: int) -> None:
    """Two junctions in a row that read one of g groups: only interleaved do all inputs reach all outputs."""
    units, density = groups**2 * multiple, Fraction(1, groups)
    first = adjacency("block", units, units, density, seed=0)
    reached = {
        interleaved: (adjacency("block", units, units, density, 0, interleaved) @ first).sum(axis=1)
        for interleaved in (False, True)
    }
    assert (reached[False] == units // groups).all()  # g networks side by side
    assert (reached[True] == units).all()


@given(st.integers(1, 40), st.integers(1, 40))
def test_exact_density_takes_every_legal_float(inputs: int, outputs: int) -> None:
    for density in legal_densities(inputs, outputs):
        assert exact_density(float(density), inputs, outputs, "conv1") == density


@pytest.mark.parametrize(
    ("density", "message"),
    [
        (
            0.3,
            r"^conv3: density must be k / 4 for 8 inputs and 12 outputs \(fan-in and fan-out whole "
            r"numbers\), got 0\.3; nearest: 1/4, 1/2, 3/4$",
        ),
        (1.4, r"^conv3: density must be k / 4 .* got 1\.4; nearest: 1/2, 3/4, 1$"),
        (0.0, r"^conv3: density must be k / 4 .* got 0; nearest: 1/4, 1/2, 3/4$"),
    ],
)
def test_illegal_density_names_rule_value_and_neighbours(density: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        exact_density(density, 8, 12, "conv3")


@pytest.mark.parametrize("pattern", PATTERN_NAMES)
def test_connection_patterns_share_their_legal_densities(pattern: PatternName) -> None:
    assert legal_densities_of(pattern, 12, 8, taps=9) == legal_densities(12, 8)


@given(st.integers(1, 49))
def test_periodic_density_is_a_whole_number_of_taps(taps: int) -> None:
    legal = legal_densities_of("periodic", 5, 7, taps)
    assert legal == tuple(Fraction(kept, taps) for kept in range(1, taps + 1))
    for density in legal:
        assert exact_density(float(density), 5, 7, "conv1", "periodic", taps) == density


def test_illegal_periodic_density_names_taps_and_neighbours() -> None:
    with pytest.raises(
        UserError,
        match=r"^conv3: density must be k / 9 for kernels of 9 taps under periodic \(whole taps kept\), "
        r"got 0\.4; nearest: 1/3, 4/9, 5/9$",
    ):
        exact_density(0.4, 8, 12, "conv3", "periodic", 9)


@given(st.floats(0.001, 1.0), st.integers(1, 30))
def test_snapping_takes_the_nearest_by_ratio(density: float, steps: int) -> None:
    choices = legal_densities(steps, steps)
    snapped = snap_density(density, choices)
    distances = [max(float(choice) / density, density / float(choice)) for choice in choices]
    assert max(float(snapped) / density, density / float(snapped)) == pytest.approx(min(distances))


def test_snapping_is_by_ratio_and_ties_go_to_the_denser() -> None:
    choices = (Fraction(1, 4), Fraction(1))
    # 0.45 is nearer to 1/4 by ratio (1.8 against 2.2); 1/2 is a factor 2 from both
    assert snap_density(0.45, choices) == Fraction(1, 4)
    assert snap_density(0.5, choices) == 1


@given(st.integers(1, 200), st.integers(1, 20), st.data())
def test_ladder(steps: int, limit: int, data: st.DataObject) -> None:
    legal = legal_densities(steps, steps)[data.draw(st.integers(0, steps - 1)) :]
    rungs = ladder(legal, limit)
    assert set(rungs) <= set(legal)
    assert 1 <= len(rungs) <= limit
    assert list(rungs) == sorted(set(rungs))
    assert rungs[-1] == legal[-1]
    if len(legal) <= limit:
        assert rungs == legal
    elif limit > 1:
        assert rungs[0] == legal[0]


@given(st.integers(64, 512), st.integers(3, 12))
def test_ladder_is_even_by_ratio(steps: int, limit: int) -> None:
    legal = legal_densities(steps, steps)[steps // 20 :]  # dense enough that every rung finds a neighbour
    rungs = ladder(legal, limit)
    even = log(float(legal[-1] / legal[0])) / (limit - 1)
    # each rung is off by at most half a step, so two neighbours are at most two steps apart
    assert max(log(float(high / low)) for low, high in pairwise(rungs)) <= 2 * even + 1e-9


def test_ladder_prefers_few_blocks() -> None:
    # from 1/64 to 1 in 7 rungs by ratio 2: exactly the powers of two, although 64 densities are legal
    assert ladder(legal_densities(64, 64), 7) == tuple(Fraction(2**power, 64) for power in range(7))
    assert ladder(legal_densities(64, 64), 1) == (Fraction(1),)
