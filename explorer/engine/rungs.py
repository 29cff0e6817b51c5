"""Which paused network trains on: asynchronous promotion by whole fronts.

The promotion rule is that of Schmucker et al., "Multi-objective Asynchronous Successive Halving" (arXiv
2106.12639, 2021). A network's result at a rung is its front of operating points. Networks are ordered by

1. the best non-domination rank of their points among all points of the rung (NSGA-II: Deb et al., IEEE
   TEC 2002);
2. the volume that they alone dominate among networks of equal rank (as for points in SMS-EMOA:
   Beume et al., EJOR 2007);
3. the volume they dominate, then the earlier result.

Shape suffixes: D directions, M objectives, N networks, P points.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from math import gamma, pi
from statistics import NormalDist
from typing import NamedTuple

import moocore
import numpy as np

from explorer.pareto import Losses, non_dominated

_POINTS_PER_NETWORK = 32  # 100 networks are then ranked within 50 ms in four objectives
_NUM_DIRECTIONS = 512
_REFERENCE = 1.1  # beyond the scaled losses, so that the best point of one objective dominates some volume
_DECIMALS = 12  # of volumes: rounding must not decide


class Standing(NamedTuple):
    """How a network does among others.

    Attributes:
        rank: Best non-domination rank of its points; 0 is the first front.
        exclusive: Scaled volume that no other network of its rank dominates.
        volume: Scaled volume that it dominates.
    """

    rank: int
    exclusive: float
    volume: float

    @property
    def order(self) -> tuple[int, float, float]:
        """Sorts the better network first."""
        return self.rank, -self.exclusive, -self.volume


def rung_epochs(epochs: int, eta: int = 3, smallest_share: float = 0.1) -> tuple[int, ...]:
    """Ascending epochs at which networks pause: ceil(epochs / eta^k), the last being ``epochs``.

    Args:
        epochs: Of a network trained to the end.
        eta: One in ``eta`` networks continues.
        smallest_share: Earliest rung as a share of ``epochs``.
    """
    assert epochs >= 1, epochs
    assert eta >= 2, eta
    rungs = [epochs]
    # ceil(ceil(n / eta) / eta) = ceil(n / eta^2)
    while rungs[-1] > 1 and (rung := -(-rungs[-1] // eta)) / epochs >= smallest_share:
        rungs.append(rung)
    return tuple(reversed(rungs))


class Rungs:
    """Results per rung, and who continues.

    A network without operating points (an empty front) is ranked last: it continues only when fewer networks
    of its rung have points than may continue, so that a rung without any does not hold up the search.
    Failed networks keep their place in the rungs they reached.

    Args:
        epochs: Of the rungs, ascending.
        log: Which objectives are scaled by ratio, such as costs that span decades. Their losses are >= 0.
        eta: One in ``eta`` networks of a rung continues.
    """

    def __init__(self, epochs: Sequence[int], log: Sequence[bool], eta: int = 3) -> None:
        assert all(low < high for low, high in pairwise(epochs)), epochs
        self.epochs, self.log, self.eta = tuple(epochs), tuple(log), eta
        self._fronts: dict[int, dict[str, Losses]] = {epoch: {} for epoch in self.epochs}
        self._rankings: dict[int, dict[str, Standing]] = {}
        self._reached: dict[str, int] = {}  # highest epoch recorded or under way
        self._failed: set[str] = set()

    def record(self, key: str, epoch: int, losses_PM: Losses) -> None:
        """Enter a network's operating points at a rung; dominated and repeated ones do not count.

        Entering the same points again changes nothing, other points are an error.
        """
        assert losses_PM.shape[1:] == (len(self.log),), losses_PM.shape
        assert np.isfinite(losses_PM).all(), (key, epoch)
        assert (losses_PM[:, self.log] >= 0).all(), (key, epoch)
        front_PM = thinned(np.unique(losses_PM[non_dominated(losses_PM)], axis=0), self.log)
        if key in self._fronts[epoch]:
            assert np.array_equal(self._fronts[epoch][key], front_PM), (key, epoch)
            return
        self._fronts[epoch][key] = front_PM
        self._rankings.pop(epoch, None)
        self._reached[key] = max(epoch, self._reached.get(key, 0))

    def fail(self, key: str) -> None:
        """Never promote a network again."""
        self._failed.add(key)

    def promotable(self) -> tuple[str, int] | None:
        """The network to train on and up to which epoch, from the highest rung that has one; marks nothing.

        From each rung the best floor(n / eta) continue. While it holds fewer than 2 eta networks its whole
        first front does, since too few results say little about who is worse.
        """
        for epoch, following in reversed(list(pairwise(self.epochs))):
            for key in self._continuing(epoch):
                if self._reached[key] == epoch and key not in self._failed:
                    return key, following
        return None

    def promote(self, key: str, epoch: int) -> None:
        """Mark a network as under way to ``epoch``, the rung after the one it is paused at."""
        assert key not in self._failed, key
        rung = self.epochs.index(self._reached[key])
        assert self.epochs[rung + 1 : rung + 2] == (epoch,), (key, epoch)
        self._reached[key] = epoch

    def epochs_of(self, key: str) -> int:
        """Highest rung at which a network has a result, in epochs; 0 if it has none."""
        return max((epoch for epoch, fronts in self._fronts.items() if key in fronts), default=0)

    def ranking(self, epoch: int) -> Mapping[str, Standing]:
        """Networks of a rung, best first."""
        if epoch not in self._rankings:
            fronts = self._fronts[epoch]
            found = dict(zip(fronts, standings(list(fronts.values()), self.log), strict=True))
            # sorting is stable: among equals the earlier result comes first
            self._rankings[epoch] = dict(sorted(found.items(), key=lambda entry: entry[1].order))
        return self._rankings[epoch]

    def _continuing(self, epoch: int) -> list[str]:
        ranking = self.ranking(epoch)
        num = len(ranking) // self.eta
        if len(ranking) < 2 * self.eta:
            num = max(num, sum(standing.rank == 0 for standing in ranking.values()))
        return list(ranking)[:num]

    def rank_correlations(self) -> dict[tuple[int, int], float | None]:
        """Spearman's correlation between the rankings of consecutive rungs, over the networks in both.

        None for fewer than three networks, or when a rung tells none of them apart. Mostly promoted networks
        are in both, which resemble each other: the figure is below that of a sample of all networks.
        """
        return {
            (low, high): _spearman(self.ranking(low), self.ranking(high))
            for low, high in pairwise(self.epochs)
        }


def thinned(front_PM: Losses, log: Sequence[bool], limit: int = _POINTS_PER_NETWORK) -> Losses:
    """At most ``limit`` points: the best in each objective, then always the farthest from those kept.

    Farthest-point traversal (Gonzalez, Theor. Comput. Sci. 1985) of the front scaled to its own ranges.

    Args:
        front_PM: Rows in lexicographic order, so that equal sets keep equal points.
        log: Which objectives are scaled by ratio.
        limit: At least the number of objectives.
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
    """Losses in [0, 1] by the range of each column; on a log scale zero is a tenth of the smallest other."""
    scaled: Losses = losses_PM.astype(np.float64)
    for column in np.flatnonzero(log):
        values = scaled[:, column]
        if (positive := values[values > 0]).size:
            scaled[:, column] = np.log(np.maximum(values, positive.min() / 10))
    span = np.ptp(scaled, axis=0)
    scaled -= scaled.min(axis=0)
    scaled /= np.where(span > 0, span, 1.0)
    return scaled


