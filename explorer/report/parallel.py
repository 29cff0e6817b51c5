"""Parallel coordinates over the objectives and the configuration of the front."""

import math
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from explorer.report.axes import known_numbers, linear_ticks, log_ticks, spans_decades
from explorer.report.columns import MISSING_TEXT, Column, number_text
from explorer.report.embedded import Embedded, embedded_points, table_rows
from explorer.report.style import COLOUR_SCALE, base_figure
from explorer.results import RunResults

MAX_LINES = 1000
_CONFIGURATION = (
    "backbone",
    "pattern",
    "mean_density",
    "split_point",
    "payload_bits",
    "confidence_threshold",
)
_MISSING_SLOT = 0.12  # where "n/a" sits below the axis, as a share of its length
_ARROWS = {"maximize": " ↑", "minimize": " ↓", "": ""}


class ParallelAxis(NamedTuple):
    """One vertical axis.

    Attributes:
        name: Column of the points table.
        label: Its title; an arrow says which way is better.
        values: Position of every line on the axis.
        ticks: Positions that carry a text.
        tick_texts: The texts; "n/a" has its own place below the others.
    """

    name: str
    label: str
    values: list[float]
    ticks: list[float]
    tick_texts: list[str]


class ParallelInfo(NamedTuple):
    """Plain data of the parallel coordinates.

    Attributes:
        point_ids: One per line.
        axes: From left to right.
        colour: Shown number of the first objective, one per line.
        statement: Which points have a line.
    """

    point_ids: list[str]
    axes: list[ParallelAxis]
    colour: list[float]
    statement: str


def parallel_info(results: RunResults, embedded: Embedded | None = None) -> ParallelInfo | None:
    """Data of the parallel coordinates; None where the run has no operating point."""
    embedded = embedded or embedded_points(results)
    rows = table_rows(embedded)[:MAX_LINES]
    first = embedded.columns.get(results.objectives[0].name)
    if not rows or first is None:
        return None
    points = embedded.points.loc[rows]
    what = "the points that miss the constraints by least" if embedded.no_feasible_point else "the front"
    total = len(table_rows(embedded))
    count = f"{len(rows):,} of {total:,}" if total > len(rows) else f"all {total:,}"
    colour = points[first.name].astype(float) / first.scale
    return ParallelInfo(
        point_ids=[str(point_id) for point_id in points["point_id"]],
        axes=_axes(points, [metric.name for metric in results.objectives], embedded.columns),
        colour=[float(value) for value in colour.fillna(colour.min())],
        statement=f"One line per point, {count} of {what}, coloured by {first.label.lower()}.",
    )


def parallel_figure(info: ParallelInfo) -> go.Figure:
    """Draw the parallel coordinates."""
    figure = base_figure(height=460, margin={"l": 90, "r": 90, "t": 90, "b": 30})
    figure.add_trace(
        go.Parcoords(
            dimensions=[
                {
                    "label": axis.label,
                    "values": axis.values,
                    "tickvals": axis.ticks,
                    "ticktext": axis.tick_texts,
                    "range": [min(axis.ticks + axis.values), max(axis.ticks + axis.values)],
                }
                for axis in info.axes
            ],
            line={
                "color": info.colour,
                "colorscale": COLOUR_SCALE,
            },
            labelangle=-20,
        )
    )
    return figure


def _axes(points: pd.DataFrame, objectives: list[str], columns: dict[str, Column]) -> list[ParallelAxis]:
    """One axis per objective, then per part of the configuration that varies."""
    names = [name for name in objectives if name in columns]
    names += [name for name in _CONFIGURATION if name in columns and points[name].nunique(dropna=False) > 1]
    return [_axis(points[name], columns[name], points["edge_macs_dense"]) for name in names]


def _axis(values: "pd.Series[Any]", column: Column, depth: "pd.Series[float]") -> ParallelAxis:
    label = f"{column.title}{_ARROWS[column.direction]}"
    known = values.dropna()
    if not column.numeric or column.name == "payload_bits":
        return _level_axis(values, column, label, depth)
    shown = known.astype(float) / column.scale
    numbers = known_numbers(shown)
    log = column.direction != "" and column.unit != "%" and spans_decades(numbers)
    zero = column.zero_slot if log else None
    drawn = [value if value or zero is None else zero for value in numbers]
    ticks = (
        log_ticks(min(n for n in numbers if n > 0), max(numbers))
        if log
        else linear_ticks(min(numbers), max(numbers))
    )
    texts = [number_text(tick) for tick in ticks]
    if zero is not None:
        ticks, texts = [zero, *ticks], ["0", *texts]
    if log:
        drawn, ticks = [math.log10(value) for value in drawn], [math.log10(tick) for tick in ticks]
    slot = ticks[0] - _MISSING_SLOT * (ticks[-1] - ticks[0])
    if len(known) < len(values):
        ticks, texts = [slot, *ticks], [MISSING_TEXT, *texts]
    positions = pd.Series(drawn, index=known.index).reindex(values.index).fillna(slot)
    return ParallelAxis(column.name, label, [float(position) for position in positions], ticks, texts)


def _level_axis(
    values: "pd.Series[Any]", column: Column, label: str, depth: "pd.Series[float]"
) -> ParallelAxis:
    """Equally spaced levels: numbers and names in order, split points from shallow to deep."""
    levels = sorted(values.dropna().unique().tolist())
    if column.name == "split_point":
        mean_depth = depth.groupby(values).mean()
        levels.sort(key=lambda level: (level == "output", mean_depth[level]))
    texts = [column.text(level) if column.numeric else str(level) for level in levels]
    places = {level: float(place) for place, level in enumerate(levels)}
    ticks = list(places.values())
    if values.isna().any():
        ticks, texts = [-1.0, *ticks], [MISSING_TEXT, *texts]
    positions = [-1.0 if pd.isna(value) else places[value] for value in values.tolist()]
    return ParallelAxis(column.name, label, positions, ticks, texts)
