"""``report.html``: one file that needs nothing else and asks nobody anything."""

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from explorer.report.answer import answer_info
from explorer.report.classes import class_outcomes
from explorer.report.embedded import embedded_run
from explorer.report.html import asset_text, bundle, content_security_policy, packed, render, script_json
from explorer.report.hypervolume import DEFINITION, hypervolume_figure, hypervolume_info
from explorer.report.importances import EXPLANATION, importance_figure, importance_info
from explorer.report.learned import learned_info
from explorer.report.style import PLOTLY_CONFIG
from explorer.report.summary import summary_info
from explorer.runs.others import read_others
from explorer.runs.results import RunResults
from explorer.utils.files import write_text


def write_report(results: RunResults, live_s: float | None = None) -> Path:
    """Write ``report.html`` into the run folder; it shows what :mod:`explorer.runs.others` keeps there, too.

    Args:
        results: The run.
        live_s: The page reloads itself after so many seconds, while the search goes on; None: never.

    Returns:
        The file written. It replaces an older one in one step, so readers never see half a report.

    Example:
        >>> from explorer.runs.results import run_results
        >>> from explorer.session.options import Options
        >>> from explorer.session.prepare import prepare
        >>> Path("begun").mkdir()
        >>> results = run_results(Path("begun"), prepare(Options(space="digits")).record, trial_rows=[])
        >>> write_report(results, live_s=5.0).as_posix()
        'begun/report.html'
    """
    path = results.path / "report.html"
    write_text(path, report_html(results, live_s))
    return path


def report_html(results: RunResults, live_s: float | None = None) -> str:
    """The whole page as text.

    Example:
        >>> from explorer.runs.results import run_results
        >>> from explorer.session.options import Options
        >>> from explorer.session.prepare import prepare
        >>> results = run_results(Path("tiny"), prepare(Options(space="digits")).record, trial_rows=[])
        >>> page = report_html(results)
        >>> page[:15], "https://" in page
        ('<!doctype html>', False)
    """
    hypervolume = hypervolume_info(results)
    importances = importance_info(results)
    figures = {
        f"importances-{place}": importance_figure(group)
        for place, group in enumerate(importances.groups)
        if not group.reason
    }
    if hypervolume is not None:
        figures["hypervolume-networks"] = hypervolume_figure(hypervolume, "networks")
        figures["hypervolume-time"] = hypervolume_figure(hypervolume, "time")
    outcomes = class_outcomes(results)
    data = embedded_run(results, outcomes) | {
        "figures": {name: _plain_figure(figure) for name, figure in figures.items()},
        "plotlyConfig": PLOTLY_CONFIG,
        "live": live_s,
        "series": [asdict(own) for own in read_others(results.path)],
    }
    plotly_js, page_js, recall_js = _plotly(), bundle("main"), asset_text("recall.js")
    return render(
        "page.html.j2",
        csp=content_security_policy(plotly_js[0], page_js, recall_js),
        css=Markup(asset_text("page.css")),
        plotly=Markup(plotly_js[1]) if figures else "",
        page_js=Markup(page_js),
        recall_js=Markup(recall_js),
        data=Markup(script_json(data)),
        live=live_s,
        summary=summary_info(results),
        answer=answer_info(results, outcomes),
        others=data["series"],
        hypervolume=hypervolume,
        hypervolume_definition=DEFINITION,
        importances=importances,
        importances_explanation=EXPLANATION,
        learned=learned_info(results.record.learned),
    )


@cache
def _plotly() -> tuple[str, str]:
    """Plotly's script, and the same packed: it is a third as large, and unpacked only when needed."""
    text = get_plotlyjs().replace("\r", "")
    return text, packed(text)


def _plain_figure(figure: go.Figure) -> dict[str, Any]:
    """``{"data": ..., "layout": ...}`` of a figure, without NaN."""
    plain = json.loads(figure.to_json())
    return {"data": plain["data"], "layout": plain["layout"]}
