"""Fronts of several runs held against each other, in one box of hypervolume."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from explorer.errors import UserError
from explorer.front.pareto import Losses, hypervolume, non_dominated
from explorer.space.metrics import Metric, loss_values


@dataclass(frozen=True)
class FrontComparison:
    """What one front is beside the others.

    Attributes:
        name: Of the run or series.
        points: Of its front, those that have a value for every objective compared.
        hypervolume: Its share of the common box.
        kept: Its points that no other point dominates.
        beaten: Its points that a point of another front dominates, being no worse in any objective.

    Example:
        >>> FrontComparison("first", points=12, hypervolume=0.61, kept=9, beaten=3).beaten
        3
    """

    name: str
    points: int
    hypervolume: float
    kept: int
    beaten: int


@dataclass(frozen=True)
class Comparison:
    """Several fronts in one box.

    Attributes:
        objectives: That all have.
        reference: Worst corner of the box by objective: the worst value of any front.
        fronts: One entry each.
        joint_hypervolume: Of all fronts together.
        joint: The front of all points, with a column ``run``; of equal points the first front's is there.
        points: Those of all fronts, with a column ``run``.

    Example:
        >>> from explorer.space.metrics import METRICS
        >>> compared = compare_fronts({"a": pd.DataFrame({"edge_macs": [5.0]})}, [METRICS["edge_macs"]])
        >>> compared.joint["run"].tolist()
        ['a']
    """

    objectives: tuple[Metric, ...]
    reference: dict[str, float]
    fronts: tuple[FrontComparison, ...]
    joint_hypervolume: float
    joint: pd.DataFrame
    points: pd.DataFrame


def compare_fronts(fronts: Mapping[str, pd.DataFrame], objectives: Sequence[Metric]) -> Comparison:
    """Hold fronts against each other.

    The box reaches from the best there can be (1 for a share to maximise, 0 for a cost) to the worst value
    that any front has, a hundredth of its side further, so that each point counts.

    Args:
        fronts: Points by name, with the objectives as columns.
        objectives: What is compared; a front without a value for one of them is refused.

    Raises:
        UserError: There is no objective, or a front has no point with a value for each.

    Example:
        >>> from explorer.space.metrics import METRICS
        >>> first = pd.DataFrame({"accuracy": [0.9, 0.8], "edge_macs": [50.0, 20.0]})
        >>> second = pd.DataFrame({"accuracy": [0.9, 0.7], "edge_macs": [40.0, 10.0]})
        >>> found = compare_fronts(
        ...     {"a": first, "b": second}, [METRICS["accuracy"], METRICS["edge_macs"]]
        ... )
        >>> [(own.name, own.points, own.kept, own.beaten) for own in found.fronts]
        [('a', 2, 1, 1), ('b', 2, 2, 0)]
        >>> found.joint["edge_macs"].tolist()
        [40.0, 20.0, 10.0]
    """
    if not objectives:
        raise UserError("the fronts have no objective in common; name columns that all have in --objectives")
    frames, losses = [], []
    for name, points in fronts.items():
        own = _with_values(name, points, objectives)
        frames.append(own.assign(run=name))
        losses.append(loss_values(own, objectives).to_numpy())
    everything = np.vstack(losses)
    ideal = np.array([-own.ideal if own.direction == "maximize" else own.ideal for own in objectives])
    span = everything.max(axis=0) - ideal
    reference = everything.max(axis=0) + 0.01 * np.where(span > 0, span, 1.0)
    owners = np.repeat(np.arange(len(losses)), [len(own) for own in losses])
    points = pd.concat(frames, ignore_index=True)
    joint = points[non_dominated(everything)]
    best = objectives[0]
    return Comparison(
        tuple(objectives),
        _as_values(reference, objectives),
        tuple(
            FrontComparison(
                name,
                len(own),
                hypervolume(own, reference, ideal),
                len(own) - _dominated(own, everything),
                _dominated(own, everything[owners != place]),
            )
            for place, (name, own) in enumerate(zip(fronts, losses, strict=True))
        ),
        hypervolume(everything, reference, ideal),
        joint.sort_values(best.name, ascending=best.direction == "minimize", kind="stable"),
        points,
    )


def _with_values(name: str, points: pd.DataFrame, objectives: Sequence[Metric]) -> pd.DataFrame:
    if missing := [own.name for own in objectives if own.name not in points or points[own.name].isna().all()]:
        raise UserError(f"{name}: has no value for {missing[0]}; name columns that all have in --objectives")
    own = points.dropna(subset=[metric.name for metric in objectives])
    if own.empty:
        raise UserError(f"{name}: no point has a value for each of the objectives")
    return own


def _as_values(losses: Losses, objectives: Sequence[Metric]) -> dict[str, float]:
    return {
        own.name: float(-loss if own.direction == "maximize" else loss)
        for own, loss in zip(objectives, losses, strict=True)
    }


def _dominated(own: Losses, others: Losses) -> int:
    """How many rows some other row dominates."""
    return sum(bool(((others <= row).all(axis=1) & (others < row).any(axis=1)).any()) for row in own)
