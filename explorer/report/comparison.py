"""Runs beside each other: how their spaces differ, and their fronts in one box; as tables and as a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from markupsafe import Markup

from explorer.front.comparison import Comparison, compare_fronts
from explorer.front.series import Series
from explorer.report.embedded import metric_record
from explorer.report.html import asset_text, bundle, content_security_policy, render, script_json
from explorer.runs.results import RunResults
from explorer.space.files import parse_space, space_differences
from explorer.space.metrics import Metric
from explorer.space.texts import metric_text
from explorer.utils.files import write_text
from explorer.utils.units import PREFIXES

POINTS_SHOWN = 30


class TextTable(NamedTuple):
    """A table of texts.

    Example:
        >>> TextTable("Fronts", ["run", "points"], [["one", "12"]], note="").headings
        ['run', 'points']
    """

    title: str
    headings: list[str]
    rows: list[list[str]]
    note: str


def comparison_of(
    runs: Sequence[RunResults], series: Sequence[Series], objectives: Sequence[Metric] = ()
) -> Comparison:
    """The fronts of runs, and points of somebody else, held against each other.

    Args:
        runs: Each with its front.
        series: Points from CSV files.
        objectives: What is compared; those that all runs searched, and all series have, where empty.

    Raises:
        UserError: They have no objective in common.

    Example:
        >>> from explorer import run_search
        >>> options = {"trials": 1, "workers": 1, "energy": False, "progress": False}
        >>> run = run_search("digits", name="compared", **options).results
        >>> theirs = Series("theirs", ("",), {"accuracy": (0.5,), "edge_macs": (10.0**6,)})
        >>> [(own.name, own.kept > 0) for own in comparison_of([run], [theirs]).fronts]
        [('compared', True), ('theirs', False)]
    """
    if not objectives:
        common = runs[0].objectives if runs else ()
        objectives = [
            metric
            for metric in common
            if all(metric in run.objectives for run in runs)
            and all(metric.name in own.columns for own in series)
        ]
    fronts = [(run.path.name, run.front) for run in runs]
    fronts += [(own.name, _frame(own)) for own in series]
    counts = pd.Series([name for name, _ in fronts]).value_counts()
    named = {
        name if counts[name] == 1 else f"{name} ({place})": points
        for place, (name, points) in enumerate(fronts, start=1)
    }
    return compare_fronts(named, objectives)


def _frame(series: Series) -> pd.DataFrame:
    return pd.DataFrame(series.columns, dtype=float).assign(point_id=series.labels)


def comparison_tables(runs: Sequence[RunResults], compared: Comparison) -> list[TextTable]:
    """What differs, as tables: the spaces, the fronts, and the points that none dominates.

    Example:
        >>> from explorer.space.metrics import METRICS
        >>> fronts = {"a": pd.DataFrame({"edge_macs": [5.0]}), "b": pd.DataFrame({"edge_macs": [9.0]})}
        >>> compared = compare_fronts(fronts, [METRICS["edge_macs"]])
        >>> [(table.title, table.rows) for table in comparison_tables([], compared)][0]
        ('Fronts', [['a', '1', '0.4499', '1', '0'], ['b', '1', '0.0099', '0', '1']])
    """
    box = ", ".join(f"{name} {metric_text(name, value)}" for name, value in compared.reference.items())
    fronts = TextTable(
        "Fronts",
        ["front", "points", "hypervolume", "not dominated", "dominated by others"],
        [
            [own.name, str(own.points), f"{own.hypervolume:.4f}", str(own.kept), str(own.beaten)]
            for own in compared.fronts
        ],
        f"hypervolume in one box, up to {box}; of all together {compared.joint_hypervolume:.4f}",
    )
    return [*_spaces(runs), fronts, _joint(compared)]


def _spaces(runs: Sequence[RunResults]) -> list[TextTable]:
    """What each run's space says otherwise than that of the first."""
    tables = list[TextTable]()
    for run in runs[1:]:
        own, first = (parse_space(own.record.space_file, str(own.path)) for own in (run, runs[0]))
        rows = [[text] for text in space_differences(own, first)]
        if run.record.data_fingerprint != runs[0].record.data_fingerprint:
            rows.append(["the data are others: accuracies are not those of the same samples"])
        for name in ("seed", "sampler", "rungs", "trials_asked"):
            mine, theirs = getattr(run.record, name), getattr(runs[0].record, name)
            if mine != theirs:
                rows.append([f"search: {name} {mine} instead of {theirs}"])
        title = f"What {run.path.name} searched otherwise than {runs[0].path.name}"
        tables.append(TextTable(title, ["difference"], rows or [["nothing"]], ""))
    return tables


def _joint(compared: Comparison) -> TextTable:
    shown = compared.joint.head(POINTS_SHOWN)
    names = [metric.name for metric in compared.objectives]
    rows = [
        [str(row["run"]), str(row.get("point_id", "")), *(metric_text(name, row[name]) for name in names)]
        for row in shown.to_dict("records")
    ]
    left_out = len(compared.joint) - len(shown)
    note = f"{left_out} more points are not shown" if left_out else ""
    headings = [metric.short_label for metric in compared.objectives]
    return TextTable("Points that none dominates", ["front", "point", *headings], rows, note)


def write_comparison(path: Path, tables: Sequence[TextTable], compared: Comparison) -> Path:
    """Write the tables, and a chart of the fronts, as a page that needs nothing else.

    Example:
        >>> from explorer.space.metrics import METRICS
        >>> front = pd.DataFrame({"accuracy": [0.9], "edge_macs": [5.0]})
        >>> compared = compare_fronts({"<b>one</b>": front}, [METRICS["accuracy"], METRICS["edge_macs"]])
        >>> tables = comparison_tables([], compared)
        >>> "&lt;b&gt;one" in write_comparison(Path("compared.html"), tables, compared).read_text()
        True
    """
    script, charted = bundle("compared"), compared.objectives[:2]
    text = render(
        "compare.html.j2",
        csp=content_security_policy(script),
        css=Markup(asset_text("page.css")),
        tables=tables,
        charted=len(charted) == 2,
        data=Markup(script_json(_chart_data(compared, charted))),
        script=Markup(script),
    )
    write_text(path, text)
    return path


def _chart_data(compared: Comparison, charted: Sequence[Metric]) -> dict[str, Any]:
    """Of every front its values of the objectives that are charted."""
    names = [metric.name for metric in charted]
    fronts = [
        {
            "name": own.name,
            "columns": compared.points.loc[compared.points["run"] == own.name, names].to_dict("list"),
        }
        for own in compared.fronts
    ]
    return {
        "fronts": fronts,
        "objectives": [metric_record(metric) for metric in charted],
        "prefixes": PREFIXES,
    }
