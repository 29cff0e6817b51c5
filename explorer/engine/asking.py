"""Where proposals come from: orphaned trials first, then references, then the sampler."""

import time

import optuna

from explorer.candidate import Candidate
from explorer.engine.claims import Claims
from explorer.engine.proposals import Proposer
from explorer.engine.study import REFERENCE, ask_trial, count_asked, missing_references, take_up_trial
from explorer.engine.suggest_time import SuggestTimes


class Asker:
    """Asks a study for candidates, one process at a time, and times the sampler.

    Args:
        study: To ask.
        proposer: Turns trials into candidates.
        sampler: One of :data:`explorer.engine.study.SAMPLERS`.
        seed: Of the sampler.
        claims: Held against other processes of the study.
    """

    def __init__(
        self, study: optuna.Study, proposer: Proposer, sampler: str, seed: int, claims: Claims
    ) -> None:
        self._study, self._proposer, self._sampler, self._seed = study, proposer, sampler, seed
        self._claims = claims
        self._references = [(reference.name, reference.params) for reference in proposer.references()]
        self.times = SuggestTimes(sampler)

    def ask(self, limit: int) -> tuple[optuna.Trial, Candidate] | None:
        """A trial of this process and its candidate; None when all processes together asked for ``limit``."""
        asking, start = (self._study, self._sampler, self._seed, self._claims), time.perf_counter()
        with self._claims.one_at_a_time():
            trial = take_up_trial(*asking)
            if trial is None and (self._claims.alone or count_asked(self._study) < limit):
                self._enqueue_reference()
                trial = ask_trial(*asking)
        if trial is None:
            return None
        candidate = self._proposer.suggest(trial)
        self.times.add(time.perf_counter() - start, time.perf_counter())
        return trial, candidate

    def _enqueue_reference(self) -> None:
        """Enqueue the next one: one at a time, so that trials are numbered in the order they are proposed."""
        if self._references:
            self._references = missing_references(self._study, self._references)
        if self._references:
            name, params = self._references.pop(0)
            self._study.enqueue_trial(params, user_attrs={REFERENCE: name})
