"""What a right answer earns: every learned share is the mean credit of a subset's right answers.

Accuracy credits each right answer with 1. Another learned metric is another function of the labels here, and
a metric in :mod:`explorer.space.metrics` that names it: the sweep, the cost model, the store and the page
follow.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Credit = Callable[[Labels], NDArray[np.float64]]

CREDITS: Mapping[str, Credit] = {  # by column of the sweep: labels (N,) to what each is worth when right (N,)
    "correct": lambda label_N: np.ones(len(label_N)),
}


def earned(right_N: NDArray[np.bool_], label_N: Labels) -> dict[str, float]:
    """The credit of a subset's right answers, by column.

    Args:
        right_N: Whether each answer is right.
        label_N: The labels.

    Example:
        >>> earned(np.array([True, False, True]), np.array([0, 1, 1]))
        {'correct': 2.0}
    """
    return {column: float((right_N * credit(label_N)).sum()) for column, credit in CREDITS.items()}
