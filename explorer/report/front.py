"""The scatter plot of operating points: the front, what it dominates, the references, the knee."""

import math
import textwrap
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from explorer.report.axes import known_numbers, spans_decades
from explorer.report.columns import Column
from explorer.report.embedded import FRONT, LEAST_VIOLATING, Embedded, embedded_points
from explorer.report.style import (
    COLOUR_SCALE,
    KNEE,
    LABEL_PLACES,
    REFERENCE,
    ROLE_TRACES,
    base_figure,
    category_marker,
    plain_text,
)
from explorer.results import RunResults

COLOURED_ROLES = (FRONT, LEAST_VIOLATING)


class _Axis(NamedTuple):
    column: Column
    log: bool


class FrontGroup(NamedTuple):
    """Points drawn alike.

    Attributes:
        role: Key of ``ROLE_TRACES``.
        name: For the legend.
        category: Place of ``name`` among the colour column's texts; None where colour is a number or fixed.
        point_ids: One per point.
        x: Shown numbers, None where the point has no value.
        y: Likewise.
        colour: Likewise; empty where the colour is not a number.
        labels: Text beside each marker; empty for none.
        hover: Everything about each point.
    """

    role: str
    name: str
    category: int | None
    point_ids: list[str]
    x: list[float | None]
    y: list[float | None]
    colour: list[float | None]
    labels: list[str]
    hover: list[str]


class FrontInfo(NamedTuple):
    """Plain data of the scatter plot.

    Attributes:
        x: Column on the horizontal axis.
        y: Column on the vertical axis.
        colour: Column that colours the front.
        x_log: Whether the horizontal axis starts logarithmic.
        y_log: Whether the vertical axis does.
        groups: In drawing order; empty groups are left out.
        message: What a reader must know first, such as that no point is feasible; else "".
        statement: Which points are shown and which left out.
    """

    x: Column
    y: Column
    colour: Column
    x_log: bool
    y_log: bool
    groups: list[FrontGroup]
    message: str
    statement: str


def front_info(results: RunResults, embedded: Embedded | None = None) -> FrontInfo | None:
    """Data of the scatter over the first two objectives.

    Args:
        results: The run.
        embedded: The points to show, where they were already chosen.

    Returns:
        None where the run has no operating point, or none with two known metrics.
    """
    embedded = embedded or embedded_points(results)
    columns = embedded.columns
    objectives = [columns[metric.name] for metric in results.objectives if metric.name in columns]
    others = [column for column in columns.values() if column.direction and column not in objectives]
    ordered = objectives + others
    if len(ordered) < 2:
        return None
    y, x = ordered[:2]
    colour = objectives[2] if len(objectives) > 2 else columns["backbone"]
    message = ""
    if embedded.no_feasible_point:
        message = (
            "No operating point satisfies every constraint. "
            f"The {embedded.counts[LEAST_VIOLATING][0]} that miss by least are shown instead of a front."
        )
    x_log, y_log = (_suits_log(embedded.points, column) for column in (x, y))
    return FrontInfo(
        x=x,
        y=y,
        colour=colour,
        x_log=x_log,
        y_log=y_log,
        groups=_groups(embedded, _Axis(x, x_log), _Axis(y, y_log), colour),
        message=message,
        statement=embedded.statement,
    )


def front_figure(info: FrontInfo) -> go.Figure:
    """Draw the scatter plot."""
    figure = base_figure(
        xaxis={"title": {"text": plain_text(info.x.title)}, "type": "log" if info.x_log else "linear"},
        yaxis={"title": {"text": plain_text(info.y.title)}, "type": "log" if info.y_log else "linear"},
        annotations=[
            *_zero_label("x", info.x, info.x_log),
            *_zero_label("y", info.y, info.y_log),
        ],
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        hovermode="closest",
        height=560,
    )
    for group in info.groups:
        figure.add_trace(
            go.Scatter(
                **{"mode": "markers", **ROLE_TRACES[group.role]}
                | {"name": plain_text(group.name), "marker": _marker(group, info.colour)},
                x=group.x,
                y=group.y,
                ids=group.point_ids,
                text=[plain_text(label) for label in group.labels] or None,
                textposition=label_places(group.role, group.labels) or None,
                hovertext=group.hover,
                hoverinfo="text",
            )
        )
    return figure


