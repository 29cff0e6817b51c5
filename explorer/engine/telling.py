"""What is told of proposals, and what was told before."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict

import optuna
from optuna.trial import TrialState

from explorer.candidate import Candidate
from explorer.core.operating_points import Evidence
from explorer.cost import Setting
from explorer.engine.archive import Archive
from explorer.engine.claims import Claims
from explorer.engine.outcomes import Outcome, TrialResult, candidate_point
from explorer.engine.study import REFERENCE, RESULT, finished_trials, trial_claim
from explorer.space import SearchSpace
from explorer.split_costs import SplitCosts

_STATES: dict[Outcome, TrialState] = {
    "trained": TrialState.COMPLETE,
    "cached": TrialState.COMPLETE,
    "infeasible": TrialState.PRUNED,  # has constraints but no values; TPE learns from it
    "failed": TrialState.FAIL,
}


class Teller:
    """Tells a study what became of proposals, and counts them over all sessions and processes.

    Args:
        study: To tell.
        space: States objectives and constraints.
        setting: Devices and link of the modelled costs.
        archive: The front, which each result takes note of.
        claims: On trials under way; given up when they are told.
    """

    def __init__(
        self, study: optuna.Study, space: SearchSpace, setting: Setting, archive: Archive, claims: Claims
    ) -> None:
        self._study, self._space, self._setting = study, space, setting
        self._archive, self._claims = archive, claims
        self.counts: Counter[str] = Counter(trained=0, cached=0, infeasible=0, failed=0)
        self._told = set[int]()
        told = [TrialResult(**trial.user_attrs[RESULT]) for trial in finished_trials(study)]
        self._elapsed_before = max((result.elapsed_s for result in told), default=0.0)
        self._start = time.perf_counter()

    @property
    def elapsed_s(self) -> float:
        """Seconds of search over all sessions."""
        return self._elapsed_before + time.perf_counter() - self._start

    def news(self) -> Iterator[tuple[TrialResult, bool]]:
        """Results told elsewhere since the last call, and whether each is of a reference."""
        for trial in finished_trials(self._study):
            if trial.number not in self._told:
                result = TrialResult(**trial.user_attrs[RESULT])
                self._count(trial.number, result)
                yield result, REFERENCE in trial.user_attrs

    def point(
        self,
        trial: optuna.Trial,
        candidate: Candidate,
        outcome: Outcome,
        evidence: Evidence,
        splits: tuple[SplitCosts, ...],
    ) -> None:
        """Tell the candidate's own operating point."""
        point = candidate_point(candidate, evidence, splits, self._setting)
        for constraint in self._space.parsed_constraints:
            trial.set_constraint(str(constraint), constraint.violation(point[constraint.column]))
        values = [point[metric.name] for metric in self._space.metrics]
        self._tell(trial, candidate, outcome, "", values)

    def infeasible(self, trial: optuna.Trial, candidate: Candidate, violations: Mapping[str, float]) -> None:
        """Tell which constraints the candidate violates whatever its training gives."""
        for constraint, violation in violations.items():
            trial.set_constraint(constraint, violation)
        reason = f"known before training: not {'; not '.join(violations)}"
        self._tell(trial, candidate, "infeasible", reason, None)

    def failure(self, trial: optuna.Trial, candidate: Candidate, reason: str) -> None:
        """Tell that the candidate's network could not be trained."""
        self._tell(trial, candidate, "failed", reason, None)

    def _tell(
        self,
        trial: optuna.Trial,
        candidate: Candidate,
        outcome: Outcome,
        reason: str,
        values: list[float] | None,
    ) -> None:
        result = TrialResult(
            outcome,
            candidate.network.key,
            reason,
            candidate.split_point,
            candidate.confidence_threshold,
            candidate.payload_bits,
            self.elapsed_s,
            self._archive.hypervolume,
            len(self._archive.front),
        )
        trial.set_user_attr(RESULT, asdict(result))
        self._study.tell(trial, values, state=_STATES[outcome])
        self._count(trial.number, result)
        self._claims.release(trial_claim(trial.number))

    def _count(self, number: int, result: TrialResult) -> None:
        self._told.add(number)
        self.counts[result.outcome] += 1
