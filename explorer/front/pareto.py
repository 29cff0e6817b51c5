"""Fronts, hypervolume and the knee, on losses: every column is to be minimised.

Dominance and hypervolume are moocore's (C); directions are folded in by
:func:`explorer.space.metrics.loss_values` before anything arrives here.
"""

from collections.abc import Mapping, Sequence

import moocore
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.core.sweep import is_deployable
from explorer.space.constraints import Constraint
from explorer.space.metrics import Metric, loss_values

Losses = NDArray[np.float64]


def non_dominated(losses: Losses) -> NDArray[np.bool_]:
    """Which rows no other row dominates; of equal rows the first counts.

    Args:
        losses: Shape (n_points, n_objectives), without NaN.

    Example:
        >>> non_dominated(np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0]])).tolist()
        [True, True, False]
    """
    if len(losses) == 0:
        return np.zeros(0, dtype=np.bool_)
    if losses.shape[1] == 1:
        only = np.zeros(len(losses), dtype=np.bool_)
        only[losses[:, 0].argmin()] = True
        return only
    return np.asarray(moocore.is_nondominated(losses, keep_weakly=False), dtype=np.bool_)


def hypervolume(losses: Losses, reference: Losses, ideal: Losses) -> float:
    """Share of the box between ``ideal`` and ``reference`` that the points dominate, in [0, 1].

    Points not better than the reference in every objective add nothing.

    Args:
        losses: Shape (n_points, n_objectives).
        reference: Worst corner, shape (n_objectives,).
        ideal: Best corner, below ``reference`` everywhere.

    Example:
        >>> hypervolume(np.array([[0.5, 0.5]]), reference=np.array([1.0, 2.0]), ideal=np.zeros(2))
        0.375
    """
    inside = losses[(losses < reference).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    scaled = (inside - ideal) / (reference - ideal)
    if scaled.shape[1] == 1:
        return float(1.0 - scaled.min())
    return float(moocore.hypervolume(scaled, ref=np.ones(scaled.shape[1])))


SMALLEST_SHARE = 1e-3  # of a reference: a cost below it counts about as none


def log_scaled(losses: Losses, reference: Losses, ideal: Losses) -> Losses:
    """Losses in units in which every halving of a cost counts the same: 0 is ideal, 1 the reference.

    A share s counts as (s - ideal) / (reference - ideal), a cost c, with c0 = reference / 1000, as
    log(1 + c / c0) / log(1 + reference / c0).

    Args:
        losses: Shape (n_points, n_objectives).
        reference: Worst corner, shape (n_objectives,).
        ideal: Best corner: 0 for a cost, -1 for a share to maximise.

    Example:
        >>> log_scaled(np.array([[-0.8, 0.0], [-0.8, 31.62], [-0.5, 1e3]]), np.array([-0.5, 1e3]),
        ...            np.array([-1.0, 0.0])).round(2).tolist()
        [[0.4, 0.0], [0.4, 0.5], [1.0, 1.0]]
    """
    is_share = ideal < 0
    linear = (losses - ideal) / (reference - ideal)
    unit = np.where(is_share, 1.0, SMALLEST_SHARE * np.abs(reference))  # that of a share may be 0
    costs = np.log1p(np.maximum(losses, 0.0) / unit)
    return np.asarray(np.where(is_share, linear, costs / np.log1p(1 / SMALLEST_SHARE)))


def reference_and_ideal(metrics: Sequence[Metric], reference: Mapping[str, float]) -> tuple[Losses, Losses]:
    """Corners of the hypervolume box as losses; the ideal is 1 for a share to maximise, 0 for a cost.

    Example:
        >>> from explorer.space.metrics import METRICS
        >>> metrics = [METRICS["accuracy"], METRICS["edge_macs"]]
        >>> worst, best = reference_and_ideal(metrics, {"accuracy": 0.5, "edge_macs": 100_000})
        >>> worst.tolist(), best.tolist()
        ([-0.5, 100000.0], [-1.0, 0.0])
    """
    signs = np.array([-1.0 if metric.direction == "maximize" else 1.0 for metric in metrics])
    worst = np.array([reference[metric.name] for metric in metrics])
    best = np.array([metric.ideal for metric in metrics])
    return signs * worst, signs * best


def knee(losses: Losses) -> int | None:
    """Row where the front bulges most towards the ideal; None for an empty front.

    Each objective is scaled to its range on the front; the knee is farthest below the plane through the best
    point of each objective (Das, Structural Optimization 1999), which is the smallest sum of scaled losses.

    Example:
        >>> knee(np.array([[0.0, 10.0], [1.0, 1.0], [10.0, 0.0]]))
        1
    """
    return None if len(losses) == 0 else int(scaled(losses).sum(axis=1).argmin())


def closest_to_ideal(losses: Losses) -> int | None:
    """Row nearest to the best value of every objective, each scaled to its range; None for no rows.

    Example:
        >>> closest_to_ideal(np.array([[0.0, 10.0], [5.0, 5.0], [10.0, 0.0]]))
        1
    """
    return None if len(losses) == 0 else int(np.square(scaled(losses)).sum(axis=1).argmin())


def by_weights(losses: Losses, weights: Sequence[float]) -> int | None:
    """Row with the smallest weighted sum of losses, each scaled to its range; None for no rows.

    Example:
        >>> by_weights(np.array([[0.0, 10.0], [1.0, 1.0], [10.0, 0.0]]), weights=[20.0, 1.0])
        0
    """
    return None if len(losses) == 0 else int((scaled(losses) * np.asarray(weights)).sum(axis=1).argmin())


def scaled(losses: Losses) -> Losses:
    """Each column scaled to its range over the rows: 0 is its best, 1 its worst.

    Example:
        >>> scaled(np.array([[2.0, 7.0], [3.0, 7.0], [4.0, 7.0]])).tolist()
        [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]]
    """
    span = np.ptp(losses, axis=0)
    return np.asarray((losses - losses.min(axis=0)) / np.where(span > 0, span, 1.0))


def mark_front(
    points: pd.DataFrame, objectives: Sequence[Metric], constraints: Sequence[Constraint]
) -> pd.DataFrame:
    """Add ``violated``, ``feasible``, ``on_front`` and ``knee``; baselines are not feasible.

    Example:
        >>> from explorer.space.metrics import METRICS
        >>> from explorer.space.constraints import parse_constraint
        >>> points = pd.DataFrame({"accuracy": [0.9, 0.8, 0.7], "edge_macs": [50, 10, 20]})
        >>> points = points.assign(split_point="input", payload_bits=8)
        >>> limits = [parse_constraint("edge_macs <= 30", "--where")]
        >>> mark_front(points, [METRICS["accuracy"], METRICS["edge_macs"]], limits)["on_front"].tolist()
        [False, True, False]
    """
    violated = pd.Series("", index=points.index)
    for constraint in constraints:
        names = violated.where(violated == "", violated + "; ") + str(constraint)
        violated = violated.where(constraint.satisfied(points), names)
    feasible = (violated == "") & is_deployable(points)
    losses = loss_values(points, objectives).to_numpy()
    rows = np.flatnonzero(feasible & ~np.isnan(losses).any(axis=1))
    front = rows[non_dominated(losses[rows])]
    best = knee(losses[front])
    on_front, is_knee = np.zeros(len(points), dtype=bool), np.zeros(len(points), dtype=bool)
    on_front[front] = True
    if best is not None:
        is_knee[front[best]] = True
    return points.assign(violated=violated, feasible=feasible, on_front=on_front, knee=is_knee)
