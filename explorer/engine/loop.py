"""The ask/tell loop: ask, train or reuse, sweep, store, tell. The only writer of study and store."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

import optuna
import pandas as pd
from optuna.trial import TrialState

from explorer.candidate import Candidate, NetworkSpec
from explorer.core.operating_points import Evidence, outcome_at, sweep
from explorer.core.training import TrainingFailedError
from explorer.cost import Setting, operating_points
from explorer.engine.archive import Archive
from explorer.engine.proposals import Proposer
from explorer.engine.study import REFERENCE, RESULT, enqueue_missing, finished_trials, next_trial
from explorer.evaluate import EvaluatedNetwork
from explorer.space import SearchSpace
from explorer.split_costs import SplitCosts
from explorer.store import Store

Outcome = Literal["trained", "cached", "failed"]


@dataclass(frozen=True)
class TrialResult:
    """What became of a proposal; kept with the trial in the study.

    Attributes:
        outcome: Trained now, answered from the store, or failed.
        network_key: Of the candidate's network.
        reason: Why it failed.
        split_point, confidence_threshold, payload_bits: How the candidate ran the network.
        elapsed_s: Seconds of search up to its end, over all sessions.
        hypervolume: Of the archive after it.
        front_size: Points of the archive after it.
    """

    outcome: Outcome
    network_key: str
    reason: str
    split_point: str
    confidence_threshold: float | None
    payload_bits: int | None
    elapsed_s: float
    hypervolume: float
    front_size: int


@dataclass(frozen=True)
class Progress:
    """Where a search stands, for display."""

    trials: int
    trials_asked: int
    counts: dict[str, int]
    front_size: int
    hypervolume: float
    elapsed_s: float
    remaining_s: float | None


class SearchLoop:
    """Runs proposals until the study holds as many finished trials as asked for.

    Args:
        study: Where proposals come from and are told to.
        proposer: Turns trials into candidates.
        store: Holds trained networks.
        setting: Devices and link of the modelled costs.
        evaluate: Trains one network; raises TrainingFailedError. Tests pass a stand-in.
        sampler: One of :data:`explorer.engine.study.SAMPLERS`.
        seed: Of the sampler.
    """

    def __init__(
        self,
        *,
        study: optuna.Study,
        proposer: Proposer,
        store: Store,
        setting: Setting,
        evaluate: Callable[[NetworkSpec], EvaluatedNetwork],
        sampler: str,
        seed: int,
    ) -> None:
        self.study, self.proposer, self.store, self.setting = study, proposer, store, setting
        self.evaluate, self.sampler, self.seed = evaluate, sampler, seed
        self.space: SearchSpace = proposer.space
        self.archive = Archive(self.space.metrics, self.space.objectives, self.space.parsed_constraints)
        self._failures: dict[str, str] = {}
        self._counts: Counter[str] = Counter(trained=0, cached=0, failed=0)
        self._elapsed_before = 0.0
        self._start = time.perf_counter()
        self._recall()

    def _recall(self) -> None:
        """Take up what earlier sessions of this run stored and told."""
        self.store.remove_unfinished()
        for key in self.store:
            stored = self.store.read(key)
            self.archive.add(operating_points(stored.points, stored.splits, stored.num_samples, self.setting))
        for trial in finished_trials(self.study):
            result = TrialResult(**trial.user_attrs[RESULT])
            self._counts[result.outcome] += 1
            self._elapsed_before = max(self._elapsed_before, result.elapsed_s)
            if result.outcome == "failed":
                self._failures[result.network_key] = result.reason

    @property
    def elapsed_s(self) -> float:
        """Seconds of search over all sessions."""
        return self._elapsed_before + time.perf_counter() - self._start

    def run(self, trials: int, timeout_s: float | None, report: Callable[[Progress], None]) -> None:
        """Propose until ``trials`` are finished, or ``timeout_s`` of this session have passed.

        Trials, reference networks and trials of earlier sessions included, are counted together.
        """
        references = [(reference.name, reference.params) for reference in self.proposer.references()]
        enqueue_missing(self.study, references[:trials])
        session_start, done_before = time.perf_counter(), self._counts.total()
        while (done := self._counts.total()) < trials:
            session_s = time.perf_counter() - session_start
            if timeout_s is not None and session_s >= timeout_s:
                return
            self._run_trial(next_trial(self.study, self.sampler, self.seed))
            per_trial_s = (time.perf_counter() - session_start) / (done + 1 - done_before)
            report(self._progress(trials, per_trial_s))

    def _progress(self, trials: int, per_trial_s: float) -> Progress:
        done = self._counts.total()
        remaining_s = per_trial_s * (trials - done)
        front_size, hypervolume = len(self.archive.front), self.archive.hypervolume
        return Progress(
            done, trials, dict(self._counts), front_size, hypervolume, self.elapsed_s, remaining_s
        )

    def _run_trial(self, trial: optuna.Trial) -> None:
        candidate = self.proposer.suggest(trial)
        try:
            outcome, evidence, splits = self._obtain(candidate.network)
        except TrainingFailedError as error:
            self._failures[candidate.network.key] = str(error)
            self._tell(trial, candidate, "failed", str(error))
            return
        point = candidate_point(candidate, evidence, splits, self.setting).iloc[0]
        for constraint in self.space.parsed_constraints:
            trial.set_constraint(str(constraint), constraint.violation(float(point[constraint.column])))
        self._tell(
            trial, candidate, outcome, "", [float(point[metric.name]) for metric in self.space.metrics]
        )

    def _obtain(self, spec: NetworkSpec) -> tuple[Outcome, Evidence, tuple[SplitCosts, ...]]:
        """Reuse a stored network, or train and store it."""
        key = spec.key
        if key in self.store:
            return "cached", self.store.read_evidence(key), self.store.read(key).splits
        if key in self._failures:
            raise TrainingFailedError(self._failures[key])
        network = self.evaluate(spec)
        thresholds = self.space.confidence_thresholds
        points = sweep(network.evidence, thresholds.low, thresholds.high)
        points = self._allowed(points, spec)
        self.store.write(network, points)
        self.archive.add(operating_points(points, network.splits, network.evidence.num_samples, self.setting))
        return "trained", network.evidence, network.splits

    def _allowed(self, points: pd.DataFrame, spec: NetworkSpec) -> pd.DataFrame:
        """Rows at split points that the space allows."""
        allowed = self.space.backbones[spec.backbone].split_points
        return (
            points if allowed == "all" else points[points["split_point"].isin(allowed)].reset_index(drop=True)
        )

    def _tell(
        self,
        trial: optuna.Trial,
        candidate: Candidate,
        outcome: Outcome,
        reason: str,
        values: list[float] | None = None,
    ) -> None:
        result = TrialResult(
            outcome,
            candidate.network.key,
            reason,
            candidate.split_point,
            candidate.confidence_threshold,
            candidate.payload_bits,
            self.elapsed_s,
            self.archive.hypervolume,
            len(self.archive.front),
        )
        trial.set_user_attr(RESULT, asdict(result))
        self.study.tell(trial, values, state=TrialState.FAIL if values is None else TrialState.COMPLETE)
        self._counts[outcome] += 1


def candidate_point(
    candidate: Candidate, evidence: Evidence, splits: tuple[SplitCosts, ...], setting: Setting
) -> pd.DataFrame:
    """The candidate's own operating point, one row; its threshold need not lie on the swept frontier."""
    own = outcome_at(evidence, candidate.split_point, candidate.payload_bits, candidate.confidence_threshold)
    row = pd.DataFrame(
        {
            "split_point": [candidate.split_point],
            "payload_bits": pd.array([candidate.payload_bits], dtype="Int64"),
            "confidence_threshold": pd.array([candidate.confidence_threshold], dtype="float64"),
            "correct": [own.correct],
            "exited": [own.exited],
        }
    )
    return operating_points(row, splits, evidence.num_samples, setting)


def reference_name(trial: optuna.trial.FrozenTrial) -> str:
    """Name of the reference that was enqueued as this trial, else empty."""
    return str(trial.user_attrs.get(REFERENCE, ""))
