"""The run as the page reads it: every operating point, once, in compact typed columns.

A point is what was observed of it (split point, bits, threshold, right answers, exits); what follows from
structure, devices, link and protocol is computed in the browser by ``assets/cost.js``, for any setting.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from explorer.core.code_bytes import EDGE_WEIGHT_BITS, SIZES
from explorer.core.graph.split_points import OUTPUT
from explorer.core.run_point import FLOAT32
from explorer.core.sweep import columns_of_sweep
from explorer.costs.split_costs import SplitCosts
from explorer.devices import CELLS, PROTOCOLS, device_names, link_names, load_device, load_link
from explorer.devices.operators import KINDS, Operator, operator_columns
from explorer.report.classes import ClassOutcomes, class_outcomes, embedded_classes
from explorer.report.learning import learning_curves
from explorer.report.numbers import typed_column
from explorer.runs.folder import run_argument
from explorer.runs.record import RunRecord
from explorer.runs.results import RunResults
from explorer.runs.store import StoredNetwork
from explorer.space.metrics import ALL_METRICS, MEASURED_METRICS, OF_A_QUALITY, Kind, Metric
from explorer.space.names import network_words
from explorer.utils.units import PREFIXES

GROUPS: dict[Kind, str] = {  # titles over the columns of each kind, in this order
    "learned": "on validation data",
    "counted": "counted",
    "modelled": "modelled",
    "measured": "measured on host",
}
BATTERY = Metric("battery_days", "d", "maximize", "modelled", "Battery life", "modelled", in_front=False)

_SPLIT_COUNTS = (
    *("payload_elements", "edge_macs", "edge_macs_dense", "server_macs", "exit_macs", "edge_param_bytes"),
    *("exit_param_bytes", "edge_index_bytes", "edge_ram_bytes", "exit_ram_bytes", "range_bytes"),
)


def embedded_run(results: RunResults, outcomes: ClassOutcomes | None = None) -> dict[str, Any]:
    """Everything the page's scripts compute from, as plain data.

    Args:
        results: The run; rows of the page are those of ``results.points``.
        outcomes: Of its points, where they were read already.

    Example:
        >>> from pathlib import Path
        >>> from explorer.runs.results import run_results
        >>> from explorer.session.options import Options
        >>> from explorer.session.prepare import prepare
        >>> results = run_results(Path("tiny"), prepare(Options(space="digits")).record, trial_rows=[])
        >>> page = embedded_run(results)  # of a run that has just begun
        >>> page["run"], page["numPoints"], page["objectives"]
        ('tiny', 0, ['accuracy', 'edge_macs', 'edge_memory_bytes', 'payload_bytes'])
    """
    networks, points = results.networks, results.points
    splits = [split for network in networks.values() for split in network.splits]
    numbers = _split_numbers(networks, points)
    return {
        "run": run_argument(results.path),
        "numPoints": len(points),
        "objectives": [metric.name for metric in results.objectives],
        "referencePoint": results.reference_point,
        "constraints": [vars(constraint) for constraint in results.record.parsed_constraints],
        "fitsDevice": results.record.fits_device,
        "quality": results.quality_column,
        "metrics": [metric_record(metric) for metric in (*_metrics(points), BATTERY)],
        "prefixes": PREFIXES,
        "groups": list(GROUPS.values()),
        "profiles": _profiles(results.record),
        "networks": _networks(networks),
        "curves": learning_curves(networks.values()),
        "splitNames": [split.name for split in splits],
        "splits": _splits(networks, splits),
        "operators": _operators(_distinct_operators(splits)),
        "points": _points(points, numbers),
        "measured": _measured(points, numbers),
        "references": _references(points),
        "optimism": _optimism(results.record),
        "classes": embedded_classes(results, outcomes or class_outcomes(results)),
    }


def _metrics(points: pd.DataFrame) -> list[Metric]:
    """Those of the run, its quality first; those that another one would have are left out."""
    own = {name: metric for name, metric in OF_A_QUALITY.items() if name in points}
    return [*own.values(), *(metric for name, metric in ALL_METRICS.items() if name not in OF_A_QUALITY)]


def metric_record(metric: Metric) -> dict[str, Any]:
    """A metric as the scripts know it, with the group that its axis belongs to.

    Example:
        >>> record = metric_record(ALL_METRICS["payload_bytes"])
        >>> record["group"], record["label"], record["direction"]
        ('counted', 'Payload (expected)', 'minimize')
    """
    return {
        "name": metric.name,
        "unit": metric.unit,
        "direction": metric.direction,
        "kind": metric.kind,
        "group": GROUPS[metric.kind],
        "label": metric.label,
        "shortLabel": metric.short_label,
        "isShare": metric.is_share,
        "credit": metric.credit,
        "bounds": metric.bounds,
        "margin": metric.margin,
        "slider": metric.slider,
    }


def _profiles(record: RunRecord) -> dict[str, Any]:
    """The run's own profiles and protocol, and every shipped one."""
    setting = record.setting
    own = {role: _plain_profile(content) for role, content in setting.to_json().items()}
    protocols = {name: asdict(protocol) for name, protocol in PROTOCOLS.items()}
    return {
        "run": own | {"protocol": protocols[record.protocol], "deadline_s": record.deadline_s},
        **_shipped_profiles(),
        "protocols": list(protocols.values()),
        "cells": [_plain_profile(vars(cell)) for cell in CELLS.values()],
    }


@cache
def _shipped_profiles() -> dict[str, Any]:
    devices = [load_device(name).model_dump(mode="json") for name in device_names()]
    links = [load_link(name).model_dump(mode="json") for name in link_names()]
    return {"devices": list(map(_plain_profile, devices)), "links": list(map(_plain_profile, links))}


