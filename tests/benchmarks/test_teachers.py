"""The benchmark of teachers: its tables by hand, and short trainings and searches in every way."""

from pathlib import Path

import pytest

from benchmarks.search_efficiency.curves import Curve
from benchmarks.teachers.__main__ import network_table, search_table
from benchmarks.teachers.networks import NetworkTask, Row, sparse_network, trained
from benchmarks.teachers.searches import SearchTask, searched
from benchmarks.teachers.spaces import SPACES, WAYS, teacher_space
from explorer.engine.proposals import Proposer
from explorer.space.inventory import build_inventory


def test_networks_are_compared_seed_by_seed() -> None:
    rows = [
        Row("digits", "labels", 0, 0.5, 0.80, 1.0, 0.0),
        Row("digits", "labels", 1, 0.7, 0.90, 1.0, 0.0),
        Row("digits", "own output", 0, 0.6, 0.79, 2.0, 3.0),
        Row("digits", "own output", 1, 0.7, 0.91, 2.0, 3.0),
    ]
    plain, taught = network_table(rows)
    assert (plain["exits"], plain["exits_gain_low"], plain["exits_gain_high"]) == (0.6, 0.0, 0.0)
    assert (taught["exits_gain_low"], taught["exits_gain_high"]) == pytest.approx((0.0, 0.1))
    assert (taught["output_gain_low"], taught["output_gain_high"]) == pytest.approx((-0.01, 0.01))
    assert (taught["seconds"], taught["teacher_seconds"]) == (2.0, 3.0)


def test_searches_are_compared_after_equal_seconds() -> None:
    curves = [
        Curve("digits", "labels", 0, 10.0, (1.0, 9.0), (1, 2), (0.2, 0.4), 5),
        Curve("digits", "own output", 0, 8.0, (2.0, 7.0), (1, 2), (0.1, 0.3), 5),
    ]
    plain, taught = search_table(curves)  # the second search ended after 8 seconds
    assert (plain["seconds"], plain["hypervolume"], taught["hypervolume"]) == (8.0, 0.2, 0.3)
    assert taught["gain_low"] == taught["gain_high"] == pytest.approx(0.1)


def test_a_search_that_found_nothing_yet_leaves_its_space_empty() -> None:
    curves = [
        Curve("cifar10", "labels", 0, 6.0, (5.0,), (1,), (0.2,), 5),
        Curve("cifar10", "own output", 0, 6.0, (), (), (), 0),
    ]
    assert [row["hypervolume"] for row in search_table(curves)] == [None, None]


@pytest.mark.parametrize("name", SPACES)
def test_ways_differ_in_teachers_only(name: str) -> None:
    spaces = {way: teacher_space(name, way, 3).model_dump() for way in WAYS}
    for space in spaces.values():
        for key in ("self_distillation", "teacher", "distillation"):
            space["training"].pop(key)
    assert all(space == spaces["labels"] for space in spaces.values())


def test_the_network_is_sparse_and_has_a_teacher() -> None:
    space = teacher_space("digits", "dense teacher", 0)
    spec = sparse_network(Proposer(build_inventory(space, (1, 8, 8), 10), {}))
    assert spec.is_sparse
    assert spec.recipe.teacher is not None
    assert spec.dense is not None


def test_short_trainings_and_a_short_search() -> None:
    rows = trained(NetworkTask("digits", 0, 1, Path()))
    assert [row.way for row in rows] == list(WAYS)
    assert [row.teacher_seconds > 0 for row in rows] == [False, False, True]
    curve = searched(SearchTask("digits", "dense teacher", 0, 0.3, 1, Path()))
    assert curve.hypervolume
