"""Intervals that cover what they say, of shares and of weighted means of shares."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def wilson_interval(correct: Floats, samples: NDArray[np.int64] | Floats | int) -> tuple[Floats, Floats]:
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


def difference_interval(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> tuple[float, float]:
    """95 % interval of the difference of two independent shares (Newcombe, Stat. Med. 1998, method 10).

    Args:
        first: A share, and the lower and upper end of its interval.
        second: Another one.

    Example:
        >>> low, high = difference_interval((0.9, 0.826, 0.945), (0.8, 0.711, 0.867))
        >>> round(low, 3), round(high, 3)
        (0.0, 0.2)
    """
    (share, low, high), (other, other_low, other_high) = first, second
    below, above = math.hypot(share - low, other_high - other), math.hypot(high - share, other - other_low)
    return share - other - below, share - other + above


def margins(right_C: Floats, count_C: Floats, share_C: Floats) -> tuple[float, float]:
    """How far the 95 % interval of a weighted mean of shares reaches below and above it.

    The mean is that of the classes' shares of right answers, sum(share_C * right_C / count_C). The classes'
    variances are recovered from their Wilson intervals, so a rare class that is answered all right, or all
    wrong, still leaves a doubt; elsewhere the interval is that of the delta method. Zou, Huang, Zhang,
    Comput. Stat. Data Anal. 2009.

    Args:
        right_C: Right answers of each class.
        count_C: Samples of each class; one without samples says nothing.
        share_C: Weight of each class in the mean; they sum to 1.

    Example:
        >>> below, above = margins(np.array([388.0, 9.0]), np.array([388.0, 12.0]), np.array([0.5, 0.5]))
        >>> round(below, 3), round(above, 3)  # 0.875 is right in the mean of both classes
        (0.141, 0.081)
    """
    below_C, above_C = squared_margins(right_C, count_C, share_C)
    return float(np.sqrt(below_C.sum())), float(np.sqrt(above_C.sum()))


def margins_along(
    gain_N: Floats, class_N: NDArray[np.int64], start_C: Floats, count_C: Floats, share_C: Floats
) -> tuple[Floats, Floats]:
    """:func:`margins` while answers change one sample after the other; both (N + 1,), the start first.

    Each step moves the term of one class only, so all steps take O(N log N).

    Args:
        gain_N: By how much the right answers change with each sample, in the order of the steps.
        class_N: Class of each.
        start_C: Right answers of each class before the first step.
        count_C: As above.
        share_C: As above.

    Example:
        >>> one = np.ones(2)
        >>> below, _ = margins_along(np.array([1.0]), np.array([1]), np.array([2.0, 1.0]), 2 * one, one / 2)
        >>> bool(np.isclose(below[1], margins(np.array([2.0, 2.0]), 2 * one, one / 2)[0]))
        True
    """
    by_class = np.argsort(class_N, kind="stable")
    gained = np.cumsum(gain_N[by_class])
    first_C = np.searchsorted(class_N[by_class], np.arange(len(count_C)))
    before_C = np.append(0.0, gained)[first_C]
    after_N = np.empty(len(gain_N))
    after_N[by_class] = gained - before_C[class_N[by_class]]
    after_N += start_C[class_N]
    own = count_C[class_N], share_C[class_N]
    starts = squared_margins(start_C, count_C, share_C)
    after, before = (squared_margins(right, *own) for right in (after_N, after_N - gain_N))
    ends = [
        start.sum() + np.append(0.0, np.cumsum(now - earlier))
        for start, now, earlier in zip(starts, after, before, strict=True)
    ]
    below, above = (np.sqrt(np.maximum(squares, 0.0)) for squares in ends)
    return below, above


def squared_margins(right: Floats, count: Floats, share: Floats) -> tuple[Floats, Floats]:
    """The terms whose sums are the squares of :func:`margins`: 0 for a class without samples.

    Example:
        >>> below, above = squared_margins(np.array([5.0, 0.0]), np.array([10.0, 0.0]), np.array([1.0, 0.0]))
        >>> below.round(3).tolist() == above.round(3).tolist() == [0.069, 0.0]
        True
    """
    is_known = count > 0
    known = np.where(is_known, count, 1.0)
    low, high = wilson_interval(right, known)
    mean = right / known
    return np.where(is_known, (share * (mean - low)) ** 2, 0.0), np.where(
        is_known, (share * (high - mean)) ** 2, 0.0
    )
