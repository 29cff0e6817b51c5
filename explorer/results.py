"""One run as plain tables: every operating point with its costs, every proposal, and the front."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from explorer.core.operating_points import POINT_COLUMNS, point_row
from explorer.core.split_points import INPUT, OUTPUT
from explorer.cost import Setting, operating_points
from explorer.devices import DeviceProfile, LinkProfile
from explorer.errors import UserError
from explorer.files import read_json, write_json, write_text
from explorer.objectives import MEASURED_METRICS, METRICS, Constraint, Metric, loss_values, parse_constraint
from explorer.pareto import knee, non_dominated
from explorer.store import SCHEMA_VERSION, Store, StoredNetwork, check_schema

RUN_FILE, TRIALS_FILE, MEASUREMENTS_FILE = "run.json", "trials.json", "measurements.json"
BASELINES_FILE = "baselines.json"  # rows of explorer.jpeg
FRONT_COLUMNS = [
    *("point_id", "network_key", "backbone", "pattern", "densities"),
    *(
        "split_point",
        "confidence_threshold",
        "payload_bits",
        "accuracy",
        "accuracy_ci95_low",
        "accuracy_ci95_high",
        "exit_rate",
        "edge_macs",
        "server_macs",
    ),
    *(
        "edge_param_bytes",
        "edge_memory_bytes",
        "payload_bytes",
        "latency_model_s",
        "energy_model_j",
        "reference",
    ),
    *("edge_macs_dense", "epochs", *MEASURED_METRICS),
]


@dataclass(frozen=True)
class RunResults:
    """Everything a run folder says.

    Attributes:
        path: The run folder.
        run: Contents of ``run.json``.
        objectives: One to four columns of ``points`` that the search optimised.
        reference_point: Per objective name, in the metric's own direction and unit.
        points: Every operating point of the run, one row each.
        trials: One row per proposal, failed ones included.
        networks: Every trained network by key, in the order of ``points``.
    """

    path: Path
    run: dict[str, Any]
    objectives: tuple[Metric, ...]
    reference_point: dict[str, float]
    points: pd.DataFrame
    trials: pd.DataFrame
    networks: dict[str, StoredNetwork]

    @property
    def front(self) -> pd.DataFrame:
        """Feasible non-dominated points, best accuracy first."""
        front = self.points[self.points["on_front"]]
        return front.sort_values(["accuracy", "point_id"], ascending=[False, True])

    @property
    def failures(self) -> dict[str, int]:
        """Why networks failed, and how many for each reason; variants that were never proposed included."""
        failed = self.trials[self.trials["outcome"] == "failed"].drop_duplicates("network_key")
        counts = {str(reason): int(count) for reason, count in failed["reason"].value_counts().items()}
        return counts | {why: 1 for why in self.run.get("failed_variants", {}).values() if why not in counts}

    @property
    def all_failed(self) -> bool:
        """Whether trainings were tried and none succeeded."""
        return not self.networks and bool(self.failures)


def load_run(path: Path) -> RunResults:
    """Read a run folder.

    Raises:
        UserError: A file is missing, unreadable or of another schema version.
    """
    run = read_json(path / RUN_FILE)
    check_schema(run, path / RUN_FILE)
    if not (path / TRIALS_FILE).exists():
        raise UserError(
            f"{path}: the search was cut off; go on with "
            f"`python -m explorer.search --run {path.name} --resume`"
        )
    return run_results(path, run, read_json(path / TRIALS_FILE))


def run_results(path: Path, run: dict[str, Any], trial_rows: list[dict[str, Any]]) -> RunResults:
    """What a run folder holds so far.

    Args:
        path: The run folder.
        run: Contents of ``run.json``.
        trial_rows: Contents of ``trials.json``.
    """
    objectives = tuple(METRICS[name] for name in run["space"]["objectives"])
    constraints = [parse_constraint(text, "constraints") for text in run["constraints"]]
    trials = pd.DataFrame(trial_rows, columns=TRIAL_COLUMNS)
    store = Store(path)
    networks = {key: store.read(key) for key in store}
    baselines = read_json(path / BASELINES_FILE) if (path / BASELINES_FILE).exists() else []
    points = _all_points(networks, store, trials, pd.DataFrame(baselines), read_setting(run))
    points = _add_measurements(points, path / MEASUREMENTS_FILE)
    points = mark_front(points, objectives, constraints)
    return RunResults(path, run, objectives, run["space"]["objectives"], points, trials, networks)


TRIAL_COLUMNS = [
    *(
        "number",
        "state",
        "outcome",
        "reason",
        "network_key",
        "reference",
        "split_point",
        "confidence_threshold",
    ),
    *("payload_bits", "elapsed_s", "hypervolume", "front_size", "params", "values"),
]


def read_setting(run: Mapping[str, Any]) -> Setting:
    """Devices and link with the very numbers the run was modelled with."""
    profiles = run["profiles"]
    return Setting(
        DeviceProfile.model_validate(profiles["edge"]),
        DeviceProfile.model_validate(profiles["server"]),
        LinkProfile.model_validate(profiles["link"]),
    )


def _all_points(
    networks: Mapping[str, StoredNetwork],
    store: Store,
    trials: pd.DataFrame,
    baselines: pd.DataFrame,
    setting: Setting,
) -> pd.DataFrame:
    proposals = trials[(trials["reference"] != "") & (trials["state"] == "COMPLETE")]
    frames = []
    for key, stored in networks.items():
        rows = _with_references(stored, proposals[proposals["network_key"] == key], store)
        if not baselines.empty and (own := baselines[baselines["network_key"] == key]).size:
            rows = pd.concat([rows, _baseline_rows(own).astype(rows.dtypes)], ignore_index=True)
        frames.append(network_points(stored, rows, setting))
    return (
        pd.concat(frames, ignore_index=True)
        if frames
        else pd.DataFrame(columns=[*FRONT_COLUMNS, "correct", "exited", "sent_bytes"])
    )


def _with_references(stored: StoredNetwork, references: pd.DataFrame, store: Store) -> pd.DataFrame:
    """Swept points with the ``reference`` column; a reference that is not on the frontier is added."""
    points = stored.points.assign(reference="")
    if references.empty:
        return points
    evidence = store.read_evidence(stored.spec.key)
    for proposal in references.to_dict("records"):
        split_point = proposal["split_point"]
        threshold = None if pd.isna(proposal["confidence_threshold"]) else proposal["confidence_threshold"]
        bits = None if pd.isna(proposal["payload_bits"]) else int(proposal["payload_bits"])
        row = point_row(evidence, split_point, bits, threshold)
        same = (
            (points["split_point"] == split_point)
            & (points["payload_bits"].fillna(0) == (bits or 0))
            & (points["exited"] == row["exited"].item())
            & (points["confidence_threshold"].isna() == (threshold is None))
        )
        if not same.any():
            row = row.assign(reference="")[points.columns]
            points = pd.concat([points, row.astype(points.dtypes)], ignore_index=True)
            same = points.index == len(points) - 1
        names = points.loc[same, "reference"]
        points.loc[same, "reference"] = names.where(names == "", names + ",") + proposal["reference"]
    return points


def _baseline_rows(baselines: pd.DataFrame) -> pd.DataFrame:
    """Inputs sent as files: at ``input``, without exit classifier or payload bits."""
    rows = baselines.assign(split_point=INPUT, payload_bits=np.nan, confidence_threshold=np.nan)
    return rows[[*POINT_COLUMNS, "reference"]]


def is_deployable(points: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows are operating points; the others are baselines, to compare with."""
    return points["payload_bits"].notna() | (points["split_point"] == OUTPUT)


