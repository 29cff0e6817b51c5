"""Axes people can read: when to go logarithmic, where zero then sits, which numbers get a tick."""

import math
from collections.abc import Iterable

import pandas as pd

LOG_RATIO = 50  # a cost that spans more than this reads better on a logarithmic axis
_STEPS = (1, 2, 2.5, 5, 10)
_LOG_STEPS = (1, 2, 5)
_MAX_LOG_TICKS = 8


def known_numbers(values: "pd.Series[float]") -> list[float]:
    """The values that are there."""
    return [float(value) for value in values.dropna()]


def spans_decades(values: Iterable[float]) -> bool:
    """Whether the values, zeros aside, are positive and span more than ``LOG_RATIO``."""
    numbers = list(values)
    positive = [value for value in numbers if value > 0]
    return bool(positive) and min(numbers) >= 0 and max(positive) / min(positive) > LOG_RATIO


def zero_slot(values: Iterable[float]) -> float | None:
    """Where 0 is drawn on a logarithmic axis: half a decade below the decade of the smallest value.

    Returns:
        None where no value is 0, or none is positive.
    """
    numbers = list(values)
    positive = [value for value in numbers if value > 0]
    if not positive or 0 not in numbers:
        return None
    return float(10.0 ** (math.floor(math.log10(min(positive))) - 0.5))


def linear_ticks(low: float, high: float, target: int = 6) -> list[float]:
    """About ``target`` round numbers that enclose ``low`` and ``high``; two where they are equal."""
    if high <= low:
        return [low, low + (abs(low) or 1.0) * 0.1]
    rough = (high - low) / target
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next((magnitude * factor for factor in _STEPS if magnitude * factor >= rough), magnitude * 10)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(place * step, 12) for place in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of every decade that enclose ``low`` and ``high``; only 1 where there are many decades."""
    fine, coarse = _enclosing(low, high, _LOG_STEPS), _enclosing(low, high, (1,))
    return fine if len(fine) <= _MAX_LOG_TICKS else coarse


def _enclosing(low: float, high: float, steps: tuple[int, ...]) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    below = [tick for tick in ticks if tick <= low][-1:]
    above = [tick for tick in ticks if tick >= high][:1]
    return [*below, *(tick for tick in ticks if low < tick < high), *above]
