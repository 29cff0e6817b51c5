"""How the hypervolume of the front grew from network to network, and over time."""

from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from explorer.front.growth import hypervolume_growth
from explorer.front.pareto import Losses, log_scaled, reference_and_ideal
from explorer.report.style import GREY, PALETTE, base_figure
from explorer.runs.results import RunResults
from explorer.space.metrics import loss_values
from explorer.space.texts import metric_text

DEFINITION = (
    "The share of a box that the points of the networks trained so far dominate, in the order in which "
    "trainings ended. The box reaches from the best to the worst value of each objective on the front, "
    "and a tenth beyond; costs count in logarithms, so that each halving is worth the same. The dashed "
    "line is what the same networks give on average in random order: a search that learns runs above it. "
    "Other networks might have given more or less, which this does not tell."
)
_TIME_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_BEYOND = 0.1  # of the front's range


class HypervolumeInfo(NamedTuple):
    """Plain data of the hypervolume plots.

    Attributes:
        elapsed: When each network's training ended, counted from the start of the search, in ``time_unit``.
        time_unit: s, min, h or d.
        hypervolume: After each network, in [0, 1]; never falling.
        random_order: What the same networks give on average in random order, after each.
        failed: When trials failed, and how many networks were trained by then.
        box: Label, best and worst value on the front of each objective that varies there.

    Example:
        >>> info = HypervolumeInfo([1.0, 2.5], "s", [0.3, 0.4], [0.35, 0.4], [], box=[])
        >>> info.hypervolume[-1] == info.random_order[-1]
        True
    """

    elapsed: list[float]
    time_unit: str
    hypervolume: list[float]
    random_order: list[float]
    failed: list[tuple[float, int]]
    box: list[tuple[str, str, str]]


def hypervolume_info(results: RunResults) -> HypervolumeInfo | None:
    """Data of the hypervolume plots; None without two networks, or where no objective varies on the front.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=3, name="grown", workers=1, energy=False, progress=False)
        >>> info = hypervolume_info(run.results)
        >>> len(info.hypervolume) == len(run.results.networks), sorted(info.hypervolume) == info.hypervolume
        (True, True)
    """
    ended = _completions(results)
    points = results.points
    feasible = points[points["feasible"].astype(bool)] if len(points) else points
    losses_RA = _losses(results, feasible)
    front_FA = losses_RA[feasible["on_front"].to_numpy(dtype=bool)]
    varied = np.ptp(front_FA, axis=0) > 0 if len(front_FA) else np.zeros(0, dtype=bool)
    if len(ended) < 2 or not varied.any():
        return None
    low, worst = front_FA.min(axis=0)[varied], front_FA.max(axis=0)[varied]
    by_network = _by_network(losses_RA[:, varied], feasible["network_key"], list(ended))
    grown, random_order = hypervolume_growth(by_network, low, worst + _BEYOND * (worst - low))
    times = np.array(list(ended.values()))
    failed = results.trials[results.trials["state"] == "FAIL"]
    failures = failed["elapsed_s"].dropna().to_numpy(dtype=float)
    longest = float(max(times.max(), failures.max(initial=0.0)))
    scale, unit = next((entry for entry in _TIME_UNITS if longest >= 2 * entry[0]), _TIME_UNITS[-1])
    return HypervolumeInfo(
        elapsed=(times / scale).tolist(),
        time_unit=unit,
        hypervolume=grown.tolist(),
        random_order=random_order.tolist(),
        failed=[(when / scale, int(np.searchsorted(times, when))) for when in np.sort(failures).tolist()],
        box=_box(results, feasible[feasible["on_front"].astype(bool)], varied),
    )


def _completions(results: RunResults) -> dict[str, float]:
    """When each network's training ended, in that order; a network trained further counts when that ended."""
    done = results.trials[results.trials["state"] == "COMPLETE"].dropna(subset=["elapsed_s"])
    ended = {str(key): float(when) for key, when in done.groupby("network_key")["elapsed_s"].min().items()}
    for entry in results.record.promotions:
        if entry.network_key in ended and not entry.reason:
            ended[entry.network_key] = max(ended[entry.network_key], entry.elapsed_s)
    kept = [(when, key) for key, when in ended.items() if key in results.networks]
    return {key: when for when, key in sorted(kept)}


def _by_network(losses_RA: Losses, keys: "pd.Series[str]", order: list[str]) -> list[Losses]:
    """Rows of each network; empty where it has none."""
    codes = pd.Index(order).get_indexer(pd.Index(keys))  # -1: of a network that is not in the order
    rows = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[rows], np.arange(len(order) + 1))
    return [losses_RA[rows[first:last]] for first, last in pairwise(ends.tolist())]


def _losses(results: RunResults, points: pd.DataFrame) -> Losses:
    """Losses (R, A) in units in which every halving of a cost counts the same; infinite where not known."""
    corners = reference_and_ideal(results.objectives, results.reference_point)
    losses = log_scaled(loss_values(points, results.objectives).to_numpy(dtype=float), *corners)
    return np.where(np.isnan(losses), np.inf, losses)


def _box(results: RunResults, front: pd.DataFrame, varied: NDArray[np.bool_]) -> list[tuple[str, str, str]]:
    box = []
    for metric, varies in zip(results.objectives, varied.tolist(), strict=True):
        ends = sorted((float(front[metric.name].min()), float(front[metric.name].max())))
        best, worst = reversed(ends) if metric.direction == "maximize" else ends
        if varies:
            box.append((metric.label, metric_text(metric.name, best), metric_text(metric.name, worst)))
    return box


def hypervolume_figure(info: HypervolumeInfo, over: Literal["networks", "time"]) -> go.Figure:
    """Draw the hypervolume over networks or over time, with random order and failed trials.

    Example:
        >>> info = HypervolumeInfo([1.0, 2.5], "s", [0.3, 0.4], [0.35, 0.4], [(1.5, 1)], [])
        >>> figure = hypervolume_figure(info, "networks")
        >>> [trace.name for trace in figure.data]
        ['as searched', 'random order, expected', 'failed trial']
        >>> hypervolume_figure(info, "time").layout.xaxis.title.text
        'Time since the start [s]'
    """
    by_network = over == "networks"
    count = len(info.hypervolume)
    positions = list(range(1, count + 1)) if by_network else info.elapsed
    title = "Networks trained" if by_network else f"Time since the start [{info.time_unit}]"
    figure = base_figure(
        xaxis={"title": {"text": title}, "rangemode": "tozero"},
        yaxis={"title": {"text": "Hypervolume"}},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        height=320,
    )
    lines = [("as searched", info.hypervolume, {"color": PALETTE[0], "width": 2})]
    lines += [("random order, expected", info.random_order, {"color": GREY, "width": 2, "dash": "dash"})]
    for name, values, line in lines:
        figure.add_trace(
            go.Scatter(
                x=positions,
                y=[round(value, 5) for value in values],
                mode="lines",
                line={"shape": "hv", **line},
                name=name,
                hovertemplate=f"{name}: %{{y:.4f}}<extra></extra>",
            )
        )
    if info.failed:
        figure.add_trace(
            go.Scatter(
                x=[networks if by_network else when for when, networks in info.failed],
                y=[min(info.hypervolume[0], info.random_order[0])] * len(info.failed),
                mode="markers",
                marker={"symbol": "x", "size": 8, "color": PALETTE[1]},
                name="failed trial",
                hoverinfo="name",
            )
        )
    return figure
