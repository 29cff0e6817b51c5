"""Select one operating point, under any constraints and objectives.

The same rules as the report's page, which computes them in the browser.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from explorer.core.run_point import RunPoint
from explorer.core.sweep import is_deployable
from explorer.errors import UserError
from explorer.front.pareto import by_weights, closest_to_ideal, knee, mark_front
from explorer.space.constraints import Constraint, assured, parse_constraint
from explorer.space.metrics import ALL_METRICS, OF_A_QUALITY, SEARCHED_METRICS, Metric, loss_values
from explorer.space.texts import metric_text

NEIGHBOURS = 4


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What a person asks of the point; at most one of the ways to choose, else the knee.

    Attributes:
        where: Constraints such as ``accuracy >= 0.95``, on top of the run's own.
        relax: Leave the constraints that the run's space names out.
        fit: Whether points must fit the memory of the edge device; as the run's space says where None.
        assured: Ask the lower end of the interval for every accuracy, balanced or weighted or not, that a
            constraint asks for; the corrected one, where it is known.
        indifferent: Take the cheapest point of the front instead whose accuracy does not differ from that of
            the chosen one; see :func:`explorer.front.paired.cheaper_alike`. Needs the run's evidence.
        fully_trained: Only networks trained for all their epochs.
        objectives: Columns that span the front; the run's where empty.
        ideal: Closest to the best value of every objective.
        weights: Weight per objective, 1 where not given.
        minimize, maximize: Best value of one column.
        point_id: This very point.

    Example:
        >>> from explorer.space.metrics import METRICS
        >>> points = pd.DataFrame({"point_id": ["a", "b"], "accuracy": [0.9, 0.8], "edge_macs": [50, 10]})
        >>> points = points.assign(split_point="input", payload_bits=8)
        >>> asked = Selection(where=["accuracy >= 0.85"], minimize="edge_macs")
        >>> select(points, asked, [METRICS["accuracy"], METRICS["edge_macs"]]).point["point_id"]
        'a'
    """

    where: Sequence[str] = ()
    relax: bool = False
    fit: bool | None = None
    assured: bool = False
    indifferent: bool = False
    fully_trained: bool = False
    objectives: Sequence[str] = ()
    ideal: bool = False
    weights: Mapping[str, float] = field(default_factory=dict)
    minimize: str | None = None
    maximize: str | None = None
    point_id: str | None = None


@dataclass(frozen=True)
class Pick:
    """A selected operating point.

    Attributes:
        point: Its row.
        why: One sentence.
        neighbours: Of each other network the front point nearest in scaled objectives, nearest first.
        front: The front it was chosen from or stands beside.
        objectives: What spans that front.
        constraints: Under which it was chosen.

    Example:
        >>> from explorer.space.metrics import METRICS
        >>> points = pd.DataFrame({"point_id": ["a", "b"], "accuracy": [0.9, 0.8], "edge_macs": [50, 10]})
        >>> points = points.assign(split_point="conv1", payload_bits=8, confidence_threshold=0.7)
        >>> pick = select(points, Selection(point_id="b"), [METRICS["accuracy"], METRICS["edge_macs"]])
        >>> pick.run_point
        RunPoint(split_point='conv1', confidence_threshold=0.7, payload_bits=8, edge_weight_bits=32)
    """

    point: "pd.Series[Any]"
    why: str
    neighbours: pd.DataFrame
    front: pd.DataFrame
    objectives: tuple[Metric, ...]
    constraints: tuple[Constraint, ...] = ()

    @property
    def network_key(self) -> str:
        """Key of the network to deploy."""
        return str(self.point["network_key"])

    @property
    def run_point(self) -> RunPoint:
        """How the network is run."""
        return RunPoint.from_row(self.point)


