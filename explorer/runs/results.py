"""One run as plain tables: every operating point with its costs, every proposal, and the front."""

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.core.code_bytes import EDGE_WEIGHT_BITS
from explorer.core.confusion import ByClass, by_class
from explorer.core.credits import CREDITS
from explorer.core.evidence import Evidence
from explorer.core.graph.split_points import INPUT
from explorer.core.quality import MARGINS
from explorer.core.run_point import FLOAT32, INT8, RunPoint
from explorer.core.sweep import columns_of_sweep, in_float32, is_deployable, point_row, right_and_exits
from explorer.costs.model import CostModel
from explorer.devices import Setting
from explorer.errors import UserError
from explorer.front.paired import Comparison, cheaper_alike, compared
from explorer.front.pareto import mark_front
from explorer.front.select import Pick, Selection, select
from explorer.runs.folder import resume_command
from explorer.runs.record import SCHEMA_VERSION, RunRecord
from explorer.runs.sealed import read_sealed, write_sealed
from explorer.runs.store import Store, StoredNetwork
from explorer.space.fit import memory_limits
from explorer.space.metrics import CORRECTED_METRICS, MEASURED_METRICS, METRICS, OF_A_QUALITY, Metric
from explorer.space.names import network_words, point_name
from explorer.utils.csv_files import csv_text
from explorer.utils.files import write_text

TRIALS_FILE, MEASUREMENTS_FILE = "trials.json", "measurements.json"
BASELINES_FILE = "baselines.json"  # rows of explorer.measure.jpeg
SUMMARIES = (TRIALS_FILE, MEASUREMENTS_FILE, BASELINES_FILE)  # each session writes them anew
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
TRIAL_COLUMNS = [
    *("number", "state", "outcome", "reason", "network_key", "reference", "split_point"),
    *("confidence_threshold", "payload_bits", "elapsed_s", "hypervolume", "front_size", "params", "values"),
]


