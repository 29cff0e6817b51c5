"""The ask/tell loop: ask, train or reuse, sweep, store, tell. The only writer of study and store.

Trainings run in a pool, as many at a time as it has slots. A new network is trained up to the first rung,
where its proposal is told; from there on trainings are no proposals. A free slot goes to a promotion, else
to a new proposal, and in the end to what is on the front and not yet trained to the end.

Several processes may search one study: claims keep them apart, an exchange gives each what others trained.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict

import optuna
from optuna.trial import TrialState

from explorer.candidate import Candidate
from explorer.core.operating_points import Evidence
from explorer.core.training import TrainingFailedError
from explorer.cost import Setting
from explorer.engine.claims import Claims, LocalClaims
from explorer.engine.cost_check import CostCheck
from explorer.engine.exchange import Exchange, NoExchange
from explorer.engine.outcomes import Outcome, Progress, Promotion, TrialResult, candidate_point
from explorer.engine.pool import Pool
from explorer.engine.proposals import Proposer
from explorer.engine.siblings import add_siblings
from explorer.engine.study import (
    REFERENCE,
    RESULT,
    ask_trial,
    count_asked,
    finished_trials,
    missing_references,
    take_up_trial,
    trial_claim,
)
from explorer.engine.suggest_time import SuggestTimes
from explorer.engine.trained import TrainedNetworks
from explorer.evaluate import EvaluatedNetwork, TrainingTask
from explorer.space import SearchSpace
from explorer.split_costs import SplitCosts
from explorer.store import Store

_STATES: dict[Outcome, TrialState] = {
    "trained": TrialState.COMPLETE,
    "cached": TrialState.COMPLETE,
    "infeasible": TrialState.PRUNED,  # has constraints but no values; TPE learns from it
    "failed": TrialState.FAIL,
}
Waiting = list[tuple[optuna.Trial, Candidate]]
POLL_S = 0.2


class SearchLoop:
    """Runs proposals until the study holds as many finished trials as asked for.

    Args:
        study: Where proposals come from and are told to.
        proposer: Turns trials into candidates.
        store: Holds trained networks.
        setting: Devices and link of the modelled costs.
        pool: Trains networks; a future raises TrainingFailedError. Tests pass a stand-in.
        rung_epochs: Epochs at which training pauses, ascending; the last is that of the recipe.
        sampler: One of :data:`explorer.engine.study.SAMPLERS`.
        seed: Of the sampler.
        siblings: Further points of each trained network that the sampler is told of, see
            :mod:`explorer.engine.siblings`.
        claims: Held against other processes of the study; by default there are none.
        exchange: Of networks with them.
    """

    def __init__(
        self,
        *,
        study: optuna.Study,
        proposer: Proposer,
        store: Store,
        setting: Setting,
        pool: Pool[TrainingTask, EvaluatedNetwork],
        rung_epochs: Sequence[int],
        sampler: str,
        seed: int,
        siblings: int = 0,
        claims: Claims | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        self.study, self.proposer, self.setting = study, proposer, setting
        self.pool, self.sampler, self.seed, self.siblings = pool, sampler, seed, siblings
        self.space: SearchSpace = proposer.space
        self._cost_check = CostCheck(proposer.inventory, self.space.parsed_constraints, setting)
        self.claims = claims or LocalClaims()
        self.networks = TrainedNetworks(
            store, self.space, setting, rung_epochs, self.claims, exchange or NoExchange()
        )
        self.suggest_times = SuggestTimes(sampler)
        self._references = [(reference.name, reference.params) for reference in proposer.references()]
        self.promotions: list[Promotion] = []
        self._counts: Counter[str] = Counter(trained=0, cached=0, infeasible=0, failed=0)
        self._under_way: dict[Future[EvaluatedNetwork], tuple[TrainingTask, Waiting]] = {}
        self._elsewhere: Waiting = []  # for networks that another process trains
        self._told = set[int]()
        told = [TrialResult(**trial.user_attrs[RESULT]) for trial in finished_trials(study)]
        self._elapsed_before = max((result.elapsed_s for result in told), default=0.0)
        self._start = time.perf_counter()
        self._recall()

    def _recall(self) -> None:
        """Take up what earlier sessions of this run told, and other processes of the study."""
        for trial in finished_trials(self.study):
            if trial.number not in self._told:
                result = TrialResult(**trial.user_attrs[RESULT])
                self._count(trial.number, result)
                if result.outcome == "failed":
                    self.networks.fail(result.network_key, result.reason)
                if REFERENCE in trial.user_attrs:
                    self.networks.keep_in_any_case(result.network_key)

    def _count(self, number: int, result: TrialResult) -> None:
        self._told.add(number)
        self._counts[result.outcome] += 1

    def _learn(self) -> None:
        """Take up what other processes of the study trained and told meanwhile."""
        if not self.claims.alone:
            self.networks.take_in()
            self._recall()

    def _catch_up(self) -> None:
        """See again to the proposals that wait for other processes."""
        self._learn()
        waiting, self._elsewhere = self._elsewhere, []
        for trial, candidate in waiting:
            self._see_to(trial, candidate)

    @property
    def elapsed_s(self) -> float:
        """Seconds of search over all sessions."""
        return self._elapsed_before + time.perf_counter() - self._start

    @property
    def exhausted(self) -> bool:
        """Whether every network of the space was trained or failed: no proposal could add a point."""
        known = len(self.networks) + len(self.networks.failures)
        return known >= self.proposer.inventory.num_networks

    def run(self, trials: int, timeout_s: float | None, report: Callable[[Progress], None]) -> None:
        """Propose until ``trials`` are finished or the space is exhausted; then complete the front.

        Trials, reference networks and trials of earlier sessions included, are counted together. After
        ``timeout_s`` seconds of this session no further training begins; what is under way is finished.
        """
        session_start, done_before, shown = time.perf_counter(), self._counts.total(), self._ended

        def in_time() -> bool:
            return timeout_s is None or time.perf_counter() - session_start < timeout_s

        def show() -> None:
            nonlocal shown
            if self._ended > shown:
                shown, new = self._ended, self._counts.total() - done_before
                per_trial_s = (time.perf_counter() - session_start) / new if new else None
                report(self._progress(trials, per_trial_s))

        while True:
            self._catch_up()
            show()
            while len(self._under_way) < self.pool.slots and in_time() and self._begin(trials):
                show()
            if self._under_way:
                poll_s = None if self.claims.alone else POLL_S
                for future in wait(self._under_way, poll_s, FIRST_COMPLETED).done:
                    self._settle(future)
                    show()
            elif in_time() and self._others_are_at_work(trials):
                time.sleep(POLL_S)
            else:
                return

    def _all_told(self, trials: int) -> bool:
        return self._counts.total() >= trials or self.exhausted

    def _others_are_at_work(self, trials: int) -> bool:
        """Whether another process has yet to finish, or to leave, what this one is waiting for."""
        open_ends = bool(self._elsewhere) or not self._all_told(trials) or self.networks.needs_completion
        return open_ends and not self.claims.alone

    @property
    def _ended(self) -> int:
        """Proposals and promotions that ended."""
        return self._counts.total() + len(self.promotions)

    def _progress(self, trials: int, per_trial_s: float | None) -> Progress:
        done, archive = self._counts.total(), self.networks.archive
        return Progress(
            done,
            trials,
            dict(self._counts),
            len(self.promotions),
            len(archive.front),
            archive.hypervolume,
            self.elapsed_s,
            None if per_trial_s is None else per_trial_s * (trials - done),
            self.suggest_times.recent_s,
            self.suggest_times.warning(),
        )

    def _begin(self, trials: int) -> bool:
        """Use a free slot; False when there is nothing to do with it now."""
        proposed = sum(len(waiting) for _, waiting in self._under_way.values()) + len(self._elsewhere)
        if (task := self.networks.promotion()) is not None:
            self._submit(task, [])
        elif self._counts.total() + proposed < trials and not self.exhausted:
            return self._propose(trials)
        elif not proposed and (task := self.networks.completion()) is not None:
            self._submit(task, [])
        else:
            return False
        return True

    def _submit(self, task: TrainingTask, waiting: Waiting) -> None:
        self._under_way[self.pool.submit(task)] = task, waiting

    def _propose(self, limit: int) -> bool:
        """Ask for a candidate and see to it; False when all processes together asked for ``limit``."""
        asking, start = (self.study, self.sampler, self.seed, self.claims), time.perf_counter()
        with self.claims.one_at_a_time():
            trial = take_up_trial(*asking)
            if trial is None and (self.claims.alone or count_asked(self.study) < limit):
                self._enqueue_reference()
                trial = ask_trial(*asking)
        if trial is None:
            return False
        candidate = self.proposer.suggest(trial)
        self.suggest_times.add(time.perf_counter() - start, time.perf_counter())
        self._see_to(trial, candidate)
        return True

    def _enqueue_reference(self) -> None:
        """Enqueue the next one: one at a time, so that trials are numbered in the order they are proposed."""
        if self._references:
            self._references = missing_references(self.study, self._references)
        if self._references:
            name, params = self._references.pop(0)
            self.study.enqueue_trial(params, user_attrs={REFERENCE: name})

    def _see_to(self, trial: optuna.Trial, candidate: Candidate) -> None:
        """Answer a candidate from what is known, or have its network trained, here or elsewhere."""
        if REFERENCE in trial.user_attrs:
            self.networks.keep_in_any_case(candidate.network.key)
        if not self._answer_known(trial, candidate):
            self._train(trial, candidate)

    def _answer_known(self, trial: optuna.Trial, candidate: Candidate) -> bool:
        """Answer a candidate whose network was trained or has failed; False if it is neither."""
        key = candidate.network.key
        if key in self.networks:
            self._answer(trial, candidate, "cached", *self.networks.answer(key))
        elif key in self.networks.failures:
            self._tell(trial, candidate, "failed", self.networks.failures[key])
        else:
            return False
        return True

    def _train(self, trial: optuna.Trial, candidate: Candidate) -> None:
        """Have a new network trained, unless it is under way or the candidate is known to cost too much."""
        for task, waiting in self._under_way.values():
            if task.spec.key == candidate.network.key:
                waiting.append((trial, candidate))
                return
        if REFERENCE not in trial.user_attrs and (violations := self._cost_check.violations(candidate)):
            for constraint, violation in violations.items():
                trial.set_constraint(constraint, violation)
            self._tell(
                trial, candidate, "infeasible", f"known before training: not {'; not '.join(violations)}"
            )
            return
        key = candidate.network.key
        if not self.networks.claim(key):
            self._elsewhere.append((trial, candidate))
            return
        self._learn()  # it may have been trained or have failed since the last look
        if self._answer_known(trial, candidate):
            self.networks.release(key)
        else:
            self._submit(self.networks.task(candidate.network), [(trial, candidate)])

    def _settle(self, future: Future[EvaluatedNetwork]) -> None:
        """Store what was trained and answer the proposals that waited for it."""
        task, waiting = self._under_way.pop(future)
        key, reason = task.spec.key, ""
        try:
            network = future.result()
        except TrainingFailedError as error:
            reason = str(error)
            self.networks.fail(key, reason)
            for trial, candidate in waiting:
                self._tell(trial, candidate, "failed", reason)
        else:
            points = self.networks.keep(network)
            for number, (trial, candidate) in enumerate(waiting):
                outcome: Outcome = "cached" if number else "trained"
                self._answer(trial, candidate, outcome, network.evidence, network.splits)
            if waiting:
                on_front = points[self.networks.archive.holds(points)]
                add_siblings(self.study, *waiting[0], self.proposer, on_front, self.siblings)
        self.networks.release(key)
        if not waiting:
            hypervolume = self.networks.archive.hypervolume
            self.promotions.append(Promotion(key, task.until_epoch, reason, self.elapsed_s, hypervolume))

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
            self.networks.archive.hypervolume,
            len(self.networks.archive.front),
        )
        trial.set_user_attr(RESULT, asdict(result))
        self.study.tell(trial, values, state=_STATES[outcome])
        self._count(trial.number, result)
        self.claims.release(trial_claim(trial.number))
