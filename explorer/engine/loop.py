"""The ask/tell loop: ask, train or reuse, sweep, store, tell. The only writer of study and store.

Trainings run in a pool, as many at a time as it has slots; a proposal whose network is under way waits.
"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict

import optuna
import pandas as pd
from optuna.trial import TrialState

from explorer.candidate import Candidate, NetworkSpec
from explorer.core.operating_points import Evidence, sweep
from explorer.core.training import TrainingFailedError
from explorer.cost import Setting, operating_points
from explorer.engine.archive import Archive
from explorer.engine.outcomes import Outcome, Progress, TrialResult, candidate_point
from explorer.engine.pool import Pool
from explorer.engine.proposals import Proposer
from explorer.engine.siblings import add_siblings
from explorer.engine.study import REFERENCE, RESULT, finished_trials, missing_references, next_trial
from explorer.evaluate import EvaluatedNetwork
from explorer.space import SearchSpace
from explorer.split_costs import SplitCosts
from explorer.store import Store


class SearchLoop:
    """Runs proposals until the study holds as many finished trials as asked for.

    Args:
        study: Where proposals come from and are told to.
        proposer: Turns trials into candidates.
        store: Holds trained networks.
        setting: Devices and link of the modelled costs.
        pool: Trains networks; a future raises TrainingFailedError. Tests pass a stand-in.
        sampler: One of :data:`explorer.engine.study.SAMPLERS`.
        seed: Of the sampler.
        siblings: Further points of each trained network that the sampler is told of, see
            :mod:`explorer.engine.siblings`.
    """

    def __init__(
        self,
        *,
        study: optuna.Study,
        proposer: Proposer,
        store: Store,
        setting: Setting,
        pool: Pool[NetworkSpec, EvaluatedNetwork],
        sampler: str,
        seed: int,
        siblings: int = 0,
    ) -> None:
        self.study, self.proposer, self.store, self.setting = study, proposer, store, setting
        self.pool, self.sampler, self.seed, self.siblings = pool, sampler, seed, siblings
        self.space: SearchSpace = proposer.space
        self.archive = Archive(self.space.metrics, self.space.objectives, self.space.parsed_constraints)
        references = [(reference.name, reference.params) for reference in proposer.references()]
        self._references = missing_references(study, references)
        self._failures: dict[str, str] = {}
        self._counts: Counter[str] = Counter(trained=0, cached=0, failed=0)
        self._under_way: dict[Future[EvaluatedNetwork], list[tuple[optuna.Trial, Candidate]]] = {}
        self._elapsed_before = 0.0
        self._start = time.perf_counter()
        self._stored = set[str]()
        self._recall()

    def _recall(self) -> None:
        """Take up what earlier sessions of this run stored and told."""
        self.store.remove_unfinished()
        for key in self.store:
            stored = self.store.read(key)
            self.archive.add(operating_points(stored.points, stored.splits, stored.num_samples, self.setting))
            self._stored.add(key)
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

    @property
    def exhausted(self) -> bool:
        """Whether every network of the space was trained or failed: no proposal could add a point."""
        return len(self._stored) + len(self._failures) >= self.proposer.inventory.num_networks

    def run(self, trials: int, timeout_s: float | None, report: Callable[[Progress], None]) -> None:
        """Propose until ``trials`` are finished, the space is exhausted, or ``timeout_s`` have passed.

        Trials, reference networks and trials of earlier sessions included, are counted together; seconds are
        those of this session. What is being trained by then is finished.
        """
        session_start, done_before = time.perf_counter(), self._counts.total()

        def show(done: int) -> None:
            if (new := self._counts.total()) > done:
                per_trial_s = (time.perf_counter() - session_start) / (new - done_before)
                report(self._progress(trials, per_trial_s))

        def may_ask() -> bool:
            asked = self._counts.total() + sum(map(len, self._under_way.values()))
            in_time = timeout_s is None or time.perf_counter() - session_start < timeout_s
            return asked < trials and in_time and not self.exhausted

        while True:
            while len(self._under_way) < self.pool.slots and may_ask():
                done = self._counts.total()
                self._propose()
                show(done)
            if not self._under_way:
                return
            for future in wait(self._under_way, return_when=FIRST_COMPLETED).done:
                done = self._counts.total()
                self._settle(future)
                show(done)

    def _progress(self, trials: int, per_trial_s: float) -> Progress:
        done = self._counts.total()
        remaining_s = per_trial_s * (trials - done)
        front_size, hypervolume = len(self.archive.front), self.archive.hypervolume
        return Progress(
            done, trials, dict(self._counts), front_size, hypervolume, self.elapsed_s, remaining_s
        )

    def _propose(self) -> None:
        """Ask for a candidate; answer it from what is known, or have its network trained."""
        if self._references:  # one at a time: trials are numbered in the order in which they are proposed
            name, params = self._references.pop(0)
            self.study.enqueue_trial(params, user_attrs={REFERENCE: name})
        under_way = {trial.number for waiting in self._under_way.values() for trial, _ in waiting}
        trial = next_trial(self.study, self.sampler, self.seed, under_way)
        candidate = self.proposer.suggest(trial)
        key = candidate.network.key
        if key in self._stored:
            stored, evidence = self.store.read(key), self.store.read_evidence(key)
            self._answer(trial, candidate, "cached", evidence, stored.splits)
        elif key in self._failures:
            self._tell(trial, candidate, "failed", self._failures[key])
        else:
            for waiting in self._under_way.values():
                if waiting[0][1].network.key == key:
                    waiting.append((trial, candidate))
                    return
            self._under_way[self.pool.submit(candidate.network)] = [(trial, candidate)]

    def _settle(self, future: Future[EvaluatedNetwork]) -> None:
        """Store a trained network and answer the proposals that waited for it."""
        waiting = self._under_way.pop(future)
        key = waiting[0][1].network.key
        try:
            network = future.result()
        except TrainingFailedError as error:
            self._failures[key] = str(error)
            for trial, candidate in waiting:
                self._tell(trial, candidate, "failed", str(error))
            return
        points = self._keep(network)
        for number, (trial, candidate) in enumerate(waiting):
            outcome: Outcome = "cached" if number else "trained"
            self._answer(trial, candidate, outcome, network.evidence, network.splits)
        trial, candidate = waiting[0]
        on_front = points[self.archive.holds(points)]
        add_siblings(self.study, trial, candidate, self.proposer, on_front, self.siblings)

    def _keep(self, network: EvaluatedNetwork) -> pd.DataFrame:
        """Sweep, store and archive; returns the network's operating points."""
        thresholds, spec = self.space.confidence_thresholds, network.spec
        swept = self._allowed(sweep(network.evidence, thresholds.low, thresholds.high), spec)
        self.store.write(network, swept)
        self._stored.add(spec.key)
        points = operating_points(swept, network.splits, network.evidence.num_samples, self.setting)
        self.archive.add(points)
        return points

    def _allowed(self, points: pd.DataFrame, spec: NetworkSpec) -> pd.DataFrame:
        """Rows at split points that the space allows."""
        allowed = self.space.backbones[spec.backbone].split_points
        return (
            points if allowed == "all" else points[points["split_point"].isin(allowed)].reset_index(drop=True)
        )

    def _answer(
        self,
        trial: optuna.Trial,
        candidate: Candidate,
        outcome: Outcome,
        evidence: Evidence,
        splits: tuple[SplitCosts, ...],
    ) -> None:
        """Tell the candidate's own operating point."""
        point = candidate_point(candidate, evidence, splits, self.setting).iloc[0]
        for constraint in self.space.parsed_constraints:
            trial.set_constraint(str(constraint), constraint.violation(float(point[constraint.column])))
        self._tell(
            trial, candidate, outcome, "", [float(point[metric.name]) for metric in self.space.metrics]
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
