"""The study of a search: what is proposed, what became of it, and what other processes told of theirs."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from explorer.core.evidence import Evidence
from explorer.core.run_point import RunPoint
from explorer.core.sweep import outcome_at
from explorer.costs.model import CostModel
from explorer.costs.split_costs import SplitCosts
from explorer.engine.archive import Archive
from explorer.engine.encodings import ParamChoice
from explorer.engine.outcomes import REFERENCE, TrialOutcome, TrialResult, finished_trials
from explorer.engine.proposals import Proposer
from explorer.engine.references import Reference, references
from explorer.engine.samplers import FrontSampler, make_sampler, trial_seed
from explorer.engine.storage.locks import Locks
from explorer.engine.suggest_time import SuggestTimes
from explorer.engine.surrogate.surrogate import Suggestion, Surrogate
from explorer.space.candidate import Candidate, NetworkSpec

_STATES: dict[TrialOutcome, TrialState] = {
    "trained": TrialState.COMPLETE,
    "cached": TrialState.COMPLETE,
    "infeasible": TrialState.PRUNED,  # has constraints but no values; TPE learns from it
    "failed": TrialState.FAIL,
}


class SearchStudy:
    """Asks an Optuna study for candidates and tells it what became of them, over all sessions and processes.

    A trial that is asked for is locked until it is told: one that is running and not locked was left behind
    by a process that was killed, and is asked for again before any other.

    Args:
        study: The Optuna study.
        proposer: Turns trials into candidates.
        costs: The cost model of the search.
        archive: The front, which each result takes note of.
        locks: Held against other processes of the study.
        sampler: One of :data:`explorer.engine.defaults.SAMPLERS`.
        seed: Of the sampler.
        surrogate: What the sampler ``front`` asks; it is told what became of proposals.
        float_archive: The front of edge parts in float32 alone, which the surrogate adds to; that of all by
            default.

    Example:
        >>> from explorer.devices import Setting
        >>> from explorer.engine.storage.locks import LocalLocks
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> space = load_space("digits")[0]
        >>> study = SearchStudy(
        ...     optuna.create_study(directions=[metric.direction for metric in space.metrics]),
        ...     Proposer(build_inventory(space, (1, 8, 8), 10), {}),
        ...     CostModel(Setting.load("rpi4", "nvidia_t4", "lte_2021")),
        ...     Archive(space.metrics, space.objectives, []),
        ...     LocalLocks(),
        ...     sampler="random",
        ...     seed=0,
        ... )
        >>> trial, candidate = study.ask(limit=100)  # references come first
        >>> trial.user_attrs, candidate.point.split_point
        ({'reference': 'small_dense'}, 'output')
    """

    def __init__(
        self,
        study: optuna.Study,
        proposer: Proposer,
        costs: CostModel,
        archive: Archive,
        locks: Locks,
        *,
        sampler: str,
        seed: int,
        surrogate: Surrogate | None = None,
        float_archive: Archive | None = None,
    ) -> None:
        self._float_archive = float_archive or archive
        self.optuna_study, self._proposer, self._costs = study, proposer, costs
        self._archive, self._locks = archive, locks
        self._sampler, self._seed, self._surrogate = sampler, seed, surrogate
        self._distributions = proposer.encoding.distributions() if surrogate is not None else {}
        self._references = references(proposer)
        self.suggest_times = SuggestTimes(sampler)
        self.counts: Counter[str] = Counter(trained=0, cached=0, infeasible=0, failed=0)
        self._known = set[int]()  # numbers of the trials that are counted
        told = [TrialResult.of(trial) for trial in finished_trials(study)]
        self._elapsed_before = max((result.elapsed_s for result in told), default=0.0)
        self._start = time.perf_counter()

    @property
    def elapsed_s(self) -> float:
        """Seconds of search over all sessions."""
        return self._elapsed_before + time.perf_counter() - self._start

    def ask(self, limit: int) -> tuple[optuna.Trial, Candidate] | None:
        """A trial of this process and its candidate; None when all processes together asked for ``limit``.

        Trials that were left behind come first, then references, then what the sampler proposes.
        """
        start = time.perf_counter()
        with self._locks.one_at_a_time():
            trial = self._left_behind()
            if trial is None and (self._locks.alone or self._count_asked() < limit):
                self._enqueue_reference()
                trial = self._ask()
        if trial is None:
            return None
        candidate = self._proposer.suggest(trial)
        self.suggest_times.add(time.perf_counter() - start, time.perf_counter())
        return trial, candidate

    def tell_point(
        self,
        trial: optuna.Trial,
        candidate: Candidate,
        outcome: TrialOutcome,
        evidences: Sequence[Evidence],
        splits: tuple[SplitCosts, ...],
    ) -> None:
        """Tell the candidate's own operating point; in float32 where there is no C for it in int8."""
        at, space = candidate.point, self._proposer.space
        evidence = next((own for own in evidences if own.has(at)), evidences[0])
        candidate = replace(candidate, point=replace(at, edge_weight_bits=evidence.edge_weight_bits))
        own = outcome_at(evidence, candidate.point)
        point = self._costs.point(candidate.point, own, splits, evidence.num_samples)
        for constraint in space.constraints_on(self._costs.setting):
            trial.set_constraint(str(constraint), constraint.violation(point[constraint.column]))
        self._tell(trial, candidate, outcome, values=[point[metric.name] for metric in space.metrics])

    def tell_infeasible(
        self, trial: optuna.Trial, candidate: Candidate, violations: Mapping[str, float]
    ) -> None:
        """Tell which constraints the candidate violates whatever its training gives."""
        for constraint, violation in violations.items():
            trial.set_constraint(constraint, violation)
        reason = f"known before training: not {'; not '.join(violations)}"
        self._tell(trial, candidate, "infeasible", reason)

    def tell_failure(self, trial: optuna.Trial, candidate: Candidate, reason: str) -> None:
        """Tell that the candidate's network could not be trained."""
        self._tell(trial, candidate, "failed", reason)

    def news(self) -> Iterator[TrialResult]:
        """Results that this object has not counted yet: of earlier sessions and of other processes."""
        for trial in finished_trials(self.optuna_study):
            if trial.number not in self._known:
                result = TrialResult.of(trial)
                self._count(trial.number, result, trial.params)
                yield result

    def networks_told(self) -> list[NetworkSpec]:
        """Networks that finished trials were answered from, each once, in the order of the trials."""
        found: dict[str, NetworkSpec] = {}
        for trial in finished_trials(self.optuna_study):
            result = TrialResult.of(trial)
            if result.outcome in ("trained", "cached") and result.network_key not in found:
                found[result.network_key] = self._candidate(trial.params).network
        return list(found.values())

    def _tell(
        self,
        trial: optuna.Trial,
        candidate: Candidate,
        outcome: TrialOutcome,
        reason: str = "",
        values: list[float] | None = None,
    ) -> None:
        result = TrialResult(
            outcome=outcome,
            network_key=candidate.network.key,
            reason=reason,
            **candidate.point.to_row(),
            elapsed_s=self.elapsed_s,
            hypervolume=self._archive.hypervolume,
            front_size=len(self._archive.front),
            reference=trial.user_attrs.get(REFERENCE, ""),
        )
        result.note_in(trial)
        self.optuna_study.tell(trial, values, state=_STATES[outcome])
        self._count(trial.number, result, trial.params)
        self._locks.release(_lock_name(trial.number))

    def _count(self, number: int, result: TrialResult, params: dict[str, Any]) -> None:
        self._known.add(number)
        self.counts[result.outcome] += 1
        if self._surrogate is not None:
            if result.outcome == "failed":
                self._surrogate.fail(self._candidate(params).network)
            elif result.outcome == "infeasible":
                self._surrogate.pass_over(self._candidate(params).network)
            else:
                self._surrogate.tell(result.network_key)

    def _candidate(self, params: dict[str, Any]) -> Candidate:
        """What the parameters of a finished trial mean."""
        return self._proposer.suggest(optuna.trial.FixedTrial(params))

    def _left_behind(self) -> optuna.Trial | None:
        """A trial that was asked for but never told, locked now; None if every one has an owner."""
        running = self.optuna_study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        found = next((trial for trial in running if self._lock_if_left(trial)), None)
        if found is None:
            return None
        self.optuna_study.sampler = self._sampler_of(found.number, parallel=len(running) > 1)
        return optuna.Trial(self.optuna_study, found._trial_id)

    def _lock_if_left(self, trial: FrozenTrial) -> bool:
        """Lock a trial that was seen running; False if it has an owner, or was told since."""
        if not self._locks.acquire(_lock_name(trial.number)):
            return False
        if self.optuna_study._storage.get_trial(trial._trial_id).state == TrialState.RUNNING:
            return True
        self._locks.release(_lock_name(trial.number))
        return False

    def _ask(self) -> optuna.Trial:
        """Ask for a new trial and lock it."""
        unfinished = self.optuna_study.get_trials(
            deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING)
        )
        parallel = any(trial.state == TrialState.RUNNING for trial in unfinished)
        waiting = [trial.number for trial in unfinished if trial.state == TrialState.WAITING]
        number = min(waiting) if waiting else len(self.optuna_study.get_trials(deepcopy=False))
        self.optuna_study.sampler = self._sampler_of(number, parallel)
        trial = self.optuna_study.ask()
        self._locks.acquire(_lock_name(trial.number))
        return trial

    def _sampler_of(self, number: int, parallel: bool) -> optuna.samplers.BaseSampler:
        if self._surrogate is None:
            return make_sampler(self._sampler, self._seed, number, parallel)
        own_seed = trial_seed(self._seed, number)
        return FrontSampler(self._propose, self._distributions, own_seed)

    def _propose(self, trial: FrozenTrial) -> dict[str, Any]:
        """Parameters of what the surrogate says; none where every network is known or under way."""
        assert self._surrogate is not None
        running = self.optuna_study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        pending = [self._candidate(own.params).network for own in running if self._is_whole(own, trial)]
        front, on_front = self._float_archive.part(self._surrogate.history.told.keys())
        suggestion = self._surrogate.suggest(trial.number, self._seed, front, on_front, pending)
        return {} if suggestion is None else self._params(suggestion)

    def _params(self, suggestion: Suggestion) -> dict[str, Any]:
        assert self._surrogate is not None
        variant, pattern, densities = self._surrogate.architectures.choice(suggestion.architecture)
        point = suggestion.point or RunPoint(variant.split_points[-1].name, None, None)
        return self._proposer.encoding.params(ParamChoice(variant, pattern, densities, point))

    def _is_whole(self, running: FrozenTrial, asking: FrozenTrial) -> bool:
        """Whether another trial's parameters are all there: one that is being asked for has none yet."""
        return running.number != asking.number and "payload_bits" in running.params

    def _count_asked(self) -> int:
        """Proposals asked for by all processes, told or not."""
        trials = self.optuna_study.get_trials(deepcopy=False)
        return sum(trial.state != TrialState.WAITING for trial in trials)

    def _enqueue_reference(self) -> None:
        """Enqueue the next one: one at a time, so that trials are numbered in the order they are proposed."""
        if self._references:
            self._references = self._missing(self._references)
        if self._references:
            reference = self._references.pop(0)
            self.optuna_study.enqueue_trial(reference.params, user_attrs={REFERENCE: reference.name})

    def _missing(self, wanted: list[Reference]) -> list[Reference]:
        """References that the study does not hold yet, in any state."""
        held = {
            (trial.user_attrs[REFERENCE], trial.system_attrs["fixed_params"]["backbone"])
            for trial in self.optuna_study.get_trials(deepcopy=False)
            if REFERENCE in trial.user_attrs
        }
        return [
            reference for reference in wanted if (reference.name, reference.params["backbone"]) not in held
        ]


def _lock_name(number: int) -> str:
    return f"trial {number}"
