"""Opening and resuming studies, and samplers whose draws depend on seed and trial number alone."""

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from explorer.engine.claims import Claims, LocalClaims
from explorer.engine.study import (
    REFERENCE,
    SAMPLERS,
    SIBLING_OF,
    ask_trial,
    count_asked,
    finished_trials,
    make_sampler,
    missing_references,
    open_study,
    take_up_trial,
    trial_claim,
)
from explorer.errors import UserError
from explorer.objectives import METRICS, Metric

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

BOTH = (METRICS["accuracy"], METRICS["edge_macs"])


def storage(folder: Path) -> str:
    return f"sqlite:///{folder / 'study.db'}"


def test_open_creates_then_loads(tmp_path: Path) -> None:
    study = open_study(storage(tmp_path), "run", BOTH)
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.metric_names == ["accuracy", "edge_macs"]
    study.tell(study.ask(), [0.5, 3])
    assert len(open_study(storage(tmp_path), "run", BOTH).trials) == 1


@pytest.mark.parametrize("metrics", [BOTH[:1], BOTH[::-1], (METRICS["accuracy"], METRICS["exit_rate"])])
def test_study_with_other_objectives(tmp_path: Path, metrics: tuple[Metric, ...]) -> None:
    open_study(storage(tmp_path), "run", BOTH)
    with pytest.raises(UserError, match=r"--storage 'sqlite:.*study 'run' has other objectives"):
        open_study(storage(tmp_path), "run", metrics)


@pytest.mark.parametrize("url", ["sqlite:////no/such/folder/x.db", "nonsense", "mysql://nobody@nowhere/x"])
def test_storage_that_cannot_be_used(url: str) -> None:
    with pytest.raises(UserError, match=f"--storage '{url}' cannot be used: "):
        open_study(url, "run", BOTH)


def test_unknown_sampler() -> None:
    with pytest.raises(KeyError):
        make_sampler("grid", 0, 0)


def draws(sampler: str, seed: int, numbers: list[int]) -> list[float]:
    """First draws of fresh samplers for trials of these numbers, in a study that looks the same to each."""
    found = []
    for number in numbers:
        study = optuna.create_study(sampler=make_sampler(sampler, seed, number))
        found.append(study.ask().suggest_float("x", 0, 1))
    return found


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_draws_follow_from_seed_and_number(sampler: str) -> None:
    assert draws(sampler, 0, [0, 1, 2]) == draws(sampler, 0, [0, 1, 2])
    assert len(set(draws(sampler, 0, [0, 1, 2]) + draws(sampler, 1, [0, 1, 2]))) == 6


def test_missing_references_are_those_in_no_state() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=["maximize"])
    references: list[tuple[str, dict[str, object]]] = [
        ("dense", {"backbone": "mlp"}),
        ("all_edge", {"backbone": "mlp"}),
        ("all_server", {"backbone": "mlp"}),
        ("dense", {"backbone": "cnn"}),
    ]
    assert missing_references(study, references) == references
    for name, params in references[:3]:
        study.enqueue_trial(params, user_attrs={REFERENCE: name})
    study.tell(study.ask(), 0.5)  # told
    study.ask()  # running; the third waits
    study.tell(study.ask({}), 0.5)
    assert missing_references(study, references) == references[3:]


def next_trial(study: optuna.Study, sampler: str, seed: int, claims: Claims | None = None) -> optuna.Trial:
    """As the loop asks; by default it holds no claims yet."""
    asking = (study, sampler, seed, claims or LocalClaims())
    return take_up_trial(*asking) or ask_trial(*asking)


def test_next_trial_takes_up_what_was_never_told(tmp_path: Path) -> None:
    study = open_study(storage(tmp_path), "run", BOTH)
    first = next_trial(study, "random", seed=0)
    value = first.suggest_float("x", 0, 1)
    # the process is killed; another one goes on
    again = open_study(storage(tmp_path), "run", BOTH)
    orphan = next_trial(again, "random", seed=0)
    assert orphan.number == 0
    assert orphan.suggest_float("x", 0, 1) == value
    again.tell(orphan, [0.5, 1])
    assert next_trial(again, "random", seed=0).number == 1


