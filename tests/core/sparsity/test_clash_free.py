"""Reads that never wait: one read per memory and cycle, exact degrees, no connection twice."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from math import gcd
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.core.sparsity import clash_free
from explorer.core.sparsity.clash_free import (
    ClashFreeType,
    Schedule,
    clash_free_connections,
    clash_free_schedule,
    has_clash,
    parallel_memories,
)
from explorer.core.sparsity.patterns import kept_connections, legal_densities

TYPES: tuple[ClashFreeType, ...] = get_args(ClashFreeType)
SEEDS = st.integers(0, 2**32 - 1)
every_type = pytest.mark.parametrize("kind", TYPES)


@st.composite
def junctions(draw: st.DrawFn) -> tuple[int, int, Fraction]:
    """(inputs, outputs, legal density) with a common factor up to 24."""
    common = draw(st.integers(1, 24))
    inputs, outputs = common * draw(st.integers(1, 5)), common * draw(st.integers(1, 5))
    return inputs, outputs, draw(st.sampled_from(legal_densities(inputs, outputs)))


def small_junctions(inputs: int) -> Iterator[tuple[int, int, Fraction]]:
    for outputs in range(1, 19):
        for density in legal_densities(inputs, outputs):
            yield inputs, outputs, density


def assert_clash_free(junction: tuple[int, int, Fraction], seed: int, kind: ClashFreeType) -> None:
    """What the pattern promises, checked on the reads themselves."""
    inputs, outputs, density = junction
    schedule = clash_free_schedule(*junction, seed, kind)
    assert not has_clash(schedule)
    assert schedule.memory.shape == schedule.address.shape
    assert schedule.memory.shape == (density * outputs * schedule.depth, schedule.memories)
    sweeps = np.sort(schedule.units.reshape(-1, inputs), axis=1)
    assert (sweeps == np.arange(inputs)).all()  # every sweep reads every unit once: fan-out by definition
    of_output = np.sort(schedule.units.reshape(outputs, -1), axis=1)
    assert of_output.shape[1] == density * inputs  # fan-in
    assert (of_output[:, 1:] > of_output[:, :-1]).all()  # no unit twice at one output
    flat = (np.arange(outputs)[:, None] * inputs + of_output).reshape(-1)
    assert clash_free_connections(*junction, seed, kind).tolist() == flat.tolist()


@every_type
@pytest.mark.parametrize("inputs", range(1, 19))
def test_every_legal_density_of_small_junctions(inputs: int, kind: ClashFreeType) -> None:
    for seed, junction in enumerate(small_junctions(inputs)):
        assert_clash_free(junction, seed, kind)


@every_type
@given(junctions(), SEEDS)
def test_any_junction(kind: ClashFreeType, junction: tuple[int, int, Fraction], seed: int) -> None:
    assert_clash_free(junction, seed, kind)


@every_type
@given(st.data(), junctions(), SEEDS)
def test_any_number_of_memories_serves(
    kind: ClashFreeType, data: st.DataObject, junction: tuple[int, int, Fraction], seed: int
) -> None:
    """The proof needs no more than z dividing the inputs; a cycle may even serve many outputs."""
    divisors = [z for z in range(1, junction[0] + 1) if junction[0] % z == 0]
    memories = data.draw(st.sampled_from(divisors))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clash_free, "parallel_memories", lambda inputs, fan_in: memories)
        assert_clash_free(junction, seed, kind)


@every_type
@given(junctions(), SEEDS)
def test_schedule_follows_from_the_seed(
    kind: ClashFreeType, junction: tuple[int, int, Fraction], seed: int
) -> None:
    first, second = (clash_free_schedule(*junction, seed, kind) for _ in range(2))
    assert first.address.tolist() == second.address.tolist()
    assert first.memory.tolist() == second.memory.tolist()


@every_type
def test_seeds_differ(kind: ClashFreeType) -> None:
    placements = {clash_free_connections(24, 16, Fraction(1, 4), s, kind).tobytes() for s in range(5)}
    assert len(placements) == 5


@given(junctions(), SEEDS)
def test_type_1_repeats_one_sweep(junction: tuple[int, int, Fraction], seed: int) -> None:
    sweeps = clash_free_schedule(*junction, seed, 1).units.reshape(-1, junction[0])
    assert (sweeps == sweeps[0]).all()


@given(junctions(), SEEDS)
def test_types_1_and_2_count_addresses_upwards(junction: tuple[int, int, Fraction], seed: int) -> None:
    for kind in (1, 2):
        schedule = clash_free_schedule(*junction, seed, kind)
        by_sweep = schedule.address.reshape(-1, schedule.depth, schedule.memories)
        assert (np.diff(by_sweep, axis=1) % schedule.depth == 1 % schedule.depth).all()


def test_type_2_draws_a_new_seed_vector_each_sweep() -> None:
    schedule = clash_free_schedule(32, 32, Fraction(1, 4), seed=0, kind=2)  # 8 memories of depth 4, 8 sweeps
    seed_vectors = schedule.address.reshape(8, 4, 8)[:, 0]
    assert all((last != following).any() for last, following in pairwise(seed_vectors))


def test_type_3_permutes_without_order() -> None:
    schedule = clash_free_schedule(32, 32, Fraction(1, 4), seed=0, kind=3)
    steps = np.diff(schedule.address.reshape(8, 4, 8), axis=1) % 4
    assert set(steps.flatten().tolist()) == {1, 2, 3}


def test_sweeps_that_share_an_output_are_drawn_evenly() -> None:
    """4 of 5 inputs, one memory: output 1 reads the last address of sweep 0, then three of sweep 1."""
    last_to_first: dict[ClashFreeType, Counter[int]] = {}
    for kind in (2, 3):
        address = [clash_free_schedule(5, 5, Fraction(4, 5), s, kind).address.flatten() for s in range(600)]
        last_to_first[kind] = Counter(int(a[5] - a[4]) % 5 for a in address)
    # type 2: three upwards that leave out the last start 1 or 2 behind it; type 3: any other may start
    assert set(last_to_first[2]) == {1, 2}
    assert set(last_to_first[3]) == {1, 2, 3, 4}
    for counts in last_to_first.values():
        assert min(counts.values()) > 0.75 * 600 / len(counts)


@given(junctions())
def test_number_of_memories(junction: tuple[int, int, Fraction]) -> None:
    inputs, _, density = junction
    fan_in = int(density * inputs)
    memories = parallel_memories(inputs, fan_in)
    assert inputs % memories == 0
    assert gcd(inputs, fan_in) <= memories <= fan_in
    assert (memories == fan_in) == (inputs % fan_in == 0)


def test_clashes_are_found() -> None:
    address = np.zeros((2, 3), dtype=np.int64)
    free = np.array([[0, 1, 2], [2, 0, 1]])  # other cycles may read a memory again
    assert not has_clash(Schedule(6, 3, 3, free, address))
    assert has_clash(Schedule(6, 3, 3, np.array([[0, 1, 2], [1, 2, 1]]), address))


def test_units_lie_across_the_memories() -> None:
    # 12 units in 4 memories of depth 3, as in the paper: unit n in memory n mod 4 at address n div 4
    memory, address = np.array([[0, 1, 2, 3]]), np.array([[1, 0, 2, 2]])
    schedule = Schedule(12, 4, 4, memory, address)
    assert schedule.depth == 3
    assert schedule.units.tolist() == [4, 1, 10, 11]


def test_pattern_is_type_2() -> None:
    expected = clash_free_connections(24, 16, Fraction(3, 8), 7, kind=2)
    assert kept_connections("clash_free", 24, 16, Fraction(3, 8), 7).tolist() == expected.tolist()
