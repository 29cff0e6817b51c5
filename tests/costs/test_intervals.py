"""Intervals against scipy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from explorer.costs.intervals import wilson_interval


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval(outcome: tuple[int, int]) -> None:
    correct, samples = outcome
    low, high = wilson_interval(np.array([correct]), samples)
    interval = binomtest(correct, samples).proportion_ci(0.95, method="wilson")
    assert low[0] == pytest.approx(interval.low, abs=1e-9)
    assert high[0] == pytest.approx(interval.high, abs=1e-9)
