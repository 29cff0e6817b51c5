"""Studies without a space: trials are asked for as the loop asks, what they mean is up to the test."""

from types import SimpleNamespace
from typing import Any, cast

import optuna
from stand_ins import SETTING

from explorer.costs.model import CostModel
from explorer.engine.archive import Archive
from explorer.engine.outcomes import TrialResult
from explorer.engine.samplers import make_sampler
from explorer.engine.storage.locks import LocalLocks, Locks
from explorer.engine.study import SearchStudy
from explorer.space.metrics import METRICS

EVER = 10**6
RESULT = TrialResult(
    outcome="trained",
    network_key="net-0",
    reason="",
    split_point="output",
    confidence_threshold=0.0,
    payload_bits=None,
    elapsed_s=1.0,
    hypervolume=0.5,
    front_size=1,
    reference="",
)


def bare_study(
    study: optuna.Study, sampler: str = "random", seed: int = 0, locks: Locks | None = None
) -> SearchStudy:
    """As a new process of the search would make it; by default it holds no locks yet."""
    proposer = SimpleNamespace(space=SimpleNamespace(backbones=()), suggest=lambda trial: None)
    archive = Archive([METRICS["accuracy"]], {"accuracy": 0.0}, ())
    return SearchStudy(
        study,
        cast(Any, proposer),
        CostModel(SETTING),
        archive,
        locks or LocalLocks(),
        sampler=sampler,
        seed=seed,
    )


def ask(own: SearchStudy) -> optuna.Trial:
    """The next trial."""
    asked = own.ask(EVER)
    assert asked is not None
    return asked[0]


def next_trial(study: optuna.Study, sampler: str, seed: int, locks: Locks | None = None) -> optuna.Trial:
    """The trial that a new process would get."""
    return ask(bare_study(study, sampler, seed, locks))


def tell(study: optuna.Study, trial: optuna.Trial, values: Any, state: Any = None) -> None:
    """Tell a trial as the loop does."""
    RESULT.note_in(trial)
    study.tell(trial, values, state)


def draws(sampler: str, seed: int, numbers: list[int]) -> list[float]:
    """First draws of fresh samplers for trials of these numbers, in a study that looks the same to each."""
    found = []
    for number in numbers:
        study = optuna.create_study(sampler=make_sampler(sampler, seed, number))
        found.append(study.ask().suggest_float("x", 0, 1))
    return found