@dataclass(frozen=True)
class RunResults:
    """Everything a run folder says.

    Attributes:
        path: The run folder.
        record: Contents of ``run.json``.
        setting: Devices and link that latency and energy are modelled with.
        points: Every operating point of the run, one row each.
        trials: One row per proposal, failed ones included.
        networks: Every trained network by key, in the order of ``points``.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="tables", workers=1, energy=False, progress=False)
        >>> results = run.results
        >>> [metric.name for metric in results.objectives], len(results.trials), results.failures
        (['accuracy', 'edge_macs', 'edge_memory_bytes', 'payload_bytes'], 1, {})
    """

    path: Path
    record: RunRecord
    setting: Setting
    points: pd.DataFrame
    trials: pd.DataFrame
    networks: dict[str, StoredNetwork]

    @property
    def objectives(self) -> tuple[Metric, ...]:
        """One to four columns of ``points`` that the search optimised."""
        return self.record.objectives

    @property
    def reference_point(self) -> dict[str, float]:
        """Per objective name, in the metric's own direction and unit."""
        return dict(self.record.space["objectives"])

    @property
    def front(self) -> pd.DataFrame:
        """Feasible non-dominated points, best accuracy, or other quality of the run, first."""
        front = self.points[self.points["on_front"]]
        return front.sort_values([self.quality_column, "point_id"], ascending=[False, True])

    @property
    def quality_column(self) -> str:
        """The column that says how good answers are: accuracy, unless the space asks for another quality."""
        return self.record.quality.name if self.record.quality.name in self.points else "accuracy"

    @property
    def failures(self) -> dict[str, int]:
        """Why networks failed, and how many for each reason; variants that were never proposed included."""
        failed = self.trials[self.trials["outcome"] == "failed"].drop_duplicates("network_key")
        counts = {str(reason): int(count) for reason, count in failed["reason"].value_counts().items()}
        return counts | {why: 1 for why in self.record.failed_variants.values() if why not in counts}

    @property
    def all_failed(self) -> bool:
        """Whether trainings were tried and none succeeded."""
        return not self.networks and bool(self.failures)

    def select(self, selection: Selection) -> Pick:
        """Select one operating point; see :func:`explorer.front.select.select`.

        A point that is asked for by its id stays, indifferent or not.
        """
        fits = self.record.fits_device if selection.fit is None else selection.fit
        limits = memory_limits(self.setting.edge) if fits else ()
        constraints = self.record.parsed_constraints
        pick = select(self.points, selection, self.objectives, constraints, limits)
        if selection.indifferent and selection.point_id is None:
            return cheaper_alike(pick, self.right_answers, self._compared, self.record.quality.name)
        return pick

    def name_of(self, point: "pd.Series[Any]") -> str:
        """What a person calls an operating point, a row of ``points``."""
        words = network_words(self.networks[str(point["network_key"])].spec)
        return point_name(words, str(point["split_point"]))

    def right_answers(self, point: "pd.Series[Any]") -> NDArray[np.bool_]:
        """Which validation samples (N,) an operating point, a row of ``points``, answers right."""
        return right_and_exits(self._evidence(point), RunPoint.from_row(point))[0]

    def compare(self, first: "pd.Series[Any]", second: "pd.Series[Any]") -> Comparison:
        """Hold two operating points against each other, sample by sample."""
        return self._compared(self.right_answers(first), self.right_answers(second))

    def _compared(self, first_N: NDArray[np.bool_], second_N: NDArray[np.bool_]) -> Comparison:
        # every network has seen the same samples
        labels = Store(self.path).read_evidence(next(iter(self.networks))).label_N
        return compared(first_N, second_N, labels, self.record.quality)

    def by_class(self, point: "pd.Series[Any]") -> ByClass:
        """What became of each class of the validation subset at an operating point, a row of ``points``."""
        return by_class(self._evidence(point), RunPoint.from_row(point), self.record.data.num_classes)

    def _evidence(self, point: "pd.Series[Any]") -> Evidence:
        weight_bits = RunPoint.from_row(point).edge_weight_bits
        return Store(self.path).read_evidence(str(point["network_key"]), edge_weight_bits=weight_bits)

    def with_setting(self, setting: Setting) -> "RunResults":
        """The same run on other devices and another link: costs and front are computed anew."""
        owners = pd.Categorical(self.points["network_key"], categories=list(self.networks)).codes
        networks = [(stored.splits, stored.num_samples) for stored in self.networks.values()]
        points = self.points
        if networks:
            swept = points[[*columns_of_sweep(points), "reference"]]
            costs = CostModel(setting).points_of_networks(swept, owners.astype(np.int64), networks)
            modelled = [name for name, metric in METRICS.items() if metric.kind == "modelled"]
            points = points.assign(**costs[modelled].set_index(points.index))
        marked = mark_front(points, self.objectives, self.record.constraints_on(setting))
        return replace(self, setting=setting, points=marked)


def load_run(path: Path) -> RunResults:
    """Read a run folder.

    Raises:
        UserError: A file is missing, unreadable or of another schema version.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="loaded", workers=1, energy=False, progress=False)
        >>> load_run(run.path).points.equals(run.points)
        True
    """
    record = RunRecord.read(path)
    if not (path / TRIALS_FILE).exists():
        raise UserError(f"{path}: the search was cut off; go on with `{resume_command(path)}`")
    results = run_results(path, record, read_rows(path / TRIALS_FILE))
    if lost := lost_networks(results.trials, results.networks):
        raise UserError(f"{path}: network {lost[0]} is missing; `{resume_command(path)}` trains it anew")
    return results


def lost_networks(trials: pd.DataFrame, stored: Container[str]) -> list[str]:
    """Keys of networks that proposals were answered from, and that are stored no longer.

    Example:
        >>> trials = pd.DataFrame({"outcome": ["trained", "failed"], "network_key": ["mlp-1", "mlp-2"]})
        >>> lost_networks(trials, stored=[])
        ['mlp-1']
    """
    answered = trials.loc[trials["outcome"].isin(["trained", "cached"]), "network_key"].unique()
    return [str(key) for key in answered if key not in stored]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write ``trials.json`` or ``baselines.json``, with a checksum.

    Example:
        >>> write_rows(Path("trials.json"), [{"number": 0}])
        >>> read_rows(Path("trials.json"))
        [{'number': 0}]
    """
    write_sealed(path, {"rows": rows})


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Inverse of :func:`write_rows`.

    Raises:
        UserError: Missing, unreadable or changed.

    Example:
        >>> read_rows(Path("baselines.json"))
        Traceback (most recent call last):
            ...
        explorer.runs.sealed.DamagedError: baselines.json: no such file; ...
    """
    rows: list[dict[str, Any]] = read_summary(path)["rows"]
    return rows


