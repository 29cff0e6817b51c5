"""Every operating point of a run as one table: what was swept and measured, with costs, and its columns."""

import json
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from explorer.core.code_bytes import EDGE_WEIGHT_BITS
from explorer.core.credits import CREDITS
from explorer.core.evidence import Evidence
from explorer.core.graph.split_points import INPUT
from explorer.core.quality import MARGINS
from explorer.core.run_point import FLOAT32, INT8, RunPoint
from explorer.core.sweep import columns_of_sweep, in_float32, is_deployable, point_row
from explorer.costs.model import CostModel
from explorer.devices import Setting
from explorer.runs.record import RunRecord
from explorer.runs.store import Store, StoredNetwork
from explorer.runs.summaries import BASELINES_FILE, MEASUREMENTS_FILE, read_rows, read_summary
from explorer.space.metrics import CORRECTED_METRICS, MEASURED_METRICS, METRICS, OF_A_QUALITY

_LEADING = [  # of front.csv, in the order that other programs may rely on
    *("point_id", "network_key", "backbone", "pattern", "densities"),
    *("split_point", "confidence_threshold", "payload_bits"),
    *("accuracy", "accuracy_ci95_low", "accuracy_ci95_high", "exit_rate", "edge_macs", "server_macs"),
    *("edge_param_bytes", "edge_memory_bytes", "payload_bytes", "latency_model_s", "energy_model_j"),
    "reference",
]
FRONT_COLUMNS = [  # of every run; those of another quality than accuracy follow
    *_LEADING,
    *(name for name, metric in METRICS.items() if metric.in_front and name not in _LEADING),
    *("epochs", *CORRECTED_METRICS, *MEASURED_METRICS, EDGE_WEIGHT_BITS),
]


def front_columns(known: Container[str]) -> list[str]:
    """Columns of ``front.csv``: those of every run, then those of its quality where that is not accuracy.

    ``known`` are the columns of its points.

    Example:
        >>> front_columns([*FRONT_COLUMNS, "balanced_accuracy"])[-1]
        'balanced_accuracy'
    """
    return [*FRONT_COLUMNS, *(name for name in OF_A_QUALITY if name in known)]


def all_points(
    path: Path, record: RunRecord, networks: Mapping[str, StoredNetwork], trials: pd.DataFrame
) -> pd.DataFrame:
    """Every operating point of a run folder, one row each; whether it is on the front is not said yet.

    Args:
        path: The run folder.
        record: Contents of ``run.json``.
        networks: Those that are stored, by key.
        trials: Rows of ``trials.json``.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="all", workers=1, energy=False, progress=False)
        >>> points = all_points(run.path, run.record, run.results.networks, run.trials)
        >>> points["point_id"].equals(run.points["point_id"])
        True
    """
    rows = read_rows(path / BASELINES_FILE) if (path / BASELINES_FILE).exists() else []
    points = _swept_points(networks, Store(path), trials, pd.DataFrame(rows), record.setting)
    return _add_measurements(_corrected(points, networks, record), path / MEASUREMENTS_FILE)


def _swept_points(
    networks: Mapping[str, StoredNetwork],
    store: Store,
    trials: pd.DataFrame,
    baselines: pd.DataFrame,
    setting: Setting,
) -> pd.DataFrame:
    proposals = trials[(trials["reference"] != "") & (trials["state"] == "COMPLETE")]
    references = dict(iter(proposals.groupby("network_key")))
    frames = []
    for key, stored in networks.items():
        rows = stored.points.assign(reference="")
        if key in references:
            rows = _with_references(rows, references[key], store.read_evidence(key))
        if not baselines.empty and (own := baselines[baselines["network_key"] == key]).size:
            rows = pd.concat([rows, _like(_baseline_rows(own), rows)], ignore_index=True)
        frames.append(rows)
    return points_of(networks, frames, setting)


def _with_references(points: pd.DataFrame, references: pd.DataFrame, evidence: Evidence) -> pd.DataFrame:
    """Name references in the ``reference`` column; one that is not on the frontier is added."""
    for proposal in references.to_dict("records"):
        point = RunPoint.from_row(proposal)
        row = point_row(evidence, point)
        same = (
            (points["split_point"] == point.split_point)
            & (points["payload_bits"].fillna(0) == (point.payload_bits or 0))
            & (points["exited"] == row["exited"].item())
            & (points["confidence_threshold"].isna() == (point.confidence_threshold is None))
            & points.index.isin(in_float32(points).index)
        )
        if not same.any():
            row = row.assign(reference="")[points.columns]
            points = pd.concat([points, row.astype(points.dtypes)], ignore_index=True)
            same = points.index == len(points) - 1
        names = points.loc[same, "reference"]
        points.loc[same, "reference"] = names.where(names == "", names + ",") + proposal["reference"]
    return points


