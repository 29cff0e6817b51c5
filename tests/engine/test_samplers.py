"""Samplers: draws that follow from seed and number, and NSGA searches resumed in any generation."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.trial import TrialState
from studies import ask, bare_study, draws, tell

from explorer.engine.defaults import SAMPLERS
from explorer.engine.outcomes import finished_trials
from explorer.engine.samplers import make_sampler
from explorer.engine.storage.open import open_study
from explorer.space.metrics import METRICS

GENERATION, METRICS_USED = 50, [METRICS["accuracy"], METRICS["edge_macs"]]
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def propose(file: Path, sampler: str, until: int, unfinished: bool = False) -> list[dict[str, float]]:
    """Go on with a study as a new process would; returns the parameters of all its finished trials."""
    study = open_study(f"sqlite:///{file}", "run", METRICS_USED)
    own = bare_study(study, sampler)
    while len(finished_trials(study)) < until:
        trial = ask(own)
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_categorical("y", [0.0, 0.5, 1.0])
        tell(study, trial, [round(x - y, 1), round(x * x + y, 1)])  # many are equally good
    if unfinished:
        ask(own).suggest_float("x", 0, 1)  # killed here
    return [trial.params for trial in finished_trials(study)]


@pytest.mark.parametrize("sampler", ["nsga2", "nsga3"])
def test_resumed_in_any_generation_the_search_proposes_the_same(tmp_path: Path, sampler: str) -> None:
    until = 2 * GENERATION + 30
    whole = propose(tmp_path / "whole.db", sampler, until)
    assert len({tuple(params.values()) for params in whole[GENERATION:]}) > 40  # it did not settle on one
    parts = tmp_path / "parts.db"
    for end in (30, GENERATION, GENERATION + 1, 70, 2 * GENERATION, 2 * GENERATION + 5):
        assert propose(parts, sampler, end, unfinished=True) == whole[:end]
    assert propose(parts, sampler, until) == whole


def test_unknown_sampler() -> None:
    with pytest.raises(KeyError):
        make_sampler("grid", 0, 0)


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "front"])
def test_draws_follow_from_seed_and_number(sampler: str) -> None:
    assert draws(sampler, 0, [0, 1, 2]) == draws(sampler, 0, [0, 1, 2])
    assert len(set(draws(sampler, 0, [0, 1, 2]) + draws(sampler, 1, [0, 1, 2]))) == 6


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "front"])
def test_samplers_do_not_flood_the_terminal(tmp_path: Path, sampler: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)  # connections of earlier tests, collected just now
        open_study(f"sqlite:///{tmp_path / 'study.db'}", "run", METRICS_USED)
        make_sampler(sampler, 0, 0)
    assert not caught


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_genetic_samplers_count_generations_as_optunas_do(name: str) -> None:
    theirs = {"nsga2": optuna.samplers.NSGAIISampler, "nsga3": optuna.samplers.NSGAIIISampler}[name]

    def search(fresh: Callable[[int], BaseSampler]) -> list[int | None]:
        study = optuna.create_study(directions=["minimize", "minimize"])
        for number in range(180):  # generations of 50
            study.sampler = fresh(number)
            trial = study.ask()
            x = trial.suggest_float("x", 0, 1)
            kind = trial.suggest_categorical("kind", ["a", "b"])
            y = trial.suggest_float(f"{kind}.y", 0, 1)
            study.tell(
                trial, None if number % 7 == 3 else [x, y], TrialState.FAIL if number % 7 == 3 else None
            )
        key = f"{type(study.sampler).__name__}:generation"
        # the first 50 are drawn alike; who descends from whom differs, when generations begin does not
        drawn.append([trial.params for trial in study.trials[:50]])
        return [trial.system_attrs.get(key) for trial in study.trials]

    drawn: list[list[dict[str, Any]]] = []
    ours = search(lambda number: make_sampler(name, 0, number))
    assert ours == search(lambda number: theirs(seed=number))
    assert set(ours) >= {0, 1, 2, 3}
    assert drawn[0] == drawn[1]
