"""Intervals against scipy's, a stratified bootstrap, and how often they cover."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from explorer.core.intervals import margins, margins_along, squared_margins, wilson_interval


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval(outcome: tuple[int, int]) -> None:
    correct, samples = outcome
    low, high = wilson_interval(np.array([correct]), samples)
    interval = binomtest(correct, samples).proportion_ci(0.95, method="wilson")
    assert low[0] == pytest.approx(interval.low, abs=1e-9)
    assert high[0] == pytest.approx(interval.high, abs=1e-9)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_margins_of_one_class_are_those_of_wilson(outcome: tuple[int, int]) -> None:
    right, samples = np.array([outcome[0]], dtype=float), np.array([outcome[1]], dtype=float)
    below, above = margins(right, samples, np.ones(1))
    low, high = wilson_interval(right, samples)
    share = right[0] / samples[0]
    assert (share - below, share + above) == pytest.approx((low[0], high[0]), abs=1e-12)


@pytest.mark.parametrize("counts", [(400, 400), (970, 130), (300, 500, 200)])
def test_margins_are_those_of_a_bootstrap_within_classes(counts: tuple[int, ...]) -> None:
    count_C = np.array(counts, dtype=float)
    share_C = np.full(len(counts), 1 / len(counts))
    rate_C = np.linspace(0.6, 0.8, len(counts))
    right_C = np.round(rate_C * count_C)
    rng = np.random.default_rng(0)
    drawn = rng.binomial(count_C.astype(int), right_C / count_C, (20_000, len(counts))) / count_C
    low, high = np.quantile(drawn @ share_C, [0.025, 0.975])
    mean = share_C @ (right_C / count_C)
    below, above = margins(right_C, count_C, share_C)
    assert (mean - below, mean + above) == pytest.approx((low, high), abs=0.005)


def test_the_interval_covers_where_a_rare_class_is_answered_nearly_all_right() -> None:
    count_C, share_C, true_C = np.array([970.0, 30.0]), np.array([0.5, 0.5]), np.array([0.9, 0.95])
    rng = np.random.default_rng(0)
    covered = []
    for right_C in rng.binomial(count_C.astype(int), true_C, (4_000, 2)).astype(float):
        below, above = margins(right_C, count_C, share_C)
        error = share_C @ (right_C / count_C) - share_C @ true_C
        covered.append(-above <= error <= below)
    assert 0.93 <= np.mean(covered) <= 0.98


@st.composite
def changes(draw: st.DrawFn) -> tuple[np.ndarray, ...]:
    label_N = np.array(draw(st.lists(st.integers(0, 3), min_size=1, max_size=12)))
    count_C = np.bincount(label_N, minlength=4).astype(float)
    before = draw(st.lists(st.booleans(), min_size=len(label_N), max_size=len(label_N)))
    after = draw(st.lists(st.booleans(), min_size=len(label_N), max_size=len(label_N)))
    return label_N, count_C, np.array(before, dtype=float), np.array(after, dtype=float)


@given(changes())
def test_margins_along_are_the_margins_at_every_step(change: tuple[np.ndarray, ...]) -> None:
    label_N, count_C, before_N, after_N = change
    share_C = (count_C > 0) / (count_C > 0).sum()
    start_C = np.bincount(label_N, before_N, minlength=4)
    below, above = margins_along(after_N - before_N, label_N, start_C, count_C, share_C)
    for step in range(len(label_N) + 1):
        now_N = np.concatenate([after_N[:step], before_N[step:]])
        expected = margins(np.bincount(label_N, now_N, minlength=4), count_C, share_C)
        assert (below[step], above[step]) == pytest.approx(expected, abs=1e-9)


def test_a_class_without_samples_says_nothing() -> None:
    assert [own[0] for own in squared_margins(np.zeros(1), np.zeros(1), np.ones(1))] == [0, 0]
