"""Learned shares of operating points, with the ends of their intervals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.intervals import wilson_interval
from explorer.core.quality import CREDIT_OF, MARGINS
from explorer.space.metrics import SEARCHED_METRICS


def learned_columns(
    earned: Mapping[str, NDArray[Any]], samples: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Learned shares, and the ends of the intervals of accuracy and quality, by column.

    Args:
        earned: Credit of the right answers by column, and the margins of a quality that is not plain
            accuracy, see :func:`explorer.core.credits.earned`.
        samples: Behind each.

    Example:
        >>> columns = learned_columns({"correct": np.array([90.0])}, np.array([100]))
        >>> {name: values.round(3).tolist() for name, values in columns.items()}
        {'accuracy': [0.9], 'accuracy_ci95_low': [0.826], 'accuracy_ci95_high': [0.945]}
    """
    shares = {
        name: np.asarray(earned[metric.credit] / samples)
        for name, metric in SEARCHED_METRICS.items()
        if metric.credit in earned
    }
    low, high = wilson_interval(earned["correct"], samples)
    ends = {"accuracy_ci95_low": low, "accuracy_ci95_high": high}
    for name, credit in CREDIT_OF.items():
        if name != "accuracy" and credit in earned:
            below, above = (earned[margin] for margin in MARGINS)
            ends |= {f"{name}_ci95_low": shares[name] - below, f"{name}_ci95_high": shares[name] + above}
    return shares | ends
