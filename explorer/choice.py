"""Choose one operating point of a run, under any constraints, objectives, devices and link.

The same rules as the report's page, which computes them in the browser.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from explorer.core.operating_points import POINT_COLUMNS
from explorer.cost import Setting
from explorer.devices import load_device, load_link
from explorer.errors import UserError
from explorer.objectives import ALL_METRICS, METRICS, Metric, loss_values, parse_constraint
from explorer.pareto import by_weights, closest_to_ideal, knee
from explorer.results import RunResults, is_deployable, mark_front, network_points

NEIGHBOURS = 4


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a person asks of the point; at most one of the ways to choose, else the knee.

    Attributes:
        where: Constraints such as ``accuracy >= 0.95``, on top of the run's own.
        relax: Leave the run's own constraints out.
        fully_trained: Only networks trained for all their epochs.
        objectives: Columns that span the front; the run's where empty.
        ideal: Closest to the best value of every objective.
        weights: Weight per objective, 1 where not given.
        minimize, maximize: Best value of one column.
        point_id: This very point.
    """

    where: Sequence[str] = ()
    relax: bool = False
    fully_trained: bool = False
    objectives: Sequence[str] = ()
    ideal: bool = False
    weights: Mapping[str, float] = field(default_factory=dict)
    minimize: str | None = None
    maximize: str | None = None
    point_id: str | None = None


@dataclass(frozen=True)
class Choice:
    """A chosen operating point.

    Attributes:
        point: Its row.
        why: One sentence.
        neighbours: Front points nearest in scaled objectives, nearest first.
        front: The front it was chosen from or stands beside.
        objectives: What spans that front.
    """

    point: "pd.Series[Any]"
    why: str
    neighbours: pd.DataFrame
    front: pd.DataFrame
    objectives: tuple[Metric, ...]


def override_setting(
    own: Setting,
    *,
    edge: str | None = None,
    server: str | None = None,
    link: str | None = None,
    changes: Sequence[str] = (),
) -> Setting:
    """The run's devices and link with others in their place, and single numbers changed.

    Args:
        own: What the run was modelled with.
        edge, server, link: Profiles instead of the run's; None keeps the run's.
        changes: Such as ``link.uplink_bits_per_s=250000``.

    Raises:
        UserError: Unknown profile or quantity, or a value that is not legal.
    """
    profiles: dict[str, Any] = {
        "edge": load_device(edge) if edge else own.edge,
        "server": load_device(server) if server else own.server,
        "link": load_link(link) if link else own.link,
    }
    for change in changes:
        path, _, text = change.partition("=")
        role, _, quantity = path.partition(".")
        if role not in profiles or quantity not in profiles[role].quantities():
            known = ", ".join(f"{r}.{q}" for r, profile in profiles.items() for q in profile.quantities())
            raise UserError(f"--set: must read `ROLE.QUANTITY=NUMBER`, got {change!r}; known: {known}")
        content = profiles[role].model_dump() | {quantity: _number(text, change)}
        if quantity == "tx_joules_per_bit":  # in place of a power that grows with the rate
            content |= {"tx_alpha_w_per_bit_per_s": None, "tx_beta_w": None}
        try:
            profiles[role] = type(profiles[role]).model_validate(content)
        except ValidationError as error:
            raise UserError(f"--set {change}: {error.errors()[0]['msg']}") from error
    return Setting(profiles["edge"], profiles["server"], profiles["link"])


def _number(text: str, change: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"--set: must end in a number, got {change!r}") from None


def recosted(results: RunResults, setting: Setting) -> pd.DataFrame:
    """Every operating point with its costs under another setting, in the order of ``results.points``."""
    own = results.points
    frames = [
        network_points(results.networks[str(key)], rows[[*POINT_COLUMNS, "reference"]], setting)
        for key, rows in own.groupby("network_key", sort=False)
    ]
    costs = pd.concat(frames, ignore_index=True)[["latency_model_s", "energy_model_j"]]
    return own.assign(**costs)


def choose(results: RunResults, wishes: Wishes, setting: Setting | None = None) -> Choice:
    """Choose by id, by the best value of one column, or by a named rule on the front (default: the knee).

    The front is that of the points which satisfy the run's constraints and ``wishes.where``.

    Raises:
        UserError: Unknown id or column, or no point satisfies the constraints (says how close they come).
    """
    points = results.points if setting is None else recosted(results, setting)
    if wishes.fully_trained:
        points = points[_fully_trained(results)]
    points = points[is_deployable(points)].reset_index(drop=True)
    objectives = _metrics(wishes.objectives, "--objectives") or results.objectives
    _check_weights(wishes.weights, objectives)
    texts = [] if wishes.relax else list(results.run["constraints"])
    constraints = [parse_constraint(text, "constraints") for text in texts]
    constraints += [parse_constraint(text, "--where") for text in wishes.where]
    marked = mark_front(points, objectives, constraints)
    front = marked[marked["on_front"]]
    if wishes.point_id is not None:
        found = marked[marked["point_id"] == wishes.point_id]
        if found.empty:
            raise UserError(f"--id: no operating point {wishes.point_id!r} in {results.path}")
        point, why = found.iloc[0], "it was asked for by its id"
    elif front.empty:
        raise UserError(_nothing_left(points, [str(constraint) for constraint in constraints], results))
    else:
        point, why = _chosen(marked, front, objectives, wishes)
        if wishes.where:
            why += f" after {' and '.join(wishes.where)}"
    return Choice(point, why, _neighbours(point, front, objectives), front, objectives)