def standings(fronts: Sequence[Losses], log: Sequence[bool]) -> list[Standing]:
    """How each of several fronts does among all; an empty front stands behind every point."""
    found = [Standing(max(1, sum(map(len, fronts))), 0.0, 0.0)] * len(fronts)
    filled = [network for network, front in enumerate(fronts) if len(front)]
    if not filled:
        return found
    pooled_PM = np.concatenate([fronts[network] for network in filled])
    starts = np.cumsum([0] + [len(fronts[network]) for network in filled[:-1]])
    rank_N = np.minimum.reduceat(moocore.pareto_rank(pooled_PM), starts)
    scaled = np.split(unit_scaled(pooled_PM, log), starts[1:])
    volume_ND = np.stack([_ray_volumes(scaled_PM) for scaled_PM in scaled])
    exclusive_ND = np.zeros_like(volume_ND)
    for rank in np.unique(rank_N):
        exclusive_ND[rank_N == rank] = _exclusive(volume_ND[rank_N == rank])
    exclusive_N, volume_N = (rays_ND.mean(axis=1).round(_DECIMALS) for rays_ND in (exclusive_ND, volume_ND))
    columns = (rank_N.tolist(), exclusive_N.tolist(), volume_N.tolist())
    for network, *standing in zip(filled, *columns, strict=True):
        found[network] = Standing(*standing)
    return found


def _ray_volumes(scaled_PM: Losses) -> Losses:
    """Volume that a network dominates, as seen along rays from the reference point, shape (D,).

    The mean over all directions is the hypervolume: Deng and Zhang, "Approximating Hypervolume and
    Hypervolume Contributions Using Polar Coordinate" (IEEE TEVC 2019). Exact volumes without each network in
    turn take half a second for 100 networks in four objectives.
    """
    axes = scaled_PM.shape[1]
    directions_MD = _directions(_NUM_DIRECTIONS, axes)
    reach_MPD = (_REFERENCE - scaled_PM).T[:, :, None] / directions_MD[:, None]
    orthant = pi ** (axes / 2) / gamma(axes / 2 + 1) / 2**axes
    volume_D: Losses = orthant * reach_MPD.min(axis=0).max(axis=0) ** axes
    return volume_D


def _exclusive(volume_ND: Losses) -> Losses:
    """Per direction what the best network has beyond the second best; nothing for the others."""
    if len(volume_ND) == 1:
        return volume_ND
    second_D, best_D = np.partition(volume_ND, -2, axis=0)[-2:]
    return np.where(volume_ND == best_D, best_D - second_D, 0.0)


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


def _spearman(one: Mapping[str, Standing], other: Mapping[str, Standing]) -> float | None:
    """Pearson's correlation of the places (Spearman, Am. J. Psychol. 1904)."""
    keys = [key for key in one if key in other]
    if len(keys) < 3:
        return None
    low, high = (_places([ranking[key].order for key in keys]) for ranking in (one, other))
    return None if np.ptp(low) == 0 or np.ptp(high) == 0 else float(np.corrcoef(low, high)[0, 1])


def _places(orders: Sequence[tuple[int, float, float]]) -> Losses:
    """Place of each in the sorted order; equal ones share the mean of their places."""
    _, inverse, counts = np.unique(np.array(orders), axis=0, return_inverse=True, return_counts=True)
    means = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(means[inverse], dtype=np.float64)
