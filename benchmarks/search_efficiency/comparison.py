"""What the curves say: seconds to a common target, speed-ups, and what falls short of the promise."""

import statistics
from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from benchmarks.search_efficiency.curves import Curve
from benchmarks.search_efficiency.ours import RUNGS, WHOLE
from benchmarks.search_efficiency.run import LABELS, PLAIN

SHARES = (0.5, 0.8, 0.95, 1.0)  # of the plain loop's final hypervolume
LEAST_SPEEDUPS = {0.95: 25.0, 1.0: 20.0}  # of the whole engine over the plain loop; medians
LEAST_ANYWHERE = 8.0  # in every single case, at these shares
EQUAL_SECONDS = (10.0, 30.0, 60.0, 150.0)
WORTHWHILE_SHARE = 0.6  # of the seconds without rungs to the same hypervolume; rungs are off above it

Row = dict[str, Any]
_COLOURS = {PLAIN: "0,0,0"} | dict(
    zip([v for v in LABELS if v != PLAIN], ["0,114,178", "213,94,0", "204,121,167"], strict=True)
)


def compare(curves: Sequence[Curve]) -> list[Row]:
    """One row per search, in the order of ``curves``.

    ``target_s`` is the second at which the search reached the plain loop's final hypervolume; ``speedups``
    are, by :data:`SHARES` of that, the second at which the plain loop had so much over the second at which
    this search had; ``at_equal_seconds`` this search's hypervolume over the plain loop's. ``rungs_share`` is
    the second at which the engine with rungs reached the whole engine's final hypervolume, over the second
    at which that did. None where the target was never reached, or nothing is known yet.
    """
    found = {(curve.space, curve.seed, curve.variant): curve for curve in curves}
    rows = []
    for curve in curves:
        plain = found[curve.space, curve.seed, PLAIN]
        target_s = curve.time_to(plain.final)
        row: Row = {"space": curve.space, "seed": curve.seed, "variant": curve.variant}
        row |= {"hypervolume": curve.final, "trainings": curve.trainings[-1] if curve.trainings else 0}
        row |= {"points": curve.points, "target_s": target_s}
        row["speedups"] = {share: _speedup(plain, curve, share * plain.final) for share in SHARES}
        row["at_equal_seconds"] = {seconds: _ratio_at(plain, curve, seconds) for seconds in EQUAL_SECONDS}
        if curve.variant == RUNGS:
            whole = found[curve.space, curve.seed, WHOLE]
            reached = curve.time_to(whole.final)
            row["rungs_share"] = None if reached is None else reached / whole.last_improved_s
        rows.append(row)
    return rows


def _speedup(plain: Curve, other: Curve, target: float) -> float | None:
    theirs, ours = plain.time_to(target), other.time_to(target)
    return None if theirs is None or ours is None else theirs / ours


def _ratio_at(plain: Curve, other: Curve, seconds: float) -> float | None:
    """None where a search had ended before, or the plain loop had nothing."""
    if seconds > min(plain.budget_s, other.budget_s) or not (theirs := plain.at([seconds], "seconds")[0]):
        return None
    return other.at([seconds], "seconds")[0] / theirs


def median(values: Iterable[float | None], unreached: float) -> float | None:
    """Median in which None counts as ``unreached``; None if the middle touches one."""
    middle = statistics.median(unreached if value is None else value for value in values)
    return None if middle in (inf, -inf) else middle


def medians(rows: Sequence[Row]) -> dict[str, Row]:
    """Per variant, over spaces and seeds."""
    summary: dict[str, Row] = {}
    for variant in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == variant]
        summary[variant] = {
            "hypervolume": statistics.median(row["hypervolume"] for row in own),
            "trainings": statistics.median(row["trainings"] for row in own),
            "target_s": median((row["target_s"] for row in own), inf),
            "speedups": {share: median((row["speedups"][share] for row in own), -inf) for share in SHARES},
            "at_equal_seconds": {
                seconds: _known_median([row["at_equal_seconds"][seconds] for row in own])
                for seconds in EQUAL_SECONDS
            },
        }
        if variant == RUNGS:
            summary[variant]["rungs_share"] = median((row["rungs_share"] for row in own), inf)
    return summary


