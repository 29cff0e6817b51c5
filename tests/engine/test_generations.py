"""NSGA searches that are resumed in the middle of a generation, at its start and across several."""

from pathlib import Path

import pytest

from explorer.engine.claims import LocalClaims
from explorer.engine.study import ask_trial, finished_trials, open_study
from explorer.objectives import METRICS

GENERATION, METRICS_USED = 50, [METRICS["accuracy"], METRICS["edge_macs"]]
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def propose(file: Path, sampler: str, until: int, unfinished: bool = False) -> list[dict[str, float]]:
    """Go on with a study as a new process would; returns the parameters of all its finished trials."""
    study, claims = open_study(f"sqlite:///{file}", "run", METRICS_USED), LocalClaims()
    while len(finished_trials(study)) < until:
        trial = ask_trial(study, sampler, 0, claims)
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_categorical("y", [0.0, 0.5, 1.0])
        study.tell(trial, [round(x - y, 1), round(x * x + y, 1)])  # many are equally good
    if unfinished:
        ask_trial(study, sampler, 0, claims).suggest_float("x", 0, 1)  # killed here
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
