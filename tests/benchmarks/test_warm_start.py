"""The benchmark of warm starts: its table by hand, and short searches of both kinds."""

import pytest

from benchmarks import warm_start
from benchmarks.search_efficiency.curves import Curve
from benchmarks.search_efficiency.starts import START_SPACES, STARTS, samples_of, start_space
from explorer.errors import UserError
from explorer.space.files import load_space_data
from explorer.space.schema import SearchSpace


def _curve(start: str, steps: dict[float, float], seed: int = 0, budget_s: float = 20.0) -> Curve:
    """A curve with two networks at its first trial and one more at each other."""
    trainings = tuple(range(2, len(steps) + 2))
    return Curve("digits", start, seed, budget_s, tuple(steps), trainings, tuple(steps.values()), 5)


def test_table_compares_equal_seconds() -> None:
    curves = [
        _curve("scratch", {1.0: 0.2, 12.0: 0.4}),
        _curve("dense", {3.0: 0.3, 9.0: 0.6}),
        _curve("scratch", {2.0: 0.4}, seed=1),
        _curve("dense", {2.0: 0.2}, seed=1, budget_s=15.0),
    ]
    early, late = warm_start.compare(curves, (1.0, 10.0, 20.0))  # one search ended before the 20th second
    assert (early["seconds"], early["scratch"], early["dense"], early["ratio"]) == (1.0, 0.1, 0.0, None)
    assert (late["scratch"], late["dense"]) == (pytest.approx(0.3), pytest.approx(0.4))
    assert late["ratio"] == pytest.approx((3.0 + 0.5) / 2)
    assert (late["scratch_networks"], late["dense_networks"]) == (2, 2.5)


@pytest.mark.parametrize("name", START_SPACES)
def test_spaces_differ_in_the_start_only(name: str) -> None:
    scratch, dense = (start_space(name, start, 3).model_dump() for start in STARTS)
    assert (scratch["training"].pop("start"), dense["training"].pop("start")) == STARTS
    assert scratch == dense
    assert scratch["training"]["seed"] == 3


def test_searches_of_both_kinds_add_up_what_trainings_take() -> None:
    for start in STARTS:
        content = start_space("digits", start, 0).model_dump(mode="json")
        content["data"] |= {"train_samples": 300, "validation_samples": 100}
        content["training"]["epochs"] = 2
        space = SearchSpace.model_validate(content)
        samples = samples_of(space, load_space_data(space, None), 0, budget_s=60.0, trials=4)
        seconds = [sample.seconds for sample in samples]
        assert seconds == sorted(seconds)
        assert seconds[0] > 0
        assert samples[-1].trainings >= 3
        stopped = samples_of(space, load_space_data(space, None), 0, budget_s=seconds[0] / 100, trials=4)
        assert len(stopped) == 1


def test_impossible_budgets_are_named() -> None:
    with pytest.raises(UserError, match="--budget: must be above 0, got -1"):
        warm_start.main(["--budget", "-1"])
