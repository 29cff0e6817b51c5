"""``report.html``: one file that needs nothing else and asks nobody anything."""

from pathlib import Path

import optuna
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from explorer.report.embedded import embedded_points
from explorer.report.front import front_info
from explorer.report.html import asset_text, content_security_policy, render, script_json
from explorer.report.hypervolume import (
    DEFINITION,
    hypervolume_figure,
    hypervolume_info,
    reference_point_texts,
)
from explorer.report.importances import EXPLANATION, importance_figure, importance_info
from explorer.report.page_data import column_groups, page_data
from explorer.report.parallel import parallel_figure, parallel_info
from explorer.report.summary import summary_info
from explorer.results import RunResults
from explorer.store import write_text


def write_report(results: RunResults, study: optuna.Study | None = None) -> Path:
    """Write ``report.html`` into the run folder.

    Args:
        results: The run.
        study: Its study, for the parameter importances; without it the report says that there are none.

    Returns:
        The file written. It replaces an older one in one step, so readers never see half a report.
    """
    path = results.path / "report.html"
    write_text(path, report_html(results, study))
    return path


def report_html(results: RunResults, study: optuna.Study | None = None) -> str:
    """The whole page as text."""
    embedded = embedded_points(results)
    front = front_info(results, embedded)
    parallel = parallel_info(results, embedded)
    hypervolume = hypervolume_info(results)
    importances = importance_info(results, study)
    figures = {
        f"importances-{place}": importance_figure(group)
        for place, group in enumerate(importances.groups)
        if not group.reason
    }
    if parallel is not None:
        figures["parallel-figure"] = parallel_figure(parallel)
    if hypervolume is not None:
        figures["hypervolume-trials"] = hypervolume_figure(hypervolume, "trials")
        figures["hypervolume-time"] = hypervolume_figure(hypervolume, "time")
    plotly_js, page_js = get_plotlyjs().replace("\r", ""), asset_text("page.js")
    return render(
        "page.html.j2",
        csp=content_security_policy(plotly_js, page_js),
        css=Markup(asset_text("page.css")),
        plotly_js=Markup(plotly_js),
        page_js=Markup(page_js),
        data=Markup(script_json(page_data(results, embedded, front, figures))),
        summary=summary_info(results, embedded),
        embedded=embedded,
        front=front,
        parallel=parallel,
        hypervolume=hypervolume,
        hypervolume_definition=DEFINITION,
        reference_point=reference_point_texts(results.objectives, results.reference_point),
        importances=importances,
        importances_explanation=EXPLANATION,
        axis_groups=column_groups(embedded, lambda column: column.numeric),
        colour_groups=column_groups(embedded, lambda column: True),
    )
