"""The acquisition: how much hypervolume a predicted front adds to the one that is known."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from explorer.engine.surrogate.gaussian_process import Floats
from explorer.front.pareto import hypervolume, non_dominated

# equally likely values of a standard normal variable: an expectation is the mean over them
QUANTILES = tuple(float(norm.ppf((number + 0.5) / 4)) for number in range(4))
OPTIMISTIC = 1.0  # standard deviations; a network that gains nothing even so is passed over


def margins(losses: Floats, front: Floats) -> Floats:
    """How far each point lies beyond a front, in the objective where it is least so; <= 0 if dominated.

    The additive epsilon indicator (Zitzler et al., IEEE TEVC 7(2), 2003) of the front against the point.

    Args:
        losses: Points (R, objectives), at most 1 in what counts; infinite where they do not count at all.
        front: Non-dominated points (F, objectives), on the same scale.

    Example:
        >>> front = np.array([[0.2, 0.6], [0.6, 0.2]])
        >>> margins(np.array([[0.4, 0.4], [0.7, 0.7], [0.1, 1.5]]), front).round(2).tolist()
        [0.2, -0.1, -0.5]
    """
    inside = 1.0 - losses.max(axis=1)  # beyond the reference point
    if len(front) == 0:
        return np.asarray(inside)
    worst = np.full((len(losses), len(front)), -np.inf)
    for own, known in zip(losses.T, front.T, strict=True):
        np.maximum(worst, known - own[:, np.newaxis], out=worst)
    return np.asarray(np.minimum(worst.min(axis=1), inside))


def hypervolume_gain(losses: Floats, front: Floats, known: float) -> float:
    """Hypervolume that points add to a front whose own is ``known``.

    Example:
        >>> hypervolume_gain(np.array([[0.5, 0.5]]), np.array([[0.5, 0.75]]), known=0.125)
        0.125
    """
    ones = np.ones(front.shape[1])
    return hypervolume(np.vstack([front, losses]), ones, 0 * ones) - known


def without_dominated(losses: Floats) -> Floats:
    """The front of scaled losses, as far as it is better than the reference point.

    Example:
        >>> without_dominated(np.array([[0.5, 0.5], [0.6, 0.6], [0.2, 1.2]])).tolist()
        [[0.5, 0.5]]
    """
    inside = losses[(losses < 1.0).all(axis=1)]
    return np.asarray(inside[non_dominated(inside)])


def best_first(owner_R: NDArray[np.int64], margin_R: Floats, most: int) -> Sequence[int]:
    """Owners by the sum of their points' margins, as far as these are above 0; at most ``most``.

    Example:
        >>> best_first(np.array([0, 0, 1, 2]), np.array([0.1, 0.1, 0.3, -0.2]), most=2)
        [1, 0]
    """
    sums = np.bincount(owner_R, np.maximum(margin_R, 0.0))
    order = np.argsort(-sums, kind="stable")
    return [int(owner) for owner in order[:most] if sums[owner] > 0]
