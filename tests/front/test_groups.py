"""A front by network, cut and bits: who leads whom, and that every point is in one group."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.front.groups import FrontGroup, front_groups
from explorer.front.pareto import non_dominated
from explorer.space.metrics import METRICS, loss_values

OBJECTIVES = tuple(METRICS[name] for name in ("accuracy", "edge_macs", "payload_bytes"))
COSTS = OBJECTIVES[1:]


def front_of(rows: list[tuple[int, int, int, int]]) -> pd.DataFrame:
    """Points of accuracy in percent, MACs, payload and network, without those that others dominate."""
    points = pd.DataFrame(rows, columns=["accuracy", "edge_macs", "payload_bytes", "network_key"])
    points["accuracy"] /= 100
    points = points.assign(split_point="fc1", payload_bits=8, edge_weight_bits=32)
    points = points.assign(confidence_threshold=points["accuracy"])
    kept = non_dominated(loss_values(points, OBJECTIVES).to_numpy(dtype=float))
    return points[kept].reset_index(drop=True)


fronts = st.lists(st.tuples(*(st.integers(0, 12),) * 3, st.integers(0, 3)), min_size=1, max_size=40)


@given(fronts, st.integers(0, 6))
def test_every_point_is_in_one_group_and_led_by_the_cheapest_that_may(
    rows: list[tuple[int, int, int, int]], noise: int
) -> None:
    front = front_of(rows)
    accuracy = (100 * front["accuracy"]).round().to_numpy()
    costs = front[[metric.name for metric in COSTS]].to_numpy()

    def alike(one: int, other: int) -> bool:
        return bool(abs(accuracy[one] - accuracy[other]) <= noise)

    def leads(one: int, other: int) -> bool:
        return bool((costs[one] <= costs[other]).all() and alike(one, other))

    groups = front_groups(front, OBJECTIVES, "accuracy", alike)
    placed = [place for group in groups for place in (*group.steps, *group.alike)]
    assert sorted(placed) == list(range(len(front)))
    steps = {place for group in groups for place in group.steps}
    assert not [(one, two) for one in steps for two in steps if one != two and leads(one, two)]
    for group in groups:
        assert front.loc[list(group.steps), "network_key"].nunique() == 1
        assert front.loc[list(group.steps), "confidence_threshold"].is_monotonic_increasing
        assert group.shown in group.steps
        assert all(any(leads(step, place) for step in group.steps) for place in group.alike)
        assert group.size == len(group.steps) + len(group.alike)
    networks = [front.loc[group.shown, "network_key"] for group in groups]
    assert len(set(networks)) == len(networks)
    shown = front.loc[[group.shown for group in groups], "accuracy"]
    assert shown.is_monotonic_decreasing


@given(fronts)
def test_where_all_differ_there_is_one_group_for_each_cut(rows: list[tuple[int, int, int, int]]) -> None:
    front = front_of(rows)
    groups = front_groups(front, OBJECTIVES, "accuracy", lambda one, other: False)
    assert len(groups) == front["network_key"].nunique()
    assert not any(group.alike for group in groups)


def test_a_better_point_is_led_by_a_cheaper_one_that_is_as_good_but_for_noise() -> None:
    front = front_of([(95, 9, 9, 0), (94, 5, 5, 1), (80, 1, 9, 1)])
    groups = front_groups(front, OBJECTIVES, "accuracy", lambda one, other: {one, other} == {0, 1})
    assert groups == [FrontGroup(shown=1, steps=(2, 1), alike=(0,))]


def test_what_is_dearer_in_one_thing_leads_nobody() -> None:
    front = front_of([(95, 9, 5, 0), (94, 5, 9, 1)])
    groups = front_groups(front, OBJECTIVES, "accuracy", lambda one, other: True)
    assert [group.shown for group in groups] == [0, 1]


@pytest.mark.parametrize("objectives", [OBJECTIVES[:1], COSTS])
def test_without_costs_or_without_quality_nobody_leads(objectives: tuple[object, ...]) -> None:
    front = front_of([(95, 9, 5, 0), (94, 5, 9, 1)])
    groups = front_groups(front, objectives, "accuracy", lambda one, other: True)  # type: ignore[arg-type]
    assert [group.size for group in groups] == [1, 1]


def test_points_without_bits_of_one_network_are_one_cut() -> None:
    front = front_of([(95, 9, 5, 0), (94, 5, 4, 0)]).assign(payload_bits=np.nan)
    assert len(front_groups(front, OBJECTIVES, "accuracy", lambda one, other: False)) == 1
    assert front_groups(front[:0], OBJECTIVES, "accuracy", lambda one, other: True) == []