def _chosen(
    marked: pd.DataFrame, front: pd.DataFrame, objectives: tuple[Metric, ...], wishes: Wishes
) -> tuple["pd.Series[Any]", str]:
    losses = loss_values(front, objectives).to_numpy()
    if (column := wishes.minimize or wishes.maximize) is not None:
        smallest = wishes.minimize is not None
        feasible = marked[marked["feasible"]]
        row = _best_row(feasible, column, smallest=smallest, objectives=objectives)
        size = "smallest" if smallest else "largest"
        return feasible.iloc[row], f"it has the {size} {column} of the {len(feasible):,} feasible points"
    if wishes.ideal:
        best, why = closest_to_ideal(losses), "it is closest to the ideal"
    elif wishes.weights:
        best = by_weights(losses, [wishes.weights.get(metric.name, 1.0) for metric in objectives])
        why = "it has the smallest weighted sum of scaled objectives"
    else:
        best, why = knee(losses), "it is the knee (smallest sum of scaled objectives)"
    assert best is not None
    return front.iloc[best], f"{why} of the {len(front)} points on the front"


def _metrics(names: Sequence[str], option: str) -> tuple[Metric, ...]:
    for name in names:
        if name not in METRICS:
            raise UserError(f"{option}: unknown column {name!r}; known: {', '.join(METRICS)}")
    return tuple(METRICS[name] for name in names)


def _check_weights(weights: Mapping[str, float], objectives: Sequence[Metric]) -> None:
    names = [metric.name for metric in objectives]
    for name, weight in weights.items():
        if name not in names:
            raise UserError(f"--weights: {name!r} is no objective; these are: {', '.join(names)}")
        if not 0 <= weight < float("inf"):
            raise UserError(f"--weights: must be 0 or larger, got {name}={weight:g}")


def _fully_trained(results: RunResults) -> "pd.Series[bool]":
    done = {
        key: stored.training.epochs >= stored.spec.recipe.total_epochs
        for key, stored in results.networks.items()
    }
    return results.points["network_key"].map(done).astype(bool)


def _best_row(points: pd.DataFrame, column: str, *, smallest: bool, objectives: Sequence[Metric]) -> int:
    """Row with the best value; ties go to the better sum of scaled objectives."""
    if column not in ALL_METRICS:
        raise UserError(f"unknown column {column!r}; known: {', '.join(ALL_METRICS)}")
    if points[column].isna().all():
        raise UserError(f"--{'minimize' if smallest else 'maximize'}: no point has a value for {column!r}")
    values = points[column].to_numpy(dtype=float) * (1 if smallest else -1)
    losses = loss_values(points, objectives)
    tied = np.flatnonzero((values == np.nanmin(values)) & ~losses.isna().any(axis=1).to_numpy())
    best = knee(losses.iloc[tied].to_numpy())
    if best is None:
        raise UserError(f"no point with the best {column} has a value for every objective")
    return int(tied[best])


def _nothing_left(points: pd.DataFrame, texts: Sequence[str], results: RunResults) -> str:
    if not texts:
        return f"{results.path}: no operating point has a value for every objective"
    columns = dict.fromkeys(parse_constraint(text, "").column for text in texts)
    reached = [f"{name} is {points[name].min():g} .. {points[name].max():g}" for name in columns]
    return f"--where: no operating point satisfies {' and '.join(texts)}; {'; '.join(reached)}"


def _neighbours(point: "pd.Series[Any]", front: pd.DataFrame, objectives: tuple[Metric, ...]) -> pd.DataFrame:
    others: pd.DataFrame = front[front["point_id"] != point["point_id"]]
    losses = loss_values(others, objectives)
    own = loss_values(point.to_frame().T, objectives).iloc[0]
    span = (losses.max() - losses.min()).replace(0, 1)
    distance = np.square(((losses - own) / span).to_numpy()).sum(axis=1)
    nearest: pd.DataFrame = others.iloc[np.argsort(distance, kind="stable")[:NEIGHBOURS]]
    return nearest