def select(
    points: pd.DataFrame,
    selection: Selection,
    objectives: Sequence[Metric],
    constraints: Sequence[Constraint] = (),
    limits: Sequence[Constraint] = (),
) -> Pick:
    """Select by id, by the best value of one column, or by a named rule on the front (default: the knee).

    The front is that of the points which satisfy the run's constraints and ``selection.where``.

    Args:
        points: Operating points of :attr:`explorer.runs.results.RunResults.points`; baselines are left out.
        selection: What is asked of the point.
        objectives: Of the run; they span the front unless ``selection`` names others.
        constraints: That the run's space names.
        limits: What the edge device's memory holds, where points must fit it.

    Raises:
        UserError: Unknown id or column, or no point satisfies the constraints (says how close they come).

    Example:
        >>> from explorer.space.metrics import METRICS
        >>> points = pd.DataFrame({"point_id": ["a", "b"], "accuracy": [0.9, 0.8], "edge_macs": [50, 10]})
        >>> points = points.assign(split_point="input", payload_bits=8)
        >>> pick = select(points, Selection(maximize="accuracy"), [METRICS["accuracy"], METRICS["edge_macs"]])
        >>> pick.point["point_id"], pick.why
        ('a', 'it has the largest accuracy of the 2 feasible points')
    """
    eligible = is_deployable(points)
    if selection.fully_trained:
        eligible &= points["epochs"] >= points["epochs_asked"]
    points = points[eligible].reset_index(drop=True)
    objectives = _metrics(selection.objectives, "--objectives") or tuple(objectives)
    _check_weights(selection.weights, objectives)
    own = [] if selection.relax else list(constraints)
    asked = [parse_constraint(text, "--where") for text in selection.where]
    if selection.assured:
        known = points.columns[points.notna().any()]
        own, asked = ([assured(constraint, known) for constraint in some] for some in (own, asked))
    kept = [*own, *asked, *limits]
    _check_columns(points, [*(one.column for one in kept), *(metric.name for metric in objectives)])
    marked = mark_front(points, objectives, kept)
    front = marked[marked["on_front"]]
    if selection.point_id is not None:
        found = marked[marked["point_id"] == selection.point_id]
        if found.empty:
            raise UserError(f"--id: no operating point {selection.point_id!r} in this run")
        point, why = found.iloc[0], "it was asked for by its id"
    elif front.empty:
        raise UserError(_nothing_left(points, own, asked, limits))
    else:
        point, why = _chosen(marked, front, objectives, selection)
        if selection.where:
            why += f" after {' and '.join(selection.where)}{', assured' if selection.assured else ''}"
    return Pick(point, why, _neighbours(point, front, objectives), front, objectives, tuple(kept))


def _chosen(
    marked: pd.DataFrame, front: pd.DataFrame, objectives: tuple[Metric, ...], selection: Selection
) -> tuple["pd.Series[Any]", str]:
    losses = loss_values(front, objectives).to_numpy()
    if (column := selection.minimize or selection.maximize) is not None:
        smallest = selection.minimize is not None
        feasible = marked[marked["feasible"]]
        row = _best_row(feasible, column, smallest=smallest, objectives=objectives)
        size = "smallest" if smallest else "largest"
        return feasible.iloc[row], f"it has the {size} {column} of the {len(feasible):,} feasible points"
    if selection.ideal:
        best, why = closest_to_ideal(losses), "it is closest to the ideal"
    elif selection.weights:
        best = by_weights(losses, [selection.weights.get(metric.name, 1.0) for metric in objectives])
        why = "it has the smallest weighted sum of scaled objectives"
    else:
        best, why = knee(losses), "it is the knee (smallest sum of scaled objectives)"
    assert best is not None
    return front.iloc[best], f"{why} of the {len(front)} points on the front"


def _metrics(names: Sequence[str], option: str) -> tuple[Metric, ...]:
    for name in names:
        if name not in SEARCHED_METRICS:
            raise UserError(f"{option}: unknown column {name!r}; known: {', '.join(SEARCHED_METRICS)}")
    return tuple(SEARCHED_METRICS[name] for name in names)


def _check_columns(points: pd.DataFrame, names: Iterable[str]) -> None:
    """Refuse columns that another quality of the space would have given."""
    if absent := [name for name in names if name in OF_A_QUALITY and name not in points]:
        raise UserError(f"{absent[0]}: this run does not have it, since its quality is another")


def _check_weights(weights: Mapping[str, float], objectives: Sequence[Metric]) -> None:
    names = [metric.name for metric in objectives]
    for name, weight in weights.items():
        if name not in names:
            raise UserError(f"--weights: {name!r} is no objective; these are: {', '.join(names)}")
        if not 0 <= weight < float("inf"):
            raise UserError(f"--weights: must be 0 or larger, got {name}={weight:g}")


