"""Intervals against scipy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from explorer.costs.intervals import learned_columns, wilson_interval
from explorer.space.metrics import METRICS


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval(outcome: tuple[int, int]) -> None:
    correct, samples = outcome
    low, high = wilson_interval(np.array([correct]), samples)
    interval = binomtest(correct, samples).proportion_ci(0.95, method="wilson")
    assert low[0] == pytest.approx(interval.low, abs=1e-9)
    assert high[0] == pytest.approx(interval.high, abs=1e-9)


def test_learned_columns_are_the_metrics_that_name_a_column_of_the_sweep() -> None:
    columns = learned_columns({"correct": np.array([90.0, 50.0])}, np.array([100, 100]))
    assert set(columns) == {name for name, own in METRICS.items() if own.credit or own.bounds}
    assert (columns["accuracy_ci95_low"] < columns["accuracy"]).all()
    assert (columns["accuracy_ci95_high"] > columns["accuracy"]).all()
