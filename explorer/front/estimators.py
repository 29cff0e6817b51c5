"""How optimism is estimated: by sweep and front anew, on samples drawn from those there are.

* cross-fitting: half of the samples choose, the other half states, then the other way round. Choosing by
  half of the samples is luckier than by all: by 2**0.5 where points are equally good, so that noise alone
  decides, by 2 where they differ by much more than noise. The difference is divided by what lies between,
  2**0.75.
* bootstrap: samples drawn anew choose, the samples themselves state (Efron, J. Am. Stat. Assoc. 1983).

``python -m benchmarks.coverage`` compares them on fresh samples.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from explorer.front.optimism import Method, Optimism
from explorer.front.resampled import Resampler

Floats = NDArray[np.float64]
Strata = Sequence[NDArray[np.int64]]
METHOD: Method = "cross_fitting"
REPEATS = 8
_PLACES = np.linspace(0.0, 1.0, 21)  # along the front, by accuracy
_NEAR = 0.15  # of a place: points so near are averaged


def estimated_optimism(
    resampler: Resampler, method: Method = METHOD, repeats: int = REPEATS, seed: int = 0
) -> Optimism | None:
    """Estimate the optimism of a front; None where it has no point, or too few samples are there.

    Points lie at the same place along two fronts when as large a share of each front has a lower accuracy.
    Where the run's quality is another one, it takes the place of accuracy, and classes are drawn apart.

    Args:
        resampler: Of the networks whose front it is.
        method: One of :data:`ESTIMATORS`.
        repeats: How often samples are divided or drawn.
        seed: Of the division.

    Example:
        >>> from explorer import run_search
        >>> from explorer.costs.model import CostModel
        >>> from explorer.runs.store import Store
        >>> run = run_search("digits", trials=1, name="lucky", workers=1, energy=False, progress=False)
        >>> (key, stored), = run.results.networks.items()
        >>> networks = [(Store(run.path).read_evidence(key), stored.splits)]
        >>> objectives, costs = run.results.objectives, CostModel(run.results.setting)
        >>> optimism = estimated_optimism(Resampler(networks, costs, objectives, [], low=0.0, high=1.0))
        >>> 0 <= min(optimism.amounts) <= max(optimism.amounts) < 0.05
        True
    """
    count = resampler.num_samples
    own = np.sort(resampler.front(np.ones(count)).quality_R)
    if count < 2 or not len(own):
        return None
    rng, weights, strata = np.random.default_rng(seed), ESTIMATORS[method], resampler.strata
    places, differences = [], []
    for chosen_by, stated_by in (pair for _ in range(repeats) for pair in weights(strata, rng)):
        front = resampler.front(chosen_by)
        order = np.argsort(front.quality_R, kind="stable")
        places.append(_places(len(order)))
        differences.append((front.quality_R - resampler.quality(front, stated_by))[order])
    place, difference = np.concatenate(places), np.concatenate(differences)
    near = [np.abs(place - own_place) <= _NEAR for own_place in _PLACES]
    known = [row for row, close in enumerate(near) if close.any()]
    if not known:
        return None
    means = np.array([difference[near[row]].mean() for row in known])
    amounts = np.maximum(means * _FACTORS[method], 0.0)
    shown = np.interp(_PLACES[known], _places(len(own)), own)
    accuracies, first = np.unique(shown, return_index=True)
    found = tuple(accuracies.tolist()), tuple(amounts[first].tolist())
    return Optimism(method, repeats, *found, resampler.column)


def _places(count: int) -> Floats:
    return np.asarray((np.arange(count) + 0.5) / max(count, 1))


Pairs = Iterator[tuple[Floats, Floats]]  # weights of the samples that choose, and of those that state


def _halves(strata: Strata, rng: np.random.Generator) -> Pairs:
    one = np.zeros(sum(map(len, strata)))
    for rows in strata:
        one[rows[rng.permutation(len(rows))[: len(rows) // 2]]] = 1.0
    yield one, 1.0 - one
    yield 1.0 - one, one


def _drawn(strata: Strata, rng: np.random.Generator) -> Pairs:
    drawn = np.zeros(sum(map(len, strata)))
    for rows in strata:
        drawn[rows] = rng.multinomial(len(rows), np.full(len(rows), 1.0 / len(rows)))
    yield drawn, np.ones(len(drawn))


ESTIMATORS: dict[Method, Callable[[Strata, np.random.Generator], Pairs]] = {
    "cross_fitting": _halves,
    "bootstrap": _drawn,
}
_FACTORS: dict[Method, float] = {"cross_fitting": 2**-0.75, "bootstrap": 1.0}
