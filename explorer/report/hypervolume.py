"""How the hypervolume of the front grew over the trials and over time."""

from typing import Literal, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from explorer.report.style import PALETTE, base_figure
from explorer.runs.results import RunResults
from explorer.space.metrics import Metric
from explorer.space.texts import MISSING_TEXT, metric_text

DEFINITION = (
    "The hypervolume is the share of a box of objective space that the front dominates. The box reaches from "
    "the ideal (1 for accuracy and exit rate, 0 for every cost) to the reference point, so 1 is out of reach."
)
_TIME_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


class HypervolumeInfo(NamedTuple):
    """Plain data of the hypervolume plots.

    Attributes:
        trials: Trial numbers in order.
        elapsed: When each ended, counted from the start of the search, in ``time_unit``.
        time_unit: s, min, h or d.
        hypervolume: After each trial, in [0, 1]; None where not recorded.
        front_size: After each trial.
        failed: Numbers of the trials that failed.
        later: When, in ``time_unit``, and hypervolume after each training that was no trial.
        reference_point: Label and value per objective.

    Example:
        >>> info = HypervolumeInfo([0, 1], [1.0, 2.5], "s", [0.3, 0.4], [5, 9], [], [], reference_point=[])
        >>> info.hypervolume[-1], info.front_size[-1]
        (0.4, 9)
    """

    trials: list[int]
    elapsed: list[float | None]
    time_unit: str
    hypervolume: list[float | None]
    front_size: list[int | None]
    failed: list[int]
    later: list[tuple[float, float]]
    reference_point: list[tuple[str, str]]


def hypervolume_info(results: RunResults) -> HypervolumeInfo | None:
    """Data of the hypervolume plots; None where no trial was recorded.

    Example:
        >>> from pathlib import Path
        >>> from explorer.runs.results import run_results
        >>> from explorer.session.options import Options
        >>> from explorer.session.prepare import prepare
        >>> row = {"number": 0, "state": "COMPLETE", "reference": "", "elapsed_s": 90.0, "hypervolume": 0.3}
        >>> record = prepare(Options(space="digits")).record
        >>> info = hypervolume_info(run_results(Path("tiny"), record, [row, row | {"elapsed_s": 180.0}]))
        >>> info.elapsed, info.time_unit, info.reference_point[0]
        ([1.5, 3.0], 'min', ('Accuracy (validation)', '50 %'))
    """
    trials = results.trials.sort_values("number", kind="stable")
    if trials.empty or not trials["hypervolume"].notna().any():
        return None
    promotions = results.record.promotions
    longest = max([float(trials["elapsed_s"].max()), *(entry.elapsed_s for entry in promotions)])
    scale, unit = next((entry for entry in _TIME_UNITS if longest >= 2 * entry[0]), _TIME_UNITS[-1])
    return HypervolumeInfo(
        trials=[int(number) for number in trials["number"]],
        elapsed=_plain(trials["elapsed_s"] / scale),
        time_unit=unit,
        hypervolume=_plain(trials["hypervolume"]),
        front_size=[None if pd.isna(size) else int(size) for size in trials["front_size"]],
        failed=[int(number) for number in trials.loc[trials["state"] == "FAIL", "number"]],
        later=[(entry.elapsed_s / scale, entry.hypervolume) for entry in promotions],
        reference_point=reference_point_texts(results.objectives, results.reference_point),
    )


def reference_point_texts(
    objectives: tuple[Metric, ...], reference_point: dict[str, float]
) -> list[tuple[str, str]]:
    """Label and value of the reference point per objective, in reading units.

    Example:
        >>> from explorer.space.metrics import METRICS
        >>> reference_point_texts((METRICS["accuracy"], METRICS["payload_bytes"]), {"accuracy": 0.5})
        [('Accuracy (validation)', '50 %'), ('Payload (expected)', 'n/a')]
    """
    return [(m.label, metric_text(m.name, reference_point.get(m.name, float("nan")))) for m in objectives]


def hypervolume_figure(info: HypervolumeInfo, over: Literal["trials", "time"]) -> go.Figure:
    """Draw the hypervolume over trials or over time, with the failed trials marked.

    Example:
        >>> info = HypervolumeInfo([0, 1], [1.0, 2.5], "s", [0.3, None], [5, None], [1], [], [])
        >>> figure = hypervolume_figure(info, "time")
        >>> figure.layout.xaxis.title.text, [trace.name for trace in figure.data]
        ('Time since the start [s]', ['hypervolume', 'failed trial'])
    """
    positions: list[float | None] = [*info.trials] if over == "trials" else info.elapsed
    title = "Trial" if over == "trials" else f"Time since the start [{info.time_unit}]"
    hovers = [
        f"trial {number}: {MISSING_TEXT if value is None else format(value, '.4f')}, front {size}"
        for number, value, size in zip(info.trials, info.hypervolume, info.front_size, strict=True)
    ]
    figure = base_figure(
        xaxis={"title": {"text": title}},
        yaxis={"title": {"text": "Hypervolume"}, "rangemode": "nonnegative"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        height=320,
    )
    known = list(zip(positions, info.hypervolume, hovers, strict=True))
    if over == "time":
        known += [(when, value, f"a training besides proposals: {value:.4f}") for when, value in info.later]
        known.sort(key=lambda entry: (entry[0] is None, entry[0] or 0.0))
    figure.add_trace(
        go.Scatter(
            x=[place for place, _, _ in known],
            y=[value for _, value, _ in known],
            mode="lines+markers" if len(known) <= 60 else "lines",
            line={"shape": "hv", "color": PALETTE[0], "width": 2},
            marker={"size": 5},
            connectgaps=True,
            name="hypervolume",
            hovertext=[text for _, _, text in known],
            hoverinfo="text",
        )
    )
    failed = [place for place, number in enumerate(info.trials) if number in set(info.failed)]
    if failed:
        figure.add_trace(
            go.Scatter(
                x=[positions[place] for place in failed],
                y=[min(value for value in info.hypervolume if value is not None)] * len(failed),
                mode="markers",
                marker={"symbol": "x", "size": 8, "color": PALETTE[1]},
                name="failed trial",
                hovertext=[f"trial {info.trials[place]} failed" for place in failed],
                hoverinfo="text",
            )
        )
    return figure


def _plain(values: "pd.Series[float]") -> list[float | None]:
    return [None if pd.isna(value) else float(value) for value in values]
