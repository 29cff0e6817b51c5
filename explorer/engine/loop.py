"""The ask/tell loop: ask, train or reuse, sweep, store, tell. The only writer of study and store.

Trainings run in a pool, as many at a time as it has slots. A new network is trained up to the first rung,
where its proposal is told; from there on trainings are no proposals. A free slot goes to a promotion, else
to a new proposal, and in the end to what is on the front and not yet trained to the end.

Several processes may search one study: claims keep them apart, an exchange gives each what others trained.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

import optuna

from explorer.candidate import Candidate
from explorer.core.training import TrainingFailedError
from explorer.cost import Setting
from explorer.engine.asking import Asker
from explorer.engine.claims import Claims, LocalClaims
from explorer.engine.cost_check import CostCheck
from explorer.engine.exchange import Exchange, NoExchange
from explorer.engine.outcomes import Outcome, Progress, Promotion
from explorer.engine.pool import Pool
from explorer.engine.proposals import Proposer
from explorer.engine.siblings import add_siblings
from explorer.engine.study import REFERENCE
from explorer.engine.suggest_time import SuggestTimes
from explorer.engine.telling import Teller
from explorer.engine.trained import TrainedNetworks
from explorer.evaluate import EvaluatedNetwork, TrainingTask
from explorer.space import SearchSpace
from explorer.store import Store

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
        self.study, self.proposer = study, proposer
        self.pool, self.siblings = pool, siblings
        self.space: SearchSpace = proposer.space
        self._cost_check = CostCheck(proposer.inventory, self.space.parsed_constraints, setting)
        self.claims = claims or LocalClaims()
        self.networks = TrainedNetworks(
            store, self.space, setting, rung_epochs, self.claims, exchange or NoExchange()
        )
        self.networks.failures |= proposer.failures()
        self._teller = Teller(study, self.space, setting, self.networks.archive, self.claims)
        self._asker = Asker(study, proposer, sampler, seed, self.claims)
        self.promotions: list[Promotion] = []
        self._under_way: dict[Future[EvaluatedNetwork], tuple[TrainingTask, Waiting]] = {}
        self._elsewhere: Waiting = []  # for networks that another process trains
        self._recall()

    def _recall(self) -> None:
        """Take up what earlier sessions of this run told, and other processes of the study."""
        for result, is_reference in self._teller.news():
            if result.outcome == "failed":
                self.networks.fail(result.network_key, result.reason)
            if is_reference:
                self.networks.keep_in_any_case(result.network_key)

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
    def suggest_times(self) -> SuggestTimes:
        """What the sampler took in this session."""
        return self._asker.times

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
        session_start, done_before, shown = time.perf_counter(), self._teller.counts.total(), self._ended

        def in_time() -> bool:
            return timeout_s is None or time.perf_counter() - session_start < timeout_s

        def show() -> None:
            nonlocal shown
            if self._ended > shown:
                shown, new = self._ended, self._teller.counts.total() - done_before
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
        return self._teller.counts.total() >= trials or self.exhausted

    def _others_are_at_work(self, trials: int) -> bool:
        """Whether another process has yet to finish, or to leave, what this one is waiting for."""
        open_ends = bool(self._elsewhere) or not self._all_told(trials) or self.networks.needs_completion
        return open_ends and not self.claims.alone

    @property
    def _ended(self) -> int:
        """Proposals and promotions that ended."""
        return self._teller.counts.total() + len(self.promotions)

    def _progress(self, trials: int, per_trial_s: float | None) -> Progress:
        done, archive = self._teller.counts.total(), self.networks.archive
        return Progress(
            done,
            trials,
            dict(self._teller.counts),
            len(self.promotions),
            len(archive.front),
            archive.hypervolume,
            self._teller.elapsed_s,
            None if per_trial_s is None else per_trial_s * (trials - done),
            self.suggest_times.recent_s,
            self.suggest_times.warning(),
        )

    def _begin(self, trials: int) -> bool:
        """Use a free slot; False when there is nothing to do with it now."""
        proposed = sum(len(waiting) for _, waiting in self._under_way.values()) + len(self._elsewhere)
        if (task := self.networks.promotion()) is not None:
            self._submit(task, [])
        elif self._teller.counts.total() + proposed < trials and not self.exhausted:
            if (asked := self._asker.ask(trials)) is None:
                return False
            self._see_to(*asked)
        elif not proposed and (task := self.networks.completion()) is not None:
            self._submit(task, [])
        else:
            return False
        return True

    def _submit(self, task: TrainingTask, waiting: Waiting) -> None:
        self._under_way[self.pool.submit(task)] = task, waiting

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
            self._teller.point(trial, candidate, "cached", *self.networks.answer(key))
        elif key in self.networks.failures:
            self._teller.failure(trial, candidate, self.networks.failures[key])
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
                violations = self._cost_check.violations(candidate)
            except TrainingFailedError as error:
                self.networks.fail(key, str(error))
                self._teller.failure(trial, candidate, str(error))
                return
            if violations:
                self._teller.infeasible(trial, candidate, violations)
                return
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
                self._teller.failure(trial, candidate, reason)
        else:
            points = self.networks.keep(network)
            for number, (trial, candidate) in enumerate(waiting):
                outcome: Outcome = "cached" if number else "trained"
                self._teller.point(trial, candidate, outcome, network.evidence, network.splits)
            if waiting and self.siblings:
                on_front = points[self.networks.archive.holds(points)]
                add_siblings(self.study, *waiting[0], self.proposer, on_front, self.siblings)
        self.networks.release(key)
        if not waiting:
            hypervolume = self.networks.archive.hypervolume
            self.promotions.append(
                Promotion(key, task.until_epoch, reason, self._teller.elapsed_s, hypervolume)
            )
