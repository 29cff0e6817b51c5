"""Which paused network trains on: asynchronous promotion by whole fronts.

The promotion rule is that of Schmucker et al., "Multi-objective Asynchronous Successive Halving" (arXiv
2106.12639, 2021). A network's result at a rung is its front of operating points. Networks are ordered by

1. the best non-domination rank of their points among all points of the rung (NSGA-II: Deb et al., IEEE
   TEC 2002);
2. what they add, each in turn the one that adds most, to the volume that those before them dominate (greedy
   choice: within 1 - 1/e of the best subset, Nemhauser et al., Math. Programming 1978);
3. the earlier result.

Shape suffixes: D directions, M objectives, N networks, P points.
"""

import heapq
from collections.abc import Container, Mapping, Sequence
from functools import cache
from itertools import pairwise
from math import gamma, pi
from statistics import NormalDist
from typing import Any, NamedTuple

import moocore
import numpy as np

from explorer.pareto import Losses, non_dominated

_POINTS_PER_NETWORK = 16
_NUM_DIRECTIONS = 256  # with 16 points each, 1,000 networks in four objectives are ranked within 0.1 s
LEAST_STEPS = 100  # of the optimiser, before the first pause
_NEWCOMERS = 0.1  # share of new results that a rung of more than 10 waits for before it is ranked again
_REFERENCE = 1.1  # beyond the scaled losses, so that the best point of one objective dominates some volume
_DECIMALS = 12  # of volumes: rounding must not decide


class Standing(NamedTuple):
    """How a network does among others.

    Attributes:
        rank: Best non-domination rank of its points; 0 is the first front.
        gain: Scaled volume that it dominates beyond the networks chosen before it from those of its rank.
        volume: Scaled volume that it dominates alone.
    """

    rank: int
    gain: float
    volume: float

    @property
    def order(self) -> tuple[int, float]:
        """Sorts the better network first."""
        return self.rank, -self.gain


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


def worthwhile_rungs(epochs: int, steps_per_epoch: int) -> tuple[int, ...]:
    """Those :func:`rung_epochs` before which there is enough to train; the last rung always.

    Building, tracing, measuring and storing a network take as long as 50 to 150 steps of a small one.
    """
    share = LEAST_STEPS / (epochs * steps_per_epoch)
    return rung_epochs(epochs, smallest_share=max(0.1, min(1.0, share)))


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
        self._rankings: dict[int, dict[str, Standing]] = {epoch: {} for epoch in self.epochs}
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
        self._reached[key] = max(epoch, self._reached.get(key, 0))

    def fail(self, key: str) -> None:
        """Never promote a network again."""
        self._failed.add(key)

    def promotable(self, others: Container[str] = ()) -> tuple[str, int] | None:
        """The network to train on and up to which epoch, from the highest rung that has one; marks nothing.

        From each rung the best floor(n / eta) continue, but at least one: the first network trains to the end
        at once, so that a front is known early. (The first front of a small rung would not do: nearly every
        network has some point that no other dominates.)

        Args:
            others: Passed over: other processes train them.
        """
        for epoch, following in reversed(list(pairwise(self.epochs))):
            for key in self._continuing(epoch):
                if self._reached[key] == epoch and self.may_continue(key) and key not in others:
                    return key, following
        return None

    def promote(self, key: str, epoch: int) -> None:
        """Mark a network as under way to ``epoch``, a rung after the one it is paused at."""
        assert self.may_continue(key), key
        assert epoch in self.epochs, epoch
        assert epoch > self._reached[key], (key, epoch)
        self._reached[key] = epoch

    def may_continue(self, key: str) -> bool:
        """Whether a network is paused at a rung and has not failed."""
        reached = self._reached[key]
        return key not in self._failed and reached == self.epochs_of(key) and reached < self.epochs[-1]

    def epochs_of(self, key: str) -> int:
        """Highest rung at which a network has a result, in epochs; 0 if it has none."""
        return max((epoch for epoch, fronts in self._fronts.items() if key in fronts), default=0)

    def ranking(self, epoch: int) -> Mapping[str, Standing]:
        """Networks of a rung, best first."""
        fronts = self._fronts[epoch]
        if len(self._rankings[epoch]) < len(fronts):
            found = dict(zip(fronts, standings(list(fronts.values()), self.log), strict=True))
            # sorting is stable: among equals the earlier result comes first
            self._rankings[epoch] = dict(sorted(found.items(), key=lambda entry: entry[1].order))
        return self._rankings[epoch]

    def _recent_ranking(self, epoch: int) -> Mapping[str, Standing]:
        """The last ranking, unless too many results came since: ranking anew at each would be quadratic."""
        last = self._rankings[epoch]
        enough = len(self._fronts[epoch]) <= len(last) * (1 + _NEWCOMERS)
        return last if enough else self.ranking(epoch)

    def _continuing(self, epoch: int) -> list[str]:
        ranking = self._recent_ranking(epoch)
        return list(ranking)[: max(1, len(ranking) // self.eta)]

    def summary(self) -> dict[str, list[Any]]:
        """Plain data: epochs of the rungs, networks that reached each, rank correlation with the next."""
        return {
            "epochs": list(self.epochs),
            "networks": [len(self._fronts[epoch]) for epoch in self.epochs],
            "rank_correlation": list(self.rank_correlations().values()),
        }

    def rank_correlations(self) -> dict[tuple[int, int], float | None]:
        """Spearman's correlation of the networks' volumes at consecutive rungs, over those in both.

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
            found[filled[member]] = Standing(rank, round(gain, _DECIMALS), round(volume, _DECIMALS))
    return found


def greedy_gains(volume_ND: Losses) -> list[float]:
    """What each network adds when always the one that adds most is chosen next.

    Gains only shrink as others are chosen, so one that is still the largest after being recomputed is chosen
    without looking at the others (lazy greedy: Minoux, Optimization Techniques 1978).

    Args:
        volume_ND: Volume along each direction; that of several networks is the largest of theirs.
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


def _spearman(one: Mapping[str, Standing], other: Mapping[str, Standing]) -> float | None:
    """Pearson's correlation of the places (Spearman, Am. J. Psychol. 1904)."""
    keys = [key for key in one if key in other]
    if len(keys) < 3:
        return None
    low, high = (_places([ranking[key].volume for key in keys]) for ranking in (one, other))
    return None if np.ptp(low) == 0 or np.ptp(high) == 0 else float(np.corrcoef(low, high)[0, 1])


def _places(volumes: Sequence[float]) -> Losses:
    """Place of each in ascending order; equal ones share the mean of their places."""
    _, inverse, counts = np.unique(np.array(volumes), return_inverse=True, return_counts=True)
    means = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(means[inverse], dtype=np.float64)