def _best_row(points: pd.DataFrame, column: str, *, smallest: bool, objectives: Sequence[Metric]) -> int:
    """Row with the best value; ties go to the better sum of scaled objectives."""
    option = "--minimize" if smallest else "--maximize"
    if column not in ALL_METRICS:
        raise UserError(f"{option}: unknown column {column!r}; known: {', '.join(ALL_METRICS)}")
    _check_columns(points, [column])
    if points[column].isna().all():
        raise UserError(f"{option}: no point has a value for {column!r}")
    values = points[column].to_numpy(dtype=float) * (1 if smallest else -1)
    losses = loss_values(points, objectives)
    tied = np.flatnonzero((values == np.nanmin(values)) & ~losses.isna().any(axis=1).to_numpy())
    best = knee(losses.iloc[tied].to_numpy())
    if best is None:
        raise UserError(f"no point with the best {column} has a value for every objective")
    return int(tied[best])


def why_no_front(points: pd.DataFrame, own: Sequence[Constraint], limits: Sequence[Constraint]) -> str:
    """Why a run that has operating points has none on its front; empty where it has some, or no point at all.

    Args:
        points: Operating points of :attr:`explorer.runs.results.RunResults.points`.
        own: What the run's space asks for.
        limits: What the edge device's memory holds, where points must fit it.

    Example:
        >>> points = pd.DataFrame({"accuracy": [0.9, 0.8], "split_point": "input", "on_front": False})
        >>> points = points.assign(payload_bits=8)
        >>> print(why_no_front(points, [parse_constraint("accuracy >= 99 %", "constraints")], []))
        constraints of the space: no operating point satisfies accuracy >= 99 %; accuracy is 80 % .. 90 %;
        --relax leaves them out
    """
    points = points[is_deployable(points)].reset_index(drop=True)
    return "" if points.empty or points["on_front"].any() else _nothing_left(points, own, [], limits)


def _nothing_left(
    points: pd.DataFrame,
    own: Sequence[Constraint],
    asked: Sequence[Constraint],
    limits: Sequence[Constraint],
) -> str:
    """Why no point is left: the space's constraints, or the device's memory, where they alone leave none."""
    if points.empty or _satisfied(points, [*own, *asked, *limits]).any():
        return "no operating point that is left of this run has a value for every objective"
    if not _satisfied(points, own).any():
        return f"constraints of the space: {_unsatisfied(points, own)}; --relax leaves them out"
    if not _satisfied(points, limits).any():
        advice = "none fits the memory of the edge device, which --no-fit leaves out"
        return f"{_unsatisfied(points, limits)}; {advice}"
    return f"--where: {_unsatisfied(points, [*asked, *own, *limits])}"


def _satisfied(points: pd.DataFrame, constraints: Sequence[Constraint]) -> "pd.Series[bool]":
    """Which points satisfy all constraints."""
    every = pd.Series(True, index=points.index)
    for constraint in constraints:
        every &= constraint.satisfied(points)
    return every


def _unsatisfied(points: pd.DataFrame, constraints: Sequence[Constraint]) -> str:
    columns = [points[name] for name in dict.fromkeys(constraint.column for constraint in constraints)]
    reached = [f"{c.name} is {_range(c)}" for c in columns]
    asked = " and ".join(constraint.text for constraint in constraints)
    return f"no operating point satisfies {asked}; {'; '.join(reached)}"


def _range(column: "pd.Series[float]") -> str:
    if column.isna().all():
        return "not known"
    low, high = (metric_text(str(column.name), float(end)) for end in (column.min(), column.max()))
    return f"{low} .. {high}"


def _neighbours(point: "pd.Series[Any]", front: pd.DataFrame, objectives: tuple[Metric, ...]) -> pd.DataFrame:
    others: pd.DataFrame = front[front["point_id"] != point["point_id"]]
    losses = loss_values(others, objectives)
    own = loss_values(point.to_frame().T, objectives).iloc[0]
    span = (losses.max() - losses.min()).replace(0, 1)
    distance = np.square(((losses - own) / span).to_numpy()).sum(axis=1)
    nearest = others.iloc[np.argsort(distance, kind="stable")]
    network = nearest.get("network_key", nearest["point_id"])  # without networks every point is of its own
    is_first = ~network.duplicated() & (network != point.get("network_key"))
    found: pd.DataFrame = nearest[is_first].head(NEIGHBOURS)
    return found
