"""Which choices move the objectives of operating points, per backbone, and how far that can be told."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from explorer.core.graph.split_points import OUTPUT
from explorer.core.sweep import is_deployable
from explorer.front.pareto import log_scaled, reference_and_ideal
from explorer.report.explained import explained
from explorer.report.style import BAR_PATTERNS, PALETTE, base_figure, plain_text
from explorer.runs.results import RunResults
from explorer.runs.store import StoredNetwork
from explorer.space.metrics import Metric, loss_values

MIN_NETWORKS = 10
LEAST_R2 = 0.3  # below it importances say more of the forest than of the run
MAX_POINTS = 1000  # of a backbone: evenly taken along networks, split points and thresholds
MAX_BARS = 12
ALL_BACKBONES = "all backbones"

EXPLANATION = (
    "A forest predicts the objectives of operating points from their choices, costs in logarithms. R² "
    "says how well it does so for networks that it was not fitted to: 1 is exact, 0 no better than the "
    "mean. A bar says by how much R² falls when one choice is shuffled among points, all others left as "
    "they are; choices that stand in for each other share it. It describes the networks that this search "
    "trained."
)


class ImportanceGroup(NamedTuple):
    """Importances from the operating points of one backbone.

    Attributes:
        backbone: Its name, or ``ALL_BACKBONES`` for the choices that all of them share.
        num_networks: Whose points they are.
        importances: Per objective label: choice to fall of R2, at least 0.
        r2: Per objective label, of those in ``importances``.
        hidden: Objectives whose R2 is too low to say anything, with it, as text.
        reason: Why there are no importances; "" where there are.

    Example:
        >>> group = ImportanceGroup("mlp", 12, {"Accuracy": {"density": 0.7}}, {"Accuracy": 0.9}, [], "")
        >>> max(group.importances["Accuracy"], key=group.importances["Accuracy"].get)
        'density'
    """

    backbone: str
    num_networks: int
    importances: dict[str, dict[str, float]]
    r2: dict[str, float]
    hidden: list[str]
    reason: str


class ImportanceInfo(NamedTuple):
    """Plain data of the importance plots.

    Attributes:
        groups: One per backbone, preceded by one for all where there are several.
        reason: Why there are no groups at all; "" where there are.

    Example:
        >>> group = ImportanceGroup("mlp", 4, {}, {}, [], "4 networks are too few.")
        >>> ImportanceInfo([group], "").groups[0].reason
        '4 networks are too few.'
    """

    groups: list[ImportanceGroup]
    reason: str


def importance_info(results: RunResults) -> ImportanceInfo:
    """Data of the importance plots.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=2, name="why", workers=1, energy=False, progress=False)
        >>> importance_info(run.results).groups[0].reason
        '2 networks are too few; at least 10 are needed.'
    """
    points = results.points
    known = is_deployable(points) & loss_values(points, results.objectives).notna().all(axis=1)
    usable = points[known.to_numpy(dtype=bool)] if len(points) else points
    if usable.empty:
        return ImportanceInfo([], "No operating point has a value for every objective.")
    members = {str(name): own for name, own in usable.groupby("backbone")}
    if len(members) > 1:
        members = {ALL_BACKBONES: usable, **members}
    return ImportanceInfo([_group(results, name, own) for name, own in members.items()], "")


def _group(results: RunResults, backbone: str, points: pd.DataFrame) -> ImportanceGroup:
    count = points["network_key"].nunique()
    if count < MIN_NETWORKS:
        reason = f"{count} networks are too few; at least {MIN_NETWORKS} are needed."
        return ImportanceGroup(backbone, count, {}, {}, [], reason)
    places = np.unique(np.linspace(0, len(points) - 1, min(MAX_POINTS, len(points))).round().astype(int))
    sample = points.iloc[places]
    features = _varied(_features(results.networks, sample, shared=backbone == ALL_BACKBONES))
    targets = _varied(_targets(results, sample))
    if features.empty or targets.empty:
        return ImportanceGroup(backbone, count, {}, {}, [], "No choice or no objective varied.")
    found = explained(features, targets, pd.factorize(sample["network_key"])[0].astype(np.int64))
    told = {label: r2 for label, r2 in found.r2.items() if r2 >= LEAST_R2}
    hidden = [f"{label} (R² {r2:.2f})" for label, r2 in found.r2.items() if label not in told]
    reason = "" if told else f"Nothing can be told: {', '.join(hidden)}, where {LEAST_R2} would be needed."
    return ImportanceGroup(
        backbone, count, {label: found.falls[label] for label in told}, told, hidden, reason
    )


def _targets(results: RunResults, points: pd.DataFrame) -> pd.DataFrame:
    """Objectives by label, in units in which every halving of a cost counts the same."""
    objectives: Sequence[Metric] = results.objectives
    losses = loss_values(points, objectives).to_numpy(dtype=float)
    scaled = log_scaled(losses, *reference_and_ideal(objectives, results.reference_point))
    return pd.DataFrame(scaled, columns=[metric.label for metric in objectives])


def _features(networks: Mapping[str, StoredNetwork], points: pd.DataFrame, *, shared: bool) -> pd.DataFrame:
    """Choices as numbers, a row for each point; ``shared`` leaves out what only one backbone has."""
    keys = points["network_key"].astype(str).tolist()
    about = {key: _choices(networks[key], shared=shared) for key in dict.fromkeys(keys)}
    depths = {
        (key, split.name): place / max(len(networks[key].splits) - 1, 1)
        for key in about
        for place, split in enumerate(networks[key].splits)
    }
    at_output = (points["split_point"] == OUTPUT).to_numpy(dtype=bool)
    threshold = points["confidence_threshold"].fillna(1.0).to_numpy(dtype=float)  # none: nothing exits
    how: dict[str, Any] = {
        "split point": [depths[pair] for pair in zip(keys, points["split_point"], strict=True)],
        "payload bits": points["payload_bits"].fillna(0).to_numpy(dtype=float),
        "confidence threshold": np.where(at_output, 0.0, threshold),
    }
    return pd.DataFrame([about[key] for key in keys]).apply(_numbers).assign(**how)


def _choices(network: StoredNetwork, *, shared: bool) -> dict[str, Any]:
    spec = network.spec
    densities = {path: float(density) for path, density in spec.densities}
    mean = float(np.mean([*densities.values()])) if densities else 1.0
    own: dict[str, Any] = {
        "pattern": spec.pattern if spec.is_sparse else "dense",
        "input pool": spec.input_pool,
    }
    if shared:
        return {"backbone": spec.backbone, **own, "mean density": mean}
    arguments = {name: json.dumps(value) for name, value in spec.argument_values.items()}
    return {**own, **arguments, **{f"density of {path}": density for path, density in densities.items()}}


def _numbers(column: "pd.Series[Any]") -> "pd.Series[float]":
    """Texts by their place among the sorted ones."""
    if pd.api.types.is_numeric_dtype(column):
        return column.fillna(1.0).astype(float)
    return pd.Series(pd.factorize(column, sort=True)[0].astype(float), index=column.index)


def _varied(columns: pd.DataFrame) -> pd.DataFrame:
    return columns.loc[:, columns.nunique() > 1]


def importance_figure(group: ImportanceGroup) -> go.Figure:
    """Draw one backbone's importances: choices down, one bar per objective, largest sum on top.

    Example:
        >>> falls = {"Accuracy": {"density": 0.7, "payload bits": 0.3}}
        >>> figure = importance_figure(ImportanceGroup("mlp", 12, falls, {"Accuracy": 0.9}, [], ""))
        >>> figure.data[0].x, figure.data[0].y, figure.data[0].name
        ((0.7, 0.3), ('density', 'payload bits'), 'Accuracy, R² 0.90')
    """
    totals: dict[str, float] = {}
    for falls in group.importances.values():
        for name, fall in falls.items():
            totals[name] = totals.get(name, 0.0) + fall
    names = sorted(totals, key=lambda name: -totals[name])[:MAX_BARS]
    figure = base_figure(
        barmode="group",
        xaxis={"title": {"text": "Fall of R² when shuffled"}, "rangemode": "tozero"},
        yaxis={"ticks": "", "autorange": "reversed"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        height=130 + 34 * len(names) + 12 * len(names) * (len(group.importances) - 1),
    )
    for place, (label, falls) in enumerate(group.importances.items()):
        figure.add_trace(
            go.Bar(
                x=[falls.get(name, 0.0) for name in names],
                y=[plain_text(name) for name in names],
                orientation="h",
                name=plain_text(f"{label}, R² {group.r2[label]:.2f}"),
                marker={"color": PALETTE[place], "pattern": _pattern(place)},
                hovertemplate="%{y}: %{x:.3f}",
            )
        )
    return figure


def _pattern(place: int) -> dict[str, Any]:
    return {
        "shape": BAR_PATTERNS[place],
        "fillmode": "overlay",
        "fgcolor": "white",
        "size": 7,
        "solidity": 0.25,
    }