def read_summary(path: Path) -> dict[str, Any]:
    """One of :data:`SUMMARIES`, or ``front.json``, without its checksum.

    Raises:
        UserError: Missing, unreadable or changed.

    Example:
        >>> write_sealed(Path("measurements.json"), {"parts": []})
        >>> read_summary(Path("measurements.json"))
        {'parts': []}
    """
    return read_sealed(path, f"`{resume_command(path.parent)}` writes it anew")


def run_results(path: Path, record: RunRecord, trial_rows: list[dict[str, Any]]) -> RunResults:
    """What a run folder holds so far.

    Args:
        path: The run folder.
        record: Contents of ``run.json``.
        trial_rows: Rows of ``trials.json``.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="so-far", workers=1, energy=False, progress=False)
        >>> results = run_results(run.path, run.record, read_rows(run.path / TRIALS_FILE))
        >>> results.front["point_id"].equals(run.front["point_id"])
        True
    """
    trials = pd.DataFrame(trial_rows, columns=TRIAL_COLUMNS)
    store, setting = Store(path), record.setting
    networks = {key: store.read(key) for key in store}
    baselines = read_rows(path / BASELINES_FILE) if (path / BASELINES_FILE).exists() else []
    points = _all_points(networks, store, trials, pd.DataFrame(baselines), setting)
    points = _add_measurements(_corrected(points, networks, record), path / MEASUREMENTS_FILE)
    points = mark_front(points, record.objectives, record.constraints_on(setting))
    return RunResults(path, record, setting, points, trials, networks)


def _all_points(
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


def front_columns(known: Container[str]) -> list[str]:
    """Columns of ``front.csv``: those of every run, then those of its quality where that is not accuracy.

    ``known`` are the columns of its points.

    Example:
        >>> front_columns([*FRONT_COLUMNS, "balanced_accuracy"])[-1]
        'balanced_accuracy'
    """
    return [*FRONT_COLUMNS, *(name for name in OF_A_QUALITY if name in known)]


def write_front(results: RunResults) -> None:
    """Write ``front.csv`` and ``front.json``; the latter also lists references, dominated or not.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="written", workers=1, energy=False, progress=False)
        >>> write_front(run.results)
        >>> pd.read_csv(run.path / "front.csv").columns.tolist() == FRONT_COLUMNS
        True
    """
    columns = front_columns(results.points)
    write_text(results.path / "front.csv", csv_text(results.front[columns]))
    write_sealed(results.path / "front.json", front_content(results))


def front_content(results: RunResults) -> dict[str, Any]:
    """Contents of ``front.json``.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="content", workers=1, energy=False, progress=False)
        >>> content = front_content(run.results)
        >>> content["objectives"]["accuracy"], len(content["points"]) == len(run.front)
        ('maximize', True)
    """
    is_reference, columns = results.points["reference"] != "", front_columns(results.points)
    references = results.points.loc[is_reference, [*columns, "on_front", "feasible"]]
    return {
        "schema_version": SCHEMA_VERSION,
        "run": results.path.name,
        "objectives": {metric.name: metric.direction for metric in results.objectives},
        "reference_point": results.reference_point,
        "points": records(results.front[columns]),
        "references": records(references),
    }


def records(points: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain data: missing values None, densities as a mapping.

    Example:
        >>> points = pd.DataFrame({"accuracy": [0.9], "payload_bits": [None], "densities": ['{"fc1": 0.25}']})
        >>> records(points)
        [{'accuracy': 0.9, 'payload_bits': None, 'densities': {'fc1': 0.25}}]
    """
    rows = json.loads(points.to_json(orient="records", double_precision=15))
    return [row | {"densities": json.loads(row["densities"])} for row in rows]
