"""Intervals that cover what they say."""

from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.space.metrics import METRICS


def wilson_interval(
    correct: NDArray[np.float64], samples: NDArray[np.int64] | int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % score interval of a share (Wilson, J. Am. Stat. Assoc. 1927); returns (low, high).

    Example:
        >>> low, high = wilson_interval(np.array([90.0]), 100)
        >>> low.round(3), high.round(3)
        (array([0.826]), array([0.945]))
    """
    z = NormalDist().inv_cdf(0.975)
    share = correct / samples
    centre = (share + z**2 / (2 * samples)) / (1 + z**2 / samples)
    half = z / (1 + z**2 / samples) * np.sqrt(share * (1 - share) / samples + z**2 / (4 * samples**2))
    return centre - half, centre + half


def learned_columns(
    earned: Mapping[str, NDArray[Any]], samples: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Learned shares, and the ends of the accuracy's interval, by column.

    Args:
        earned: Credit of the right answers by column, see :mod:`explorer.core.credits`.
        samples: Behind each.

    Example:
        >>> columns = learned_columns({"correct": np.array([90.0])}, np.array([100]))
        >>> {name: values.round(3).tolist() for name, values in columns.items()}
        {'accuracy': [0.9], 'accuracy_ci95_low': [0.826], 'accuracy_ci95_high': [0.945]}
    """
    low, high = wilson_interval(earned["correct"], samples)
    shares = {name: earned[metric.credit] / samples for name, metric in METRICS.items() if metric.credit}
    return shares | {"accuracy_ci95_low": low, "accuracy_ci95_high": high}
