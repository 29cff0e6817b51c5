"""How networks do among others at a rung, each judged by its whole front of operating points.

Shape suffixes: D directions, M objectives, N networks, P points.
"""

import heapq
from collections.abc import Sequence
from functools import cache
from math import gamma, pi
from statistics import NormalDist
from typing import NamedTuple

import moocore
import numpy as np

from explorer.front.pareto import Losses

_POINTS_PER_NETWORK = 16
_NUM_DIRECTIONS = (
    256  # with 16 points each, 1,000 networks in four objectives are ranked in a third of a second
)
_REFERENCE = 1.1  # beyond the scaled losses, so that the best point of one objective dominates some volume
_DECIMALS = 12  # of volumes: rounding must not decide


class Ranking(NamedTuple):
    """How a network does among others.

    Attributes:
        rank: Best non-domination rank of its points; 0 is the first front.
        contribution: Its hypervolume contribution: scaled volume that it dominates beyond the networks chosen
            before it from those of its rank.
        volume: Scaled volume that it dominates alone.

    Example:
        >>> ranked = [Ranking(1, 0.4, 0.4), Ranking(0, 0.1, 0.3), Ranking(0, 0.2, 0.2)]
        >>> min(ranked, key=lambda ranking: ranking.order)
        Ranking(rank=0, contribution=0.2, volume=0.2)
    """

    rank: int
    contribution: float
    volume: float

    @property
    def order(self) -> tuple[int, float]:
        """Sorts the better network first."""
        return self.rank, -self.contribution


