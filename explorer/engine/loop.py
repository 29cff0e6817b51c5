"""The ask/tell loop: ask, train or reuse, sweep, store, tell. The only writer of study and store.

Trainings run in a pool, as many at a time as it has slots. A new network is trained up to the first rung
of asynchronous successive halving (ASHA), where its proposal is told; from there on trainings are no
proposals. A free slot goes to a promotion, else to a new proposal, and in the end to what is on the front
and not yet trained to the end.

A network that starts from the trained dense one of its variant, or learns from it, waits for it. A dense
network that was not proposed is trained all the same, and is no proposal either.

Several processes may search one study: locks keep them apart, a network sync gives each what others trained.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

import optuna

from explorer.core.training import TrainingFailedError
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask
from explorer.costs.model import CostModel
from explorer.engine.backlog import Backlog, Waiting
from explorer.engine.networks import NetworkRegistry
from explorer.engine.outcomes import REFERENCE, Progress, TrialOutcome
from explorer.engine.pool.base import Pool
from explorer.engine.prescreen import Prescreen
from explorer.engine.proposals import Proposer
from explorer.engine.storage.locks import LocalLocks, Locks
from explorer.engine.storage.network_sync import NetworkSync, NoSync
from explorer.engine.study import SearchStudy
from explorer.engine.surrogate.surrogate import Surrogate
from explorer.runs.record import Promotion
from explorer.runs.store import Store
from explorer.space.candidate import Candidate, NetworkSpec
from explorer.space.schema import SearchSpace

POLL_S = 0.2


class SearchLoop:
    """Runs proposals until the study holds as many finished trials as asked for.

    Args:
        study: Where proposals come from and are told to.
        proposer: Turns trials into candidates.
        store: Holds trained networks.
        costs: The cost model of the search.
        pool: Trains networks; a future raises TrainingFailedError. Tests pass a stand-in.
        rung_epochs: Epochs at which training pauses, ascending; the last is that of the recipe.
        sampler: One of :data:`explorer.engine.defaults.SAMPLERS`.
        seed: Of the sampler.
        prefer: What the sampler ``front`` looks for.
        locks: Held against other processes of the study; by default there are none.
        sync: Passes networks to and from them.
        trained_to: Epochs that earlier sessions trained networks to, by key, where that is known: one that
            was lost since is trained that far again.

    Example:
        >>> from pathlib import Path
        >>> from explorer.devices import Setting
        >>> from explorer.engine.pool.base import SerialPool
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> def fail(task: TrainingTask) -> EvaluatedNetwork:
        ...     raise TrainingFailedError("diverged")
        >>> space = load_space("digits")[0]
        >>> loop = SearchLoop(
        ...     study=optuna.create_study(directions=[metric.direction for metric in space.metrics]),
        ...     proposer=Proposer(build_inventory(space, (1, 8, 8), 10), {}),
        ...     store=Store(Path()),
        ...     costs=CostModel(Setting.load("rpi4", "nvidia_t4", "lte_2021")),
        ...     pool=SerialPool(fail),
        ...     rung_epochs=(10,),
        ...     sampler="random",
        ...     seed=0,
        ... )
        >>> loop.run(3, timeout_s=None, report=lambda progress: None)
        >>> dict(loop.study.counts)
        {'trained': 0, 'cached': 0, 'infeasible': 0, 'failed': 3}
    """

    def __init__(
        self,
        *,
        study: optuna.Study,
        proposer: Proposer,
        store: Store,
        costs: CostModel,
        pool: Pool[TrainingTask, EvaluatedNetwork],
        rung_epochs: Sequence[int],
        sampler: str,
        seed: int,
        prefer: str = "gain",
        locks: Locks | None = None,
        sync: NetworkSync | None = None,
        trained_to: Mapping[str, int] | None = None,
    ) -> None:
        self.proposer, self.pool = proposer, pool
        self.space: SearchSpace = proposer.space
        constraints = self.space.constraints_on(costs.setting)
        self._prescreen = Prescreen(proposer.inventory, constraints, costs)
        self.locks = locks or LocalLocks()
        surrogate = None
        if sampler == "front":
            surrogate = Surrogate(proposer.inventory, proposer.network, costs, prefer)
        self.networks = NetworkRegistry(
            *(store, self.space, costs, rung_epochs, self.locks, sync or NoSync(), surrogate, trained_to)
        )
        self.networks.failures |= proposer.failures()
        self.study = SearchStudy(
            *(study, proposer, costs, self.networks.archive, self.locks),
            sampler=sampler,
            seed=seed,
            surrogate=surrogate,
            float_archive=self.networks.float_archive,
        )
        self.promotions: list[Promotion] = []
        self._under_way: dict[Future[EvaluatedNetwork], tuple[TrainingTask, Waiting]] = {}
        self._elsewhere: Waiting = []  # for networks that another process trains
        self._load_history()
        self.backlog = Backlog(self.networks, self._find_lost(), self._sync)

    def _load_history(self) -> None:
        """Enter what earlier sessions of this run, and other processes of the study, have told."""
        for result in self.study.news():
            if result.outcome == "failed":
                self.networks.fail(result.network_key, result.reason)
            if result.reference:
                self.networks.require(result.network_key)

    def _find_lost(self) -> list[NetworkSpec]:
        """Networks behind what was told that are stored no longer: files were damaged. Dense ones first."""
        told = self.study.networks_told()
        needed = {own.key: own for spec in told for own in (spec.dense, spec) if own is not None}
        return [spec for key, spec in needed.items() if key not in self.networks]

    def _sync(self) -> bool:
        """Enter what other processes of the study have trained and told meanwhile; whether they trained."""
        if self.locks.alone:
            return False
        trained = self.networks.pull()
        self._load_history()
        return trained

    def _retry_waiting(self) -> bool:
        """Handle again the proposals whose networks others were training; whether these trained any."""
        trained = self._sync()
        waiting, self._elsewhere = self._elsewhere, []
        for trial, candidate in waiting:
            self._handle(trial, candidate)
        return trained

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
        session_start, done_before, shown = time.perf_counter(), self.study.counts.total(), self._ended

        def in_time() -> bool:
            return timeout_s is None or time.perf_counter() - session_start < timeout_s

        def show() -> None:
            nonlocal shown
            if self._ended > shown:
                shown, new = self._ended, self.study.counts.total() - done_before
                per_trial_s = (time.perf_counter() - session_start) / new if new else None
                report(self._progress(trials, per_trial_s))

        self.locks.set_busy(True)
        while True:
            if self._retry_waiting():
                self.locks.set_busy(True)
            show()
            while len(self._under_way) < self.pool.slots and in_time() and self._begin(trials):
                show()
            if self._under_way:
                self.locks.set_busy(True)  # also with what a killed process left while this one was idle
                poll_s = None if self.locks.alone else POLL_S
                for future in wait(self._under_way, poll_s, FIRST_COMPLETED).done:
                    self._settle(future)
                    show()
            elif in_time() and self._others_are_at_work(trials):
                time.sleep(POLL_S)
            elif self._may_leave(wait=in_time()):
                return

    def _all_told(self, trials: int) -> bool:
        return self.study.counts.total() >= trials or self.exhausted

    def _others_are_at_work(self, trials: int) -> bool:
        """Whether another process has yet to finish, or to leave, what this one is waiting for."""
        open_ends = (
            bool(self._elsewhere or self.backlog)
            or not self._all_told(trials)
            or self.networks.needs_completion
        )
        return open_ends and not self.locks.alone

    def _may_leave(self, wait: bool) -> bool:
        """Whether this process knows all that the study's processes have trained, and will train.

        One that finds nothing to do knows as much as the others only once none of them is at work: what they
        are training may be no proposal, and on no front.
        """
        self.locks.set_busy(False)
        if wait and self.locks.others_busy:
            time.sleep(POLL_S)
            return False
        news = self._sync()
        self.locks.set_busy(news)
        return not news

    @property
    def _ended(self) -> int:
        """Proposals and promotions that ended."""
        return self.study.counts.total() + len(self.promotions)

    def _progress(self, trials: int, per_trial_s: float | None) -> Progress:
        done, archive = self.study.counts.total(), self.networks.archive
        return Progress(
            done,
            trials,
            dict(self.study.counts),
            len(self.promotions),
            len(archive.front),
            archive.hypervolume,
            self.study.elapsed_s,
            None if per_trial_s is None else per_trial_s * (trials - done),
            self.study.suggest_times.recent_s,
            self.study.suggest_times.warning(),
        )

    def _begin(self, trials: int) -> bool:
        """Use a free slot; False when there is nothing to do with it now."""
        proposed = sum(len(waiting) for _, waiting in self._under_way.values())
        proposed += len(self._elsewhere) + len(self.backlog)
        if (task := self.backlog.lost_task() or self.networks.promotion()) is not None:
            self._submit(task, [])
        elif (ready := self.backlog.pop_ready()) is not None:
            self._handle(*ready)
        elif (task := self.backlog.dense_task()) is not None:
            self._submit(task, [])
        elif self._may_ask(trials - proposed):
            if (asked := self.study.ask(trials)) is None:
                return False
            self._handle(*asked)
        elif not proposed and (task := self.networks.completion()) is not None:
            self._submit(task, [])
        else:
            return False
        return True

    def _may_ask(self, trials: int) -> bool:
        """Whether to propose more, unless so many are told or a poolful waits for dense networks.

        Nor when every network left is being trained: a proposal could only wait for one of them.
        """
        new = sum(task.spec.key not in self.networks for task, _ in self._under_way.values())
        known = len(self.networks) + len(self.networks.failures)
        if known + new >= self.proposer.inventory.num_networks:
            return False
        return not self._all_told(trials) and len(self.backlog) < self.pool.slots

    def _submit(self, task: TrainingTask, waiting: Waiting) -> None:
        self._under_way[self.pool.submit(task)] = task, waiting

    def _handle(self, trial: optuna.Trial, candidate: Candidate) -> None:
        """Answer a candidate from what is known, or have its network trained, here or elsewhere."""
        if REFERENCE in trial.user_attrs:
            self.networks.require(candidate.network.key)
        if not self._answer_known(trial, candidate):
            self._train(trial, candidate)

    def _answer_known(self, trial: optuna.Trial, candidate: Candidate) -> bool:
        """Answer a candidate whose network was trained or has failed; False if it is neither."""
        key = candidate.network.key
        if key in self.networks:
            self.study.tell_point(trial, candidate, "cached", *self.networks.answer(key))
        elif key in self.networks.failures:
            self.study.tell_failure(trial, candidate, self.networks.failures[key])
        else:
            return False
        return True

    def _train(self, trial: optuna.Trial, candidate: Candidate) -> None:
        """Have a new network trained, unless it is under way or the candidate is known to cost too much."""
        for task, waiting in self._under_way.values():
            if task.spec.key == candidate.network.key:
                waiting.append((trial, candidate))
                return
        key = candidate.network.key
        if REFERENCE not in trial.user_attrs:
            try:
                violations = self._prescreen.violations(candidate)
            except TrainingFailedError as error:
                self.networks.fail(key, str(error))
                self.study.tell_failure(trial, candidate, str(error))
                return
            if violations:
                self.study.tell_infeasible(trial, candidate, violations)
                return
        if not self._can_start(trial, candidate):
            return
        if not self.networks.lock(key):
            self._elsewhere.append((trial, candidate))
            return
        self._sync()  # it may have been trained or have failed since the last look
        if self._answer_known(trial, candidate):
            self.networks.unlock(key)
        else:
            self._submit(self.networks.task(candidate.network), [(trial, candidate)])

    def _can_start(self, trial: optuna.Trial, candidate: Candidate) -> bool:
        """Whether what a network starts from is there; else its proposal waits for it, or fails with it."""
        if self.networks.awaited(candidate.network) is not None:
            self.backlog.add(trial, candidate)
            return False
        if reason := self.networks.start_failure(candidate.network):
            self.networks.fail(candidate.network.key, reason)
            self.study.tell_failure(trial, candidate, reason)
        return not reason

    def _settle(self, future: Future[EvaluatedNetwork]) -> None:
        """Store what was trained and answer the proposals that waited for it."""
        task, waiting = self._under_way.pop(future)
        key, reason = task.spec.key, ""
        try:
            network = future.result()
            self.networks.keep(network)
        except TrainingFailedError as error:
            reason = str(error)
            self.networks.fail(key, reason)
            for trial, candidate in waiting:
                self.study.tell_failure(trial, candidate, reason)
        else:
            for number, (trial, candidate) in enumerate(waiting):
                outcome: TrialOutcome = "cached" if number else "trained"
                self.study.tell_point(trial, candidate, outcome, network.evidences, network.splits)
        self.networks.unlock(key)
        if not waiting:
            hypervolume = self.networks.archive.hypervolume
            self.promotions.append(
                Promotion(key, task.until_epoch, reason, self.study.elapsed_s, hypervolume)
            )