def _plain_profile(content: Mapping[str, Any]) -> dict[str, Any]:
    """A profile without the sources of its numbers, which `explorer/devices` keeps."""
    return {key: value for key, value in content.items() if key not in ("sources", "notes", "kind")}


def _networks(networks: Mapping[str, StoredNetwork]) -> dict[str, Any]:
    firsts = np.cumsum([0, *(len(network.splits) for network in networks.values())])[:-1]
    specs = [network.spec for network in networks.values()]
    pools = any(spec.input_pool > 1 for spec in specs)
    chosen = [spec.argument_values | ({"input pool": spec.input_pool} if pools else {}) for spec in specs]
    return {
        "key": list(networks),
        "backbone": [spec.backbone for spec in specs],
        "words": [network_words(spec) for spec in specs],
        "pattern": [spec.pattern if spec.is_sparse else "dense" for spec in specs],
        "arguments": chosen,
        "densities": [{path: round(float(share), 9) for path, share in spec.densities} for spec in specs],
        "epochs": [network.training.epochs for network in networks.values()],
        "epochsAsked": [spec.recipe.total_epochs for spec in specs],
        "samples": typed_column([network.num_samples for network in networks.values()]),
        "firstSplit": firsts.tolist(),
    }


def _splits(networks: Mapping[str, StoredNetwork], splits: list[SplitCosts]) -> dict[str, dict[str, str]]:
    """One entry per network and split point, networks one after the other."""
    owners = np.repeat(np.arange(len(networks)), [len(network.splits) for network in networks.values()])
    places = _distinct_operators(splits)
    operators = _ragged((split.operators for split in splits), places)
    exits = _ragged((split.exit_operators for split in splits), places)
    columns: dict[str, ArrayLike] = {
        name: [getattr(split, name) for split in splits] for name in _SPLIT_COUNTS
    }
    columns |= {"network": owners, "is_output": [split.name == OUTPUT for split in splits]}
    columns |= {"operator_start": operators[0], "operator": operators[1]}
    columns |= {"exit_start": exits[0], "exit_operator": exits[1]}
    return {name: typed_column(values) for name, values in columns.items()}


def _distinct_operators(splits: Iterable[SplitCosts]) -> dict[Operator, int]:
    """Every operator that occurs, once, with its place: networks have most of theirs in common."""
    operators = (own for split in splits for own in (*split.operators, *split.exit_operators))
    return {own: place for place, own in enumerate(dict.fromkeys(operators))}


def _operators(places: Mapping[Operator, int]) -> dict[str, Any]:
    """Distinct operators as columns; a kind is its place among all kinds."""
    columns = operator_columns(places)
    kinds = list(KINDS)
    codes = [kinds.index(kind) for kind in columns.pop("kind")]
    return {"kinds": kinds, "kind": typed_column(codes)} | {
        name: typed_column(values) for name, values in columns.items()
    }


def _ragged(
    lists: Iterable[tuple[Operator, ...]], places: Mapping[Operator, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lists of operators laid end to end: where each begins (and the last ends), and their places."""
    kept = list(lists)
    starts = np.cumsum([0, *map(len, kept)])
    return starts, np.array([places[own] for operators in kept for own in operators], dtype=np.int64)


def _split_numbers(networks: Mapping[str, StoredNetwork], points: pd.DataFrame) -> NDArray[np.int64]:
    """Per point the place of its split point among those of all networks."""
    pairs = [(key, split.name) for key, network in networks.items() for split in network.splits]
    numbers = {pair: number for number, pair in enumerate(pairs)}
    own = zip(points["network_key"], points["split_point"], strict=True)
    return np.array([numbers[pair] for pair in own], dtype=np.int64)


def _points(points: pd.DataFrame, numbers: NDArray[np.int64]) -> dict[str, dict[str, str]]:
    columns = {
        "bits": points["payload_bits"].fillna(0),
        "threshold": points["confidence_threshold"],
        **{name: points[name] for name in columns_of_sweep(points)[3:]},
    }
    if SIZES[0] not in points:
        del columns[EDGE_WEIGHT_BITS]  # which all points have; the page takes it as 32
    typed = {name: typed_column(values.to_numpy(dtype=float)) for name, values in columns.items()}
    return {"split": typed_column(numbers)} | typed


def _measured(points: pd.DataFrame, numbers: NDArray[np.int64]) -> dict[str, Any]:
    """Measured values, once per split point and bits; None where one was not measured."""
    names = list(MEASURED_METRICS)
    own = points[names].astype(float).assign(split=numbers, bits=points["payload_bits"].fillna(0).astype(int))
    rows = own[points[EDGE_WEIGHT_BITS] == FLOAT32].drop_duplicates(["split", "bits"])
    rows = rows[rows[names].notna().any(axis=1)][["split", "bits", *names]]
    return {"names": names, "rows": json.loads(rows.to_json(orient="values", double_precision=15))}


def _optimism(record: RunRecord) -> dict[str, Any] | None:
    """What is subtracted from an accuracy, or another quality, at some of its values."""
    found = record.optimism
    if found is None:
        return None
    return {"column": found.column, "accuracies": list(found.accuracies), "amounts": list(found.amounts)}


def _references(points: pd.DataFrame) -> list[list[Any]]:
    """Row and names of every reference."""
    rows = np.flatnonzero((points["reference"] != "").to_numpy(dtype=bool))
    names = points["reference"].to_numpy()
    return [[int(row), str(names[row])] for row in rows]
