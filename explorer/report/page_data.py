"""Everything the page's script reads, as plain data that becomes JSON."""

import json
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from explorer.report import style
from explorer.report.columns import CONFIGURATION_GROUP, DETAILS, METRIC_GROUPS, Column
from explorer.report.embedded import Embedded, table_rows
from explorer.report.front import (
    COLOURED_ROLES,
    FrontInfo,
    front_figure,
    label_places,
    role_labels,
    role_rows,
)
from explorer.results import RunResults

_TEXTS = ("point_id", "role", "reference", "reference_label", "violated")


def page_data(
    results: RunResults, embedded: Embedded, front: FrontInfo | None, figures: dict[str, go.Figure]
) -> dict[str, Any]:
    """Collect the data of a page.

    Args:
        results: The run; its first objective sorts the table.
        embedded: The points; their values appear once, as columns.
        front: Where the scatter plot starts.
        figures: Figures drawn as they are, by the name of their element.
    """
    first = results.objectives[0]
    sort_by = first.name if first.name in embedded.columns else "point_id"
    return {
        "config": style.PLOTLY_CONFIG,
        "run": run_argument(results.path),
        "columns": [column._asdict() | {"title": column.title} for column in embedded.columns.values()],
        "numPoints": len(embedded.points),
        "values": _values(embedded),
        "tableRows": table_rows(embedded),
        "sort": {"column": sort_by, "descending": first.direction == "maximize"},
        "front": None if front is None else _front(front, embedded),
        "figures": {name: plain_figure(figure) for name, figure in figures.items()},
    }


def column_groups(embedded: Embedded, keep: Callable[[Column], bool]) -> list[tuple[str, list[Column]]]:
    """The columns worth an axis, a colour or a table column, by group; groups never mix."""
    columns = [column for column in embedded.columns.values() if column.name not in DETAILS and keep(column)]
    order = (*METRIC_GROUPS, CONFIGURATION_GROUP)
    groups = {group: [column for column in columns if column.group == group] for group in order}
    return [(group, members) for group, members in groups.items() if members]


def run_argument(path: Path) -> str:
    """How a command line names the run: short where it lies under ``reports``."""
    resolved = path.resolve()
    return shlex.quote(resolved.name if resolved.parent.name == "reports" else str(path))


def plain_figure(figure: go.Figure) -> dict[str, Any]:
    """``{"data": ..., "layout": ...}`` of a figure, without NaN."""
    plain = json.loads(figure.to_json())
    return {"data": plain["data"], "layout": plain["layout"]}


def _front(info: FrontInfo, embedded: Embedded) -> dict[str, Any]:
    """Start of the scatter plot; the script draws its traces from the columns, for any axes."""
    return {
        "layout": plain_figure(front_figure(info._replace(groups=[])))["layout"],
        "roles": style.ROLE_TRACES,
        "groups": [
            {
                "role": role,
                "rows": rows.index.tolist(),
                "labels": (labels := role_labels(role, rows)),
                "places": label_places(role, labels),
                "coloured": role in COLOURED_ROLES,
                "grey": role in style.GREY_ROLES,
            }
            for role in style.ROLE_TRACES
            if len(rows := role_rows(embedded.points, role))
        ],
        "palette": style.PALETTE,
        "symbols": style.SYMBOLS,
        "colourScale": style.COLOUR_SCALE,
    }


def _values(embedded: Embedded) -> dict[str, Any]:
    points = embedded.points
    texts = [*_TEXTS, *(c.name for c in embedded.columns.values() if not c.numeric)]
    numbers = ["knee", *(c.name for c in embedded.columns.values() if c.numeric)]
    by_name: dict[str, Any] = {name: _text_values(points[name]) for name in texts}
    return by_name | {name: _numbers(points[name]) for name in numbers}


def _text_values(values: "pd.Series[str]") -> dict[str, Any]:
    """Each distinct text once, and its place per point; -1 for none."""
    codes, levels = pd.factorize(values, sort=True)
    return {"levels": [str(level) for level in levels], "codes": codes.tolist()}


def _numbers(values: "pd.Series[float]") -> list[float | int | None]:
    return [_number(value) for value in values.astype("Float64").to_numpy(float, na_value=math.nan).tolist()]


def _number(value: float) -> float | int | None:
    """Nine significant digits; None for what JSON cannot say."""
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else float(f"{value:.9g}")