def network_points(stored: StoredNetwork, rows: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """Swept points of one network with costs, what the network says of itself, and an id.

    The id is built from key, split point, bits and exits; a baseline's has its name for the bits.
    """
    points = operating_points(rows, stored.splits, stored.num_samples, setting)
    key = stored.spec.key
    index = {split.name: number for number, split in enumerate(stored.splits)}
    exits = points["exited"].astype(str).where(points["confidence_threshold"].notna(), "n")
    bits = points["payload_bits"].fillna(0).astype(str)
    if not (deployable := is_deployable(points)).all():
        bits = bits.where(deployable, points["reference"])
    places = points["split_point"].map(index).astype(str)
    densities = {path: round(float(density), 9) for path, density in stored.spec.densities}
    return points.assign(
        point_id=key + "." + places + "." + bits + "." + exits,
        network_key=key,
        backbone=stored.spec.backbone,
        epochs=stored.training.epochs,
        pattern=stored.spec.pattern if stored.spec.is_sparse else "dense",
        densities=json.dumps(densities),
    )


def _add_measurements(points: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Columns measured on this host for the parts on the front; NaN where nothing was measured."""
    content = read_json(path) if path.exists() else {}
    points = points.drop(columns=list(MEASURED_METRICS), errors="ignore")
    codecs = {name for name in MEASURED_METRICS if name.startswith(("encode", "decode"))}
    for table, at, columns in (
        ("parts", ["network_key", "split_point"], [name for name in MEASURED_METRICS if name not in codecs]),
        ("codecs", ["network_key", "split_point", "payload_bits"], sorted(codecs)),
    ):
        measured = pd.DataFrame(content.get(table, []), columns=[*at, *columns])
        types = {name: float for name in columns} | {name: points[name].dtype for name in at}
        points = points.merge(measured.astype(types), on=at, how="left")
    return points


def mark_front(
    points: pd.DataFrame, objectives: tuple[Metric, ...], constraints: list[Constraint]
) -> pd.DataFrame:
    """Add ``violated``, ``feasible``, ``on_front`` and ``knee``; baselines are not feasible."""
    violated = pd.Series("", index=points.index)
    for constraint in constraints:
        names = violated.where(violated == "", violated + "; ") + str(constraint)
        violated = violated.where(constraint.satisfied(points), names)
    feasible = (violated == "") & is_deployable(points)
    losses = loss_values(points, objectives).to_numpy()
    rows = np.flatnonzero(feasible & ~np.isnan(losses).any(axis=1))
    front = rows[non_dominated(losses[rows])]
    best = knee(losses[front])
    on_front, is_knee = np.zeros(len(points), dtype=bool), np.zeros(len(points), dtype=bool)
    on_front[front] = True
    if best is not None:
        is_knee[front[best]] = True
    return points.assign(violated=violated, feasible=feasible, on_front=on_front, knee=is_knee)


def write_front(results: RunResults) -> None:
    """Write ``front.csv`` and ``front.json``; the latter also lists references, dominated or not."""
    front = results.front[FRONT_COLUMNS]
    references = results.points.loc[
        results.points["reference"] != "", [*FRONT_COLUMNS, "on_front", "feasible"]
    ]
    write_text(results.path / "front.csv", front.to_csv(index=False))
    content = {
        "schema_version": SCHEMA_VERSION,
        "run": results.path.name,
        "objectives": {metric.name: metric.direction for metric in results.objectives},
        "reference_point": results.reference_point,
        "points": records(front),
        "references": records(references),
    }
    write_json(results.path / "front.json", content)


def records(points: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain data: missing values None, densities as a mapping."""
    rows = json.loads(points.to_json(orient="records", double_precision=15))
    return [row | {"densities": json.loads(row["densities"])} for row in rows]
