"""Rate and round-trip time from messages: the truth where it can be known, the sum where it cannot."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.runtime.policy.link_estimate import LinkEstimator

RATES, TRIPS = st.floats(1e3, 1e8), st.floats(0.0, 2.0)


def seconds(size: float, bits_per_s: float, rtt_s: float) -> float:
    return rtt_s + 8 * size / bits_per_s


@given(bits_per_s=RATES, rtt_s=TRIPS, sizes=st.tuples(st.integers(50, 500), st.integers(1000, 10_000)))
def test_two_sizes_tell_rate_and_round_trip_time(
    bits_per_s: float, rtt_s: float, sizes: tuple[int, int]
) -> None:
    link = LinkEstimator(bits_per_s=1e6, rtt_s=0.02)
    for size in sizes * 5:
        link.observe(size, seconds(size, bits_per_s, rtt_s))
    assert link.identified
    for size in (*sizes, sum(sizes) / 2):
        expected = seconds(size, bits_per_s, rtt_s)
        # bytes that take next to no time are taken for a twentieth of the message's time
        assert link.expected_s(size) == pytest.approx(expected, rel=0.06)
    if 8 * sizes[0] / bits_per_s > 0.2 * rtt_s:
        assert link.bits_per_s == pytest.approx(bits_per_s, rel=1e-6)
        assert link.rtt_s == pytest.approx(rtt_s, rel=1e-6, abs=1e-6)


@given(bits_per_s=RATES, rtt_s=TRIPS, size=st.integers(50, 10_000))
def test_one_size_tells_the_sum(bits_per_s: float, rtt_s: float, size: int) -> None:
    link = LinkEstimator(bits_per_s=1e6, rtt_s=0.02)
    for _ in range(3):
        link.observe(size, seconds(size, bits_per_s, rtt_s))
    assert not link.identified
    assert link.expected_s(size) == pytest.approx(seconds(size, bits_per_s, rtt_s))


@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(1e-6, 1e4)), max_size=60))
def test_whatever_is_observed_the_line_is_one(observed: list[tuple[float, float]]) -> None:
    link = LinkEstimator(bits_per_s=1e6, rtt_s=0.02)
    for size, took in observed:
        link.observe(size, took)
        assert link.s_per_byte > 0
        assert link.rtt_s >= 0
        assert np.isfinite([link.s_per_byte, link.rtt_s]).all()


def test_noise_is_averaged_out() -> None:
    generator, link = np.random.default_rng(0), LinkEstimator(bits_per_s=1e7, rtt_s=0.001)
    for size in [300, 1500] * 50:
        noise = np.exp(0.15 * generator.standard_normal())
        link.observe(size, seconds(size, 1e6, 0.01) * float(noise))
    assert link.expected_s(300) == pytest.approx(seconds(300, 1e6, 0.01), rel=0.15)
    assert link.expected_s(1500) == pytest.approx(seconds(1500, 1e6, 0.01), rel=0.15)


def test_an_outlier_changes_nothing() -> None:
    link = LinkEstimator(bits_per_s=1e6, rtt_s=0.02)
    for size in [300, 1500] * 5:
        link.observe(size, seconds(size, 1e6, 0.02))
    before = (link.rtt_s, link.s_per_byte)
    assert not link.observe(1500, 10 * seconds(1500, 1e6, 0.02))
    assert link.surprised
    assert (link.rtt_s, link.s_per_byte) == before
    assert not link.observe(1500, seconds(1500, 1e6, 0.02))
    assert not link.observe(1500, 10 * seconds(1500, 1e6, 0.02))  # the first was forgotten


@pytest.mark.parametrize("factor", [20.0, 1 / 20.0])
def test_a_new_link_is_known_after_two_messages(factor: float) -> None:
    link = LinkEstimator(bits_per_s=1e6, rtt_s=0.02)
    for size in [300, 1500] * 20:
        link.observe(size, seconds(size, 1e6, 0.02))
    assert not link.observe(3000, seconds(3000, 1e6 / factor, 0.02))
    assert link.observe(3000, seconds(3000, 1e6 / factor, 0.02))
    assert link.expected_s(3000) == pytest.approx(seconds(3000, 1e6 / factor, 0.02))


def test_small_messages_as_expected_do_not_hide_a_rate_that_fell() -> None:
    """A rate shows in large messages first: each size is confirmed by its own kind."""
    link = LinkEstimator(bits_per_s=1e7, rtt_s=0.5)
    for size in [300, 30_000] * 5:
        link.observe(size, seconds(size, 1e7, 0.5))
    changes = []
    for size in (30_000, 300, 30_000, 300):
        changes.append(link.observe(size, seconds(size, 5e5, 0.5)))
    assert changes == [False, False, True, False]


def test_what_is_neither_side_is_believed_at_last() -> None:
    """Messages that are too fast and too slow in turn mean that nothing is known."""
    link = LinkEstimator(bits_per_s=1e6, rtt_s=0.02)
    link.observe(1000, 0.028)
    changes = [link.observe(1000, took) for took in (0.1, 0.005, 0.1)]
    assert changes[:2] == [False, False]
    assert changes[2]


def test_forgetting_keeps_what_was_expected() -> None:
    link = LinkEstimator(bits_per_s=1e6, rtt_s=0.02)
    link.observe(1000, 0.5)
    expected = link.expected_s(1000)
    link.forget()
    assert link.expected_s(1000) == expected
    assert not link.identified