def test_next_trial_takes_enqueued_trials_in_order() -> None:
    study = optuna.create_study(directions=["maximize"])
    for value in (0.25, 0.75):
        study.enqueue_trial({"x": value})
    taken = []
    for _ in range(2):
        trial = next_trial(study, "tpe", seed=0)
        taken.append(trial.suggest_float("x", 0, 1))
        study.tell(trial, 0.0)
    assert taken == [0.25, 0.75]
    fresh = next_trial(study, "tpe", seed=0)
    assert fresh.number == 2
    assert fresh.suggest_float("x", 0, 1) not in taken


@pytest.mark.parametrize("left", ["running", "waiting"])
def test_what_was_left_undrawn_is_drawn_as_if_nothing_had_happened(left: str) -> None:
    study = optuna.create_study(directions=["maximize"])
    study.tell(study.ask(), 1.0)
    if left == "running":
        next_trial(study, "random", seed=0)  # killed before anything was drawn
    else:
        study.enqueue_trial({"y": 0.5})
        study.enqueue_trial({"y": 0.5})
    own = next_trial(study, "random", seed=0)
    assert own.number == 1
    assert own.suggest_float("x", 0, 1) == draws("random", 0, [1])[0]


def test_a_trial_that_is_claimed_is_not_taken_up() -> None:
    study, claims = optuna.create_study(directions=["maximize"]), LocalClaims()
    first, second = (next_trial(study, "random", 0, claims) for _ in range(2))
    assert [first.number, second.number] == [0, 1]
    claims.release(trial_claim(0))
    assert next_trial(study, "random", 0, claims).number == 0


def test_a_trial_told_while_it_was_looked_at_is_not_taken_up(monkeypatch: pytest.MonkeyPatch) -> None:
    study, claims = optuna.create_study(directions=["maximize"]), LocalClaims()
    seen = [study.tell(study.ask(), 1.0)]
    monkeypatch.setattr(study, "get_trials", lambda **_: [replace_state(seen[0], TrialState.RUNNING)])
    assert take_up_trial(study, "random", 0, claims) is None
    assert claims.take(trial_claim(0))  # given back


def replace_state(trial: optuna.trial.FrozenTrial, state: TrialState) -> optuna.trial.FrozenTrial:
    trial = copy.deepcopy(trial)
    trial.state = state
    return trial


def test_counted_as_asked() -> None:
    study = optuna.create_study(directions=["maximize"])
    study.tell(study.ask(), 1.0)
    study.tell(study.ask(), state=TrialState.FAIL)
    study.ask()
    study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs={SIBLING_OF: 0}))
    study.enqueue_trial({})
    assert count_asked(study) == 3


@pytest.mark.parametrize(("key", "value"), [("seed", 1), ("space", "b")])
def test_a_study_begun_with_something_else(tmp_path: Path, key: str, value: object) -> None:
    begun_with: dict[str, object] = {"seed": 0, "space": "a"}
    open_study(storage(tmp_path), "run", BOTH, begun_with)
    open_study(storage(tmp_path), "run", BOTH, begun_with)
    open_study(storage(tmp_path), "other", BOTH, begun_with | {key: value})
    with pytest.raises(
        UserError, match=f"study 'run' was begun with {key} {begun_with[key]!r}, got {value!r}"
    ):
        open_study(storage(tmp_path), "run", BOTH, begun_with | {key: value})


def test_finished_trials_are_those_that_were_told() -> None:
    study = optuna.create_study(directions=["maximize"])
    study.tell(study.ask(), 1.0)
    study.tell(study.ask(), state=TrialState.FAIL)
    study.ask()
    study.enqueue_trial({})
    assert [trial.number for trial in finished_trials(study)] == [0, 1]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samplers_do_not_flood_the_terminal(tmp_path: Path, sampler: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)  # connections of earlier tests, collected just now
        open_study(storage(tmp_path), "run", BOTH)
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