def _known_median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def shortfalls(rows: Sequence[Row]) -> list[str]:
    """One line per figure that falls short; a target never reached does so by itself."""
    short = [
        f"{row['space']} seed {row['seed']}: never reached the plain loop's final hypervolume"
        for row in rows
        if row["variant"] == WHOLE and row["speedups"][1.0] is None
    ]
    for share, least in LEAST_SPEEDUPS.items():
        speedup = medians(rows)[WHOLE]["speedups"][share]
        if speedup is None or speedup < least:
            got = "none: not reached" if speedup is None else f"{speedup:.2f}"
            short.append(f"median speed-up to {share:.0%} of the plain loop: {got}, at least {least:g}")
        short += [
            f"{row['space']} seed {row['seed']}: speed-up to {share:.0%} of the plain loop "
            f"{row['speedups'][share]:.2f}, at least {LEAST_ANYWHERE:g}"
            for row in rows
            if row["variant"] == WHOLE and (row["speedups"][share] or LEAST_ANYWHERE) < LEAST_ANYWHERE
        ]
    return short


def band(curves: Sequence[Curve], axis: str) -> tuple[list[float], list[float], list[float], list[float]]:
    """Grid, lowest, median and highest hypervolume of one variant's seeds along ``axis``.

    The grid holds every value at which some seed has a trial, up to the last that all seeds reached.
    """
    ends = [getattr(curve, axis)[-1] if axis == "trainings" else curve.budget_s for curve in curves]
    grid = sorted({value for curve in curves for value in getattr(curve, axis) if value <= min(ends)})
    if axis == "seconds":
        grid.append(min(ends))
    columns = list(zip(*(curve.at(grid, axis) for curve in curves), strict=True))
    return grid, [min(c) for c in columns], [statistics.median(c) for c in columns], [max(c) for c in columns]


def efficiency_figure(curves: Sequence[Curve]) -> go.Figure:
    """Hypervolume against seconds and trainings, a row per space; median lines in min-max bands."""
    spaces = list(dict.fromkeys(curve.space for curve in curves))
    axes = ("seconds", "trainings")
    titles = [f"{space}: {axis}" for space in spaces for axis in axes]
    figure = make_subplots(rows=len(spaces), cols=2, subplot_titles=titles, shared_yaxes=True)
    for row, space in enumerate(spaces, start=1):
        for col, axis in enumerate(axes, start=1):
            for variant, colour in _COLOURS.items():
                own = [c for c in curves if (c.space, c.variant) == (space, variant) and c.seconds]
                if own:
                    _add_variant(figure, own, axis, f"rgb({colour})", f"rgba({colour},0.15)", row, col)
    figure.update_xaxes(type="log", title="seconds", col=1)
    figure.update_xaxes(type="log", title="networks trained", col=2)
    figure.update_yaxes(title="hypervolume", col=1)
    figure.update_layout(title="Hypervolume of the front known so far", height=420 * len(spaces) + 120)
    return figure


def _add_variant(
    figure: go.Figure, curves: Sequence[Curve], axis: str, line: str, fill: str, row: int, col: int
) -> None:
    variant = curves[0].variant
    xs, low, middle, high = band(curves, axis)
    shown = {"legendgroup": variant, "row": row, "col": col}
    edge = {"width": 0, "shape": "hv"}
    figure.add_scatter(x=xs, y=low, line=edge, showlegend=False, hoverinfo="skip", mode="lines", **shown)
    figure.add_scatter(
        x=xs,
        y=high,
        line=edge,
        fill="tonexty",
        fillcolor=fill,
        showlegend=False,
        hoverinfo="skip",
        mode="lines",
        **shown,
    )
    style = {"color": line, "shape": "hv", "dash": "dash" if variant == PLAIN else "solid"}
    first = (row, col) == (1, 1)
    figure.add_scatter(
        x=xs, y=middle, line=style, name=LABELS[variant], showlegend=first, mode="lines", **shown
    )
