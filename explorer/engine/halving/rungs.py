"""Asynchronous successive halving (ASHA) over whole fronts: which paused network trains on.

The promotion rule is that of Schmucker et al., "Multi-objective Asynchronous Successive Halving" (arXiv
2106.12639, 2021). A network's result at a rung is its front of operating points. Networks are ordered by

1. the best non-domination rank of their points among all points of the rung (NSGA-II: Deb et al., IEEE
   TEC 2002);
2. their hypervolume contribution, each in turn the one that adds most to those before it (greedy choice:
   within 1 - 1/e of the best subset, Nemhauser et al., Math. Programming 1978);
3. the earlier result.
"""

from collections.abc import Container, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from explorer.engine.halving.ranking import Ranking, rankings, thinned
from explorer.front.pareto import Losses, non_dominated

LEAST_STEPS = 100  # of the optimiser, before the first pause
_NEWCOMERS = 0.1  # share of new results that a rung of more than 10 waits for before it is ranked again


def rung_epochs(epochs: int, eta: int = 3, smallest_share: float = 0.1) -> tuple[int, ...]:
    """Ascending epochs at which networks pause: ceil(epochs / eta^k), the last being ``epochs``.

    Args:
        epochs: Of a network trained to the end.
        eta: One in ``eta`` networks continues.
        smallest_share: Earliest rung as a share of ``epochs``.

    Example:
        >>> rung_epochs(9), rung_epochs(10)
        ((1, 3, 9), (1, 2, 4, 10))
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

    Example:
        >>> worthwhile_rungs(9, steps_per_epoch=100), worthwhile_rungs(9, steps_per_epoch=40)
        ((1, 3, 9), (3, 9))
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

    Example:
        >>> rungs = Rungs([1, 3], log=[False, True])
        >>> rungs.record("mlp-1", 1, np.array([[0.2, 20.0]]))
        >>> rungs.record("mlp-2", 1, np.array([[0.1, 10.0]]))
        >>> rungs.promotable()  # the better one trains on, up to epoch 3
        ('mlp-2', 3)
    """

    def __init__(self, epochs: Sequence[int], log: Sequence[bool], eta: int = 3) -> None:
        assert all(low < high for low, high in pairwise(epochs)), epochs
        self.epochs, self.log, self.eta = tuple(epochs), tuple(log), eta
        self._fronts: dict[int, dict[str, Losses]] = {epoch: {} for epoch in self.epochs}
        self._rankings: dict[int, dict[str, Ranking]] = {epoch: {} for epoch in self.epochs}
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

    def ranking(self, epoch: int) -> Mapping[str, Ranking]:
        """Networks of a rung, best first."""
        fronts = self._fronts[epoch]
        if len(self._rankings[epoch]) < len(fronts):
            found = dict(zip(fronts, rankings(list(fronts.values()), self.log), strict=True))
            # sorting is stable: among equals the earlier result comes first
            self._rankings[epoch] = dict(sorted(found.items(), key=lambda entry: entry[1].order))
        return self._rankings[epoch]

    def _recent_ranking(self, epoch: int) -> Mapping[str, Ranking]:
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


def _spearman(one: Mapping[str, Ranking], other: Mapping[str, Ranking]) -> float | None:
    """Spearman's correlation of the volumes of networks in both; None where there is none to tell."""
    from scipy.stats import spearmanr  # slow to import, and asked for once a session

    keys = [key for key in one if key in other]
    if len(keys) < 3:
        return None
    low, high = ([ranking[key].volume for key in keys] for ranking in (one, other))
    if len(set(low)) == 1 or len(set(high)) == 1:
        return None
    return float(spearmanr(low, high).statistic)
