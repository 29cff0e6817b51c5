"""Choose one operating point of a run: by rules, by one column, by the knee, or by its id."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from explorer.errors import UserError
from explorer.objectives import ALL_METRICS, Metric, loss_values, parse_constraint
from explorer.pareto import knee
from explorer.results import RunResults

NEIGHBOURS = 4


@dataclass(frozen=True)
class Choice:
    """A chosen operating point.

    Attributes:
        point: Its row.
        why: One sentence.
        neighbours: Front points nearest in scaled objectives, nearest first.
    """

    point: "pd.Series[Any]"
    why: str
    neighbours: pd.DataFrame


def choose(
    results: RunResults,
    *,
    where: Sequence[str] = (),
    minimize: str | None = None,
    maximize: str | None = None,
    point_id: str | None = None,
) -> Choice:
    """Choose by id, by the best value of one column, or (default) the knee; ``where`` narrows the front.

    Raises:
        UserError: Unknown id or column, an empty front, or no point satisfies ``where`` (says how close
            they come).
    """
    front = results.front.reset_index(drop=True)
    if point_id is not None:
        found = results.points[results.points["point_id"] == point_id]
        if found.empty:
            raise UserError(f"--id: no operating point {point_id!r} in {results.path}")
        return Choice(found.iloc[0], "it was asked for by its id", _neighbours(found.iloc[0], front, results))
    kept = _filtered(front, where, results)
    column = minimize or maximize
    if column is None:
        best = knee(loss_values(kept, results.objectives).to_numpy())
        assert best is not None
        why = f"it is the knee of the {len(kept)} points left (smallest sum of scaled objectives)"
    else:
        values = kept[_metric(column).name]
        if values.isna().all():
            raise UserError(
                f"--{'minimize' if minimize else 'maximize'}: no point has a value for {column!r}"
            )
        best = _best_row(kept, column, smallest=minimize is not None, objectives=results.objectives)
        why = f"it has the {'smallest' if minimize else 'largest'} {column} of the {len(kept)} points left"
    if where:
        why += f" after {' and '.join(where)}"
    return Choice(kept.iloc[best], why, _neighbours(kept.iloc[best], front, results))


def _metric(column: str) -> Metric:
    if column not in ALL_METRICS:
        raise UserError(f"unknown column {column!r}; known: {', '.join(ALL_METRICS)}")
    return ALL_METRICS[column]


def _best_row(points: pd.DataFrame, column: str, *, smallest: bool, objectives: Sequence[Metric]) -> int:
    """Row with the best value; ties go to the better sum of scaled objectives."""
    values = points[column].to_numpy(dtype=float) * (1 if smallest else -1)
    tied = np.flatnonzero(values == np.nanmin(values))
    best = knee(loss_values(points.iloc[tied], objectives).to_numpy())
    assert best is not None
    return int(tied[best])


def _filtered(front: pd.DataFrame, where: Sequence[str], results: RunResults) -> pd.DataFrame:
    if front.empty:
        raise UserError(
            f"{results.path}: the front is empty; no operating point satisfies the run's constraints"
        )
    constraints = [parse_constraint(text, "--where") for text in where]
    kept = front
    for constraint in constraints:
        kept = kept[constraint.satisfied(kept)]
    if kept.empty:
        reached = [
            f"{c.column} on the front is {front[c.column].min():g} .. {front[c.column].max():g}"
            for c in constraints
        ]
        raise UserError(
            f"--where: no point on the front satisfies {' and '.join(where)}; {'; '.join(reached)}"
        )
    return kept.reset_index(drop=True)


def _neighbours(point: "pd.Series[Any]", front: pd.DataFrame, results: RunResults) -> pd.DataFrame:
    others: pd.DataFrame = front[front["point_id"] != point["point_id"]]
    losses = loss_values(others, results.objectives)
    own = loss_values(point.to_frame().T, results.objectives).iloc[0]
    span = (losses.max() - losses.min()).replace(0, 1)
    distance = np.square(((losses - own) / span).to_numpy()).sum(axis=1)
    nearest: pd.DataFrame = others.iloc[np.argsort(distance, kind="stable")[:NEIGHBOURS]]
    return nearest