def role_rows(points: pd.DataFrame, role: str) -> pd.DataFrame:
    """The points drawn in a role; references and the knee are drawn over the points they are."""
    if role == REFERENCE:
        return points[points["reference"] != ""]
    if role == KNEE:
        return points[points["knee"].astype(bool)]
    return points[points["role"] == role]


def role_labels(role: str, rows: pd.DataFrame) -> list[str]:
    """Text beside each marker of a role; empty for none."""
    if role == REFERENCE:
        return [str(label) for label in rows["reference_label"]]
    return ["knee"] * len(rows) if role == KNEE else []


def label_places(role: str, labels: list[str]) -> list[str]:
    """Where each text of :func:`role_labels` stands; in turn, so that neighbours overlap less."""
    if role == KNEE:
        return ["bottom center"] * len(labels)
    order = [sum(map(bool, labels[:place])) for place in range(len(labels))]
    return [LABEL_PLACES[place % len(LABEL_PLACES)] for place in order]


def _zero_label(axis: str, column: Column, log: bool) -> list[dict[str, Any]]:
    """Mark where 0 is drawn on a logarithmic axis; the page's script does the same for other columns."""
    if not log or column.zero_slot is None:
        return []
    other, anchor = ("y", {"yanchor": "top"}) if axis == "x" else ("x", {"xanchor": "right"})
    place = {axis: math.log10(column.zero_slot), other: 0, f"{axis}ref": axis, f"{other}ref": "paper"}
    return [{"text": "<b>0</b>", "showarrow": False, **place, **anchor}]


def _marker(group: FrontGroup, colour: Column) -> dict[str, Any]:
    marker = dict(ROLE_TRACES[group.role]["marker"])
    if group.category is not None:
        return marker | category_marker(group.category)
    if not group.colour:
        return marker
    bar = {"title": {"text": plain_text(colour.title), "side": "right"}}
    return marker | {"color": group.colour, "colorscale": COLOUR_SCALE, "showscale": True, "colorbar": bar}


def _groups(embedded: Embedded, x: _Axis, y: _Axis, colour: Column) -> list[FrontGroup]:
    groups: list[FrontGroup] = []
    for role, template in ROLE_TRACES.items():
        rows = role_rows(embedded.points, role)
        if role not in COLOURED_ROLES:
            groups.append(_group(embedded, rows, role, str(template["name"]), x, y))
        elif colour.numeric:
            group = _group(embedded, rows, role, str(template["name"]), x, y)
            groups.append(group._replace(colour=_shown(rows, _Axis(colour, False))))
        else:
            for category, level in enumerate(sorted(embedded.points[colour.name].unique())):
                group = _group(embedded, rows[rows[colour.name] == level], role, str(level), x, y)
                groups.append(group._replace(category=category))
    return [group for group in groups if group.point_ids]


def _group(embedded: Embedded, rows: pd.DataFrame, role: str, name: str, x: _Axis, y: _Axis) -> FrontGroup:
    return FrontGroup(
        role=role,
        name=name,
        category=None,
        point_ids=[str(point_id) for point_id in rows["point_id"]],
        x=_shown(rows, x),
        y=_shown(rows, y),
        colour=[],
        labels=role_labels(role, rows),
        hover=[_hover(row, embedded.columns) for row in rows.to_dict("records")],
    )


def _shown(rows: pd.DataFrame, axis: _Axis) -> list[float | None]:
    """Shown numbers, with 0 in its place on a logarithmic axis."""
    zero = axis.column.zero_slot if axis.log and axis.column.zero_slot is not None else 0.0
    values = rows[axis.column.name]
    return [None if pd.isna(value) else float(value) / axis.column.scale or zero for value in values]


def _hover(row: dict[Any, Any], columns: dict[str, Column]) -> str:
    lines = [f"<b>{plain_text(row['point_id'])}</b>"]
    for column in columns.values():
        label, text = column.label, column.text(row[column.name])
        lines.append(plain_text(f"{label}: {text}") if len(text) < 60 else plain_text(f"{label}:"))
        lines += [] if len(text) < 60 else [plain_text(part) for part in textwrap.wrap(text, 60)]
    if row["violated"]:
        lines.append(f"violates {plain_text(row['violated'])}")
    return "<br>".join(lines)


def _suits_log(points: pd.DataFrame, column: Column) -> bool:
    return column.unit != "%" and spans_decades(known_numbers(points[column.name]))
