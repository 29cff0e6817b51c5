"""The coverage benchmark, without training."""

import numpy as np
import pytest

from benchmarks.coverage.__main__ import shortfalls, table
from benchmarks.coverage.draws import Draw, Statement, _missed, balanced_draws
from explorer.front.estimators import METHOD


def test_balanced_draws_have_every_sample_equally_often() -> None:
    draws = balanced_draws(pool=30, drawn=12, count=10, seed=3)
    assert np.bincount(draws.ravel()).tolist() == [4] * 30
    assert len({tuple(sorted(own)) for own in draws.tolist()}) == 10


def test_missed_is_judged_at_the_point_that_only_just_satisfies() -> None:
    asked, true = np.array([0.96, 0.91, 0.85]), np.array([0.95, 0.89, 0.86])
    assert _missed(np.array([0.9]), asked, true) == 1.0
    assert _missed(np.array([0.9, 0.94]), asked, true) == 0.5
    assert np.isnan(_missed(np.array([0.99]), asked, true))


@pytest.mark.parametrize(
    ("covered", "bias", "short"), [(0.95, 0.001, 0), (0.92, 0.001, 1), (0.98, -0.003, 2)]
)
def test_shortfalls_are_those_of_the_shipped_correction(covered: float, bias: float, short: int) -> None:
    own = Statement(covered, bias)
    rows = table("digits", [Draw({METHOD: own, "as validated": Statement(0.5, 0.1)}, 0.5, 0.1, 0.0)] * 2)
    assert len(shortfalls(rows)) == short
