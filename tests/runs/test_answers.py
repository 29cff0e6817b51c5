"""A run's front grouped by its evidence."""

import pytest

from explorer.front.groups import CUT
from explorer.run import Run
from explorer.runs.answers import grouped_front, right_answers


@pytest.fixture(scope="module")
def run(digits_run: Run) -> Run:
    return digits_run


def test_answers_are_those_of_each_point(run: Run) -> None:
    right = right_answers(run.results, run.front)
    for own, (_, point) in zip(right, run.front.iterrows(), strict=True):
        assert (own == run.results.right_answers(point)).all()


def test_who_is_led_costs_more_and_does_not_differ(run: Run) -> None:
    pick = run.select()
    groups = grouped_front(run.results, pick)
    assert sum(group.size for group in groups) == len(pick.front)
    assert len(groups) < len(pick.front)
    costs = ["edge_macs", "edge_memory_bytes", "payload_bytes"]
    for group in groups:
        steps = pick.front.iloc[list(group.steps)]
        assert len(steps.drop_duplicates(CUT)) == 1
        for place in group.alike:
            own = pick.front.iloc[place]
            leaders = steps[(steps[costs] <= own[costs]).all(axis=1)]
            assert any(not run.results.compare(own, other).differ for _, other in leaders.iterrows())


def test_neighbours_are_other_networks(run: Run) -> None:
    pick = run.select()
    keys = [pick.network_key, *pick.neighbours["network_key"]]
    assert len(set(keys)) == len(keys)
    assert len(keys) == min(5, pick.front["network_key"].nunique())
