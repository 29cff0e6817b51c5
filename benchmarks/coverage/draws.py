"""Fresh validation subsets from a pool, and what is stated of each front beside what is true."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.coverage.pools import Pool
from explorer.core.intervals import wilson_interval
from explorer.front.estimators import ESTIMATORS, METHOD, REPEATS, estimated_optimism

Floats = NDArray[np.float64]
STATED = "as validated"
BOUNDS = 5  # places along a front whose true accuracy is asked for


@dataclass(frozen=True)
class Statement:
    """What one way to state accuracies came to on one draw.

    Attributes:
        covered: Share of front points whose true accuracy lies in the stated 95 % interval.
        bias: Mean of stated less true accuracy.
    """

    covered: float
    bias: float


@dataclass(frozen=True)
class Draw:
    """One validation subset.

    Attributes:
        statements: By way: :data:`STATED`, or the method that corrects.
        missed: Share of bounds that the front point which only just has the accuracy truly misses.
        missed_low: The same where the lower end of the interval must reach the bound.
        missed_corrected: The same with the lower end of the corrected accuracy, as ``--assured`` asks.
    """

    statements: dict[str, Statement]
    missed: float
    missed_low: float
    missed_corrected: float


def balanced_draws(pool: int, drawn: int, count: int, seed: int) -> NDArray[np.int64]:
    """Samples (count, drawn) with replacement, each of the pool about equally often over all draws.

    The balanced bootstrap: luck that all points of a draw share then cancels between draws, so that fewer
    draws show a small bias.

    Source: Davison, Hinkley and Schechtman, Biometrika 1986.

    Example:
        >>> draws = balanced_draws(pool=6, drawn=4, count=3, seed=0)
        >>> draws.shape, np.bincount(draws.ravel()).tolist()
        ((3, 4), [2, 2, 2, 2, 2, 2])
    """
    copies = -(-count * drawn // pool)
    everything = np.tile(np.arange(pool), copies)
    chosen = np.random.default_rng(seed).permutation(everything)[: count * drawn]
    return np.asarray(chosen.reshape(count, drawn))


def stated_and_true(pool: Pool, samples: NDArray[np.int64], seed: int) -> Draw:
    """Do the search's last step on a draw, and compare with the pool."""
    resampler, count = pool.resampler(samples), len(samples)
    front = resampler.front(np.ones(count))
    true = np.array([pool.accuracy(*which) for which in resampler.points(front)])
    shown = front.quality_R
    low, high = wilson_interval(shown * count, count)
    statements = {STATED: _statement(shown, low, high, true)}
    for method in ESTIMATORS:
        optimism = estimated_optimism(resampler, method, REPEATS, seed)
        assert optimism is not None, "a pool has feasible points"
        corrected, low_end, high_end = optimism.columns(shown, count).values()
        statements[method] = _statement(corrected, low_end, high_end, true)
        if method == METHOD:
            assured = low_end
    bounds = np.quantile(true, np.linspace(0.1, 0.9, BOUNDS))
    return Draw(statements, *(_missed(bounds, own, true) for own in (shown, low, assured)))


def _statement(share: Floats, low: Floats, high: Floats, true: Floats) -> Statement:
    return Statement(float(((low <= true) & (true <= high)).mean()), float((share - true).mean()))


def _missed(bounds: Floats, asked: Floats, true: Floats) -> float:
    """Share of the bounds that are missed by the point which satisfies each by least; NaN where none does."""
    found = []
    for bound in bounds:
        rows = np.flatnonzero(asked >= bound)
        if len(rows):
            found.append(true[rows[asked[rows].argmin()]] < bound)
    return float(np.mean(found)) if found else float("nan")
