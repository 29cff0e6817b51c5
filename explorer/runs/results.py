"""One run as plain tables: every operating point with its costs, every proposal, and the front."""

from collections.abc import Container
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.core.confusion import ByClass, by_class
from explorer.core.evidence import Evidence
from explorer.core.run_point import RunPoint
from explorer.core.sweep import columns_of_sweep, right_and_exits
from explorer.costs.model import CostModel
from explorer.devices import Setting
from explorer.errors import UserError
from explorer.front.paired import Comparison, cheaper_alike, compared
from explorer.front.pareto import mark_front
from explorer.front.select import Pick, Selection, select
from explorer.runs.folder import resume_command
from explorer.runs.point_table import all_points
from explorer.runs.record import RunRecord
from explorer.runs.store import Store, StoredNetwork
from explorer.runs.summaries import TRIAL_COLUMNS, TRIALS_FILE, read_rows
from explorer.space.fit import memory_limits
from explorer.space.metrics import METRICS, Metric
from explorer.space.names import network_words, point_name


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
    points = all_points(path, record, networks, trials)
    points = mark_front(points, record.objectives, record.constraints_on(setting))
    return RunResults(path, record, setting, points, trials, networks)