def thinned(front_PM: Losses, log: Sequence[bool], limit: int = _POINTS_PER_NETWORK) -> Losses:
    """At most ``limit`` points: the best in each objective, then always the farthest from those kept.

    Farthest-point traversal (Gonzalez, Theor. Comput. Sci. 1985) of the front scaled to its own ranges.

    Args:
        front_PM: Rows in lexicographic order, so that equal sets keep equal points.
        log: Which objectives are scaled by ratio.
        limit: At least the number of objectives.

    Example:
        >>> front = np.array([[0.0, 1.0], [0.1, 0.9], [0.5, 0.5], [1.0, 0.0]])
        >>> thinned(front, log=[False, False], limit=3).tolist()
        [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    if len(front_PM) <= limit:
        return front_PM
    scaled = unit_scaled(front_PM, log)
    chosen = list(dict.fromkeys(scaled.argmin(axis=0).tolist()))
    distance_P = np.linalg.norm(scaled[:, None] - scaled[chosen], axis=2).min(axis=1)
    while len(chosen) < limit:
        chosen.append(int(distance_P.argmax()))
        distance_P = np.minimum(distance_P, np.linalg.norm(scaled - scaled[chosen[-1]], axis=1))
    return front_PM[sorted(chosen)]


def unit_scaled(losses_PM: Losses, log: Sequence[bool]) -> Losses:
    """Losses in [0, 1] by the range of each column; on a log scale zero is a tenth of the smallest other.

    Example:
        >>> losses = np.array([[0.2, 10.0], [0.3, 100.0], [0.4, 1000.0]])
        >>> unit_scaled(losses, log=[False, True]).round(2).tolist()
        [[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]]
    """
    scaled: Losses = losses_PM.astype(np.float64)
    for column in np.flatnonzero(log):
        values = scaled[:, column]
        if (positive := values[values > 0]).size:
            scaled[:, column] = np.log(np.maximum(values, positive.min() / 10))
    span = np.ptp(scaled, axis=0)
    scaled -= scaled.min(axis=0)
    scaled /= np.where(span > 0, span, 1.0)
    return scaled


def rankings(fronts: Sequence[Losses], log: Sequence[bool]) -> list[Ranking]:
    """How each of several fronts does among all; an empty front stands behind every point.

    Example:
        >>> good, dominated = np.array([[0.1, 10.0]]), np.array([[0.2, 20.0]])
        >>> [own.rank for own in rankings([dominated, good, np.empty((0, 2))], log=[False, True])]
        [1, 0, 2]
    """
    found = [Ranking(max(1, sum(map(len, fronts))), 0.0, 0.0)] * len(fronts)
    # ties fall to the first: by content, so that the order of arrival does not matter
    filled = sorted((n for n, front in enumerate(fronts) if len(front)), key=lambda n: fronts[n].tolist())
    if not filled:
        return found
    pooled_PM = np.concatenate([fronts[network] for network in filled])
    starts = np.cumsum([0] + [len(fronts[network]) for network in filled[:-1]]).tolist()
    rank_N = np.minimum.reduceat(moocore.pareto_rank(pooled_PM), starts)
    volume_ND = _ray_volumes(unit_scaled(pooled_PM, log), starts)
    for rank in np.unique(rank_N).tolist():
        (members,) = np.nonzero(rank_N == rank)
        for member, gain in zip(members.tolist(), greedy_gains(volume_ND[members]), strict=True):
            volume = float(volume_ND[member].mean())
            found[filled[member]] = Ranking(rank, round(gain, _DECIMALS), round(volume, _DECIMALS))
    return found


def greedy_gains(volume_ND: Losses) -> list[float]:
    """What each network adds when always the one that adds most is chosen next.

    Gains only shrink as others are chosen, so one that is still the largest after being recomputed is chosen
    without looking at the others (lazy greedy: Minoux, Optimization Techniques 1978).

    Args:
        volume_ND: Volume along each direction; that of several networks is the largest of theirs.

    Example:
        >>> greedy_gains(np.array([[4.0, 0.0], [3.0, 3.0], [0.0, 2.0]]))  # the second is chosen first
        [0.5, 3.0, 0.0]
    """
    chosen_D = np.zeros(volume_ND.shape[1])
    gains = [0.0] * len(volume_ND)
    bounds = [(-volume, network) for network, volume in enumerate(volume_ND.mean(axis=1).tolist())]
    heapq.heapify(bounds)
    while bounds:
        _, network = heapq.heappop(bounds)
        gain = float(np.maximum(volume_ND[network] - chosen_D, 0.0).mean())
        if bounds and (-gain, network) > bounds[0]:
            heapq.heappush(bounds, (-gain, network))
            continue
        gains[network] = gain
        chosen_D = np.maximum(chosen_D, volume_ND[network])
    return gains


def _ray_volumes(scaled_PM: Losses, starts: Sequence[int]) -> Losses:
    """Volume that each network dominates, as seen along rays from the reference point, shape (N, D).

    The mean over all directions is the hypervolume: Deng and Zhang, "Approximating Hypervolume and
    Hypervolume Contributions Using Polar Coordinate" (IEEE TEVC 2019). Of several networks the largest volume
    counts along each ray, which exact volumes of every union would take far longer to say.

    Args:
        scaled_PM: Points of all networks, one network after the other.
        starts: Where each network begins.
    """
    axes = scaled_PM.shape[1]
    reach_PD = np.full((len(scaled_PM), _NUM_DIRECTIONS), np.inf)
    for axis, direction_D in enumerate(_directions(_NUM_DIRECTIONS, axes)):
        np.minimum(reach_PD, (_REFERENCE - scaled_PM[:, axis, None]) / direction_D, out=reach_PD)
    orthant = pi ** (axes / 2) / gamma(axes / 2 + 1) / 2**axes
    volume_ND: Losses = orthant * np.maximum.reduceat(reach_PD, starts) ** axes
    return volume_ND


@cache
def _directions(num: int, axes: int) -> Losses:
    """Unit vectors spread evenly over the positive orthant, shape (axes, num); always the same ones.

    Gaussian quantiles of a Kronecker sequence whose steps are powers of the generalised golden ratio, the
    root of x^(axes + 1) = x + 1 (Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018).
    """
    golden = 2.0
    for _ in range(50):
        golden = (1 + golden) ** (1 / (axes + 1))
    steps = golden ** -np.arange(1.0, axes + 1)
    shares = (0.5 + np.outer(steps, np.arange(num))) % 1
    quantiles = [NormalDist().inv_cdf(0.5 + share / 2) for share in shares.flat]
    gaussian_MD = np.array(quantiles).reshape(axes, num)
    gaussian_MD /= np.linalg.norm(gaussian_MD, axis=0)
    return gaussian_MD
