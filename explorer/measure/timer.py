"""Wall-clock time of a call."""

import time
from collections.abc import Callable

import numpy as np


def measure_seconds(run: Callable[[], object], *, warmup: int, repeats: int) -> float:
    """Median wall-clock seconds of one call.

    Args:
        run: What to time.
        warmup: Calls before the first timed one.
        repeats: Timed calls, at least 1.

    Example:
        >>> 0.01 <= measure_seconds(lambda: time.sleep(0.01), warmup=1, repeats=3) < 1.0
        True
    """
    for _ in range(warmup):
        run()
    seconds = np.empty(repeats)
    for index in range(repeats):
        start = time.perf_counter()
        run()
        seconds[index] = time.perf_counter() - start
    return float(np.median(seconds))
