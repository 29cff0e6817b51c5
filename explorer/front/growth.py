"""How the hypervolume grew from network to network, and how it grows on average over random orders.

Both come from one sample of the box, by which networks dominate each of its points, without computing fronts.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import qmc

from explorer.front.pareto import Losses, non_dominated

Floats = NDArray[np.float64]
_LOG_SAMPLES = 11  # 2,048 points of a Sobol sequence; errors of about 0.002
_SEED = 0


def hypervolume_growth(losses: Sequence[Losses], low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Share of a box that the first k networks dominate together, for every k.

    In random order a point of the box that m of n networks dominate is reached by the first k of them with a
    chance of 1 - C(n - m, k) / C(n, k); its mean over the box is the expectation over all orders.

    Args:
        losses: Of each network's points, (P, A), in order; networks may have none.
        low: Best corner of the box, (A,).
        high: Worst corner.

    Returns:
        By k = 1 .. n: as ordered, and expected of random order.

    Example:
        >>> half, all_but_a_quarter = np.array([[0.5, 0.0]]), np.array([[0.25, 0.0]])
        >>> own, expected = hypervolume_growth([half, all_but_a_quarter], np.zeros(2), np.ones(2))
        >>> own.tolist(), expected.tolist()
        ([0.5, 0.75], [0.625, 0.75])
    """
    count = len(losses)
    sample_SA = low + (high - low) * qmc.Sobol(len(low), seed=_SEED).random_base2(_LOG_SAMPLES)
    first_S = np.full(len(sample_SA), count)
    dominating_S = np.zeros(len(sample_SA), dtype=np.int64)
    for place, own_PA in enumerate(losses):
        inside_PA = own_PA[(own_PA < high).all(axis=1)]
        inside_PA = inside_PA[non_dominated(inside_PA)]
        reached_S = (inside_PA[:, None, :] <= sample_SA).all(axis=2).any(axis=0)
        dominating_S += reached_S
        first_S[reached_S & (first_S == count)] = place
    ordered = np.cumsum(np.bincount(first_S, minlength=count + 1)[:count]) / len(sample_SA)
    return ordered, _expected(np.bincount(dominating_S, minlength=count + 1) / len(sample_SA))


def _expected(share_M: Floats) -> Floats:
    """By k: the mean of 1 - C(n - m, k) / C(n, k), where ``share_M`` has the share of each m = 0 .. n."""
    count = len(share_M) - 1
    m, k = np.arange(count + 1)[:, None], np.arange(1, count + 1)
    left = np.maximum(count - m - k, 0)
    missed_MK = np.exp(
        gammaln(count - m + 1) - gammaln(left + 1) - gammaln(count + 1) + gammaln(count - k + 1)
    )
    return np.asarray(1.0 - share_M @ np.where(count - m >= k, missed_MK, 0.0))
