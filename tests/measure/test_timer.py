"""A clock around calls."""

import time

from explorer.measure.timer import measure_seconds


def test_measured_seconds_are_the_median_of_the_timed_calls() -> None:
    naps = iter([0.05, 0.05, 0.001, 0.005, 0.05])  # two to warm up, then three timed
    seconds = measure_seconds(lambda: time.sleep(next(naps)), warmup=2, repeats=3)
    assert 0.005 <= seconds < 0.05
    assert next(naps, None) is None