def _like(rows: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Rows of float32 with the columns and types of others; of their C nothing is known."""
    joined = rows.reindex(columns=others.columns)
    if EDGE_WEIGHT_BITS in others:
        joined[EDGE_WEIGHT_BITS] = FLOAT32
    return joined.astype(others.dtypes)


def _baseline_rows(baselines: pd.DataFrame) -> pd.DataFrame:
    """Inputs sent as files: at ``input``, without exit classifier or payload bits."""
    rows = baselines.assign(split_point=INPUT, payload_bits=np.nan, confidence_threshold=np.nan)
    return rows[[*columns_of_sweep(rows), "reference"]]


def points_of(
    networks: Mapping[str, StoredNetwork], frames: Sequence[pd.DataFrame], setting: Setting
) -> pd.DataFrame:
    """Swept points of networks with costs, what the networks say of themselves, and an id.

    The id is built from key, split point, bits and exits, and ``int8`` where the edge part is; a baseline's
    has its name for the bits.

    Args:
        networks: Whose points they are, by key.
        frames: Rows of each, with a column ``reference``.
        setting: Devices and link.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="swept", workers=1, energy=False, progress=False)
        >>> stored = next(iter(run.results.networks.values()))
        >>> rows = stored.points.assign(reference="")
        >>> points = points_of({stored.spec.key: stored}, [rows], run.results.setting)
        >>> points["point_id"].is_unique, bool(points["latency_model_s"].min() > 0)
        (True, True)
    """
    if not networks:
        return pd.DataFrame(columns=[*FRONT_COLUMNS, *CREDITS, "exited", "sent_bytes", "epochs_asked"])
    owners = np.repeat(np.arange(len(networks)), [len(frame) for frame in frames])
    costs = [(stored.splits, stored.num_samples) for stored in networks.values()]
    swept = pd.concat(frames, ignore_index=True)
    points = CostModel(setting).points_of_networks(swept, owners, costs)
    weight_bits = points.get(EDGE_WEIGHT_BITS, pd.Series(FLOAT32, points.index)).astype(np.int64)
    points = points.assign(edge_weight_bits=weight_bits)
    about = pd.DataFrame([_about(*item) for item in networks.items()])
    of_networks = about.iloc[owners].reset_index(drop=True)
    names = [[split.name for split in stored.splits] for stored in networks.values()]
    indices = [{name: str(number) for number, name in enumerate(own)} for own in names]
    pairs = zip(owners.tolist(), points["split_point"], strict=True)
    places = pd.Series([indices[owner][name] for owner, name in pairs], dtype=str)
    exits = points["exited"].astype(str).where(points["confidence_threshold"].notna(), "n")
    bits = points["payload_bits"].fillna(0).astype(str)
    bits = bits.where(is_deployable(points), points["reference"])
    ids = of_networks["network_key"] + "." + places + "." + bits + "." + exits
    ids += np.where(weight_bits == INT8, ".int8", "")
    return pd.concat([points, of_networks.assign(point_id=ids)], axis=1)


def _about(key: str, stored: StoredNetwork) -> dict[str, Any]:
    """What a network says of itself in each of its points."""
    spec = stored.spec
    return {
        "network_key": key,
        "backbone": spec.backbone,
        "epochs": stored.training.epochs,
        "epochs_asked": spec.recipe.total_epochs,
        "pattern": spec.pattern if spec.is_sparse else "dense",
        "densities": json.dumps({path: round(float(density), 9) for path, density in spec.densities}),
    }


def _corrected(
    points: pd.DataFrame, networks: Mapping[str, StoredNetwork], record: RunRecord
) -> pd.DataFrame:
    """Columns of accuracy, or of the run's quality, without its optimism; NaN where that is not known."""
    columns: Mapping[str, Any] = dict.fromkeys(CORRECTED_METRICS, np.nan)
    if record.optimism is not None and len(points):
        samples = points["network_key"].map({key: stored.num_samples for key, stored in networks.items()})
        quality = points[record.optimism.column].to_numpy(dtype=float)
        margins = [points[name].to_numpy(dtype=float) for name in MARGINS if name in points]
        known = record.optimism.columns(quality, np.asarray(samples, dtype=np.int64), margins)
        columns = {**columns, **known}
    return points.assign(**columns)


def _add_measurements(points: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Columns measured on this host for the parts on the front; NaN where nothing was measured."""
    content = read_summary(path) if path.exists() else {}
    points = points.drop(columns=list(MEASURED_METRICS), errors="ignore")
    codecs = {name for name in MEASURED_METRICS if name.startswith(("encode", "decode"))}
    for table, at, columns in (
        ("parts", ["network_key", "split_point"], [name for name in MEASURED_METRICS if name not in codecs]),
        ("codecs", ["network_key", "split_point", "payload_bits"], sorted(codecs)),
    ):
        measured = pd.DataFrame(content.get(table, []), columns=[*at, *columns])
        types = {name: float for name in columns} | {name: points[name].dtype for name in at}
        points = points.merge(measured.astype(types), on=at, how="left")
    # a part in int8 runs on a microcontroller, not on this host
    points.loc[points[EDGE_WEIGHT_BITS] == INT8, list(MEASURED_METRICS)] = np.nan
    return points
