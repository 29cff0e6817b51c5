"""What a right answer earns: every learned share is the mean credit of a subset's right answers.

Accuracy credits each right answer with 1. Another learned metric is another function of the labels here, and
a metric in :mod:`explorer.space.metrics` that names it: the sweep, the cost model, the store and the page
follow. What a run counts as quality, where that is not plain accuracy, is one more credit.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from explorer.core.intervals import margins
from explorer.core.quality import ACCURACY, MARGINS, Quality, counts

Labels = NDArray[np.int64]
Credit = Callable[[Labels], NDArray[np.float64]]

CREDITS: Mapping[str, Credit] = {  # by column of the sweep: labels (N,) to what each is worth when right (N,)
    "correct": lambda label_N: np.ones(len(label_N)),
}


def worths(
    label_N: Labels, quality: Quality, times_N: NDArray[np.float64] | None = None
) -> dict[str, NDArray[np.float64]]:
    """What each right answer is worth (N,), by column.

    Args:
        label_N: The labels.
        quality: Its own credit follows those of every run, where it is not plain accuracy.
        times_N: How often each sample counts; None: once.

    Example:
        >>> found = worths(np.array([0, 0, 0, 1]), Quality("balanced_accuracy"))
        >>> {column: own.round(2).tolist() for column, own in found.items()}
        {'correct': [1.0, 1.0, 1.0, 1.0], 'balanced': [0.67, 0.67, 0.67, 2.0]}
    """
    times_N = np.ones(len(label_N)) if times_N is None else times_N
    found = {column: credit(label_N) * times_N for column, credit in CREDITS.items()}
    return found if quality.is_plain else found | {quality.credit: quality.worths(label_N, times_N)}


def earned(right_N: NDArray[np.bool_], label_N: Labels, quality: Quality = ACCURACY) -> dict[str, float]:
    """The credit of a subset's right answers, by column.

    Where the quality is not plain accuracy, its :data:`~explorer.core.quality.MARGINS` follow.

    Args:
        right_N: Whether each answer is right.
        label_N: The labels.
        quality: What counts in the run.

    Example:
        >>> right, labels = np.array([True, False, True]), np.array([0, 1, 1])
        >>> earned(right, labels)
        {'correct': 2.0}
        >>> list(earned(right, labels, Quality("balanced_accuracy")))
        ['correct', 'balanced', 'margin_below', 'margin_above']
    """
    found = {column: float((right_N * own).sum()) for column, own in worths(label_N, quality).items()}
    if quality.is_plain:
        return found
    count_C = counts(label_N)
    ends = margins(counts(label_N, right_N.astype(np.float64)), count_C, quality.class_shares(count_C))
    return found | dict(zip(MARGINS, ends, strict=True))
