"""What a study asks for: trials left behind, references, and draws that follow from seed and number."""

import copy
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from studies import ask, bare_study, draws, next_trial, tell

from explorer.engine.outcomes import REFERENCE, finished_trials
from explorer.engine.references import Reference
from explorer.engine.storage.locks import LocalLocks
from explorer.engine.storage.open import open_study
from explorer.space.metrics import METRICS

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

BOTH = (METRICS["accuracy"], METRICS["edge_macs"])


def storage(folder: Path) -> str:
    return f"sqlite:///{folder / 'study.db'}"


def test_references_are_proposed_unless_the_study_holds_them_in_any_state() -> None:
    wanted = [
        Reference("dense", {"backbone": "mlp"}),
        Reference("all_edge", {"backbone": "mlp"}),
        Reference("all_server", {"backbone": "mlp"}),
        Reference("dense", {"backbone": "cnn"}),
    ]
    study = optuna.create_study(directions=["maximize"])
    for reference in wanted[:3]:
        study.enqueue_trial(reference.params, user_attrs={REFERENCE: reference.name})
    tell(study, study.ask(), 0.5)
    study.ask()  # running; the third waits
    locks = LocalLocks()
    locks.acquire("trial 1")  # by its owner
    own = bare_study(study, locks=locks)
    own._references = list(wanted)
    for _ in range(4):
        ask(own)
    names = [trial.user_attrs.get(REFERENCE, "") for trial in study.trials]
    assert names == ["dense", "all_edge", "all_server", "dense", "", ""]
    assert study.trials[3].system_attrs["fixed_params"] == {"backbone": "cnn"}


def test_next_trial_takes_up_what_was_never_told(tmp_path: Path) -> None:
    study = open_study(storage(tmp_path), "run", BOTH)
    first = next_trial(study, "random", seed=0)
    value = first.suggest_float("x", 0, 1)
    # the process is killed; another one goes on
    again = open_study(storage(tmp_path), "run", BOTH)
    orphan = next_trial(again, "random", seed=0)
    assert orphan.number == 0
    assert orphan.suggest_float("x", 0, 1) == value
    tell(again, orphan, [0.5, 1])
    assert next_trial(again, "random", seed=0).number == 1


def test_next_trial_takes_enqueued_trials_in_order() -> None:
    study = optuna.create_study(directions=["maximize"])
    for value in (0.25, 0.75):
        study.enqueue_trial({"x": value})
    taken = []
    for _ in range(2):
        trial = next_trial(study, "tpe", seed=0)
        taken.append(trial.suggest_float("x", 0, 1))
        tell(study, trial, 0.0)
    assert taken == [0.25, 0.75]
    fresh = next_trial(study, "tpe", seed=0)
    assert fresh.number == 2
    assert fresh.suggest_float("x", 0, 1) not in taken


@pytest.mark.parametrize("left", ["running", "waiting"])
def test_what_was_left_undrawn_is_drawn_as_if_nothing_had_happened(left: str) -> None:
    study = optuna.create_study(directions=["maximize"])
    tell(study, study.ask(), 1.0)
    if left == "running":
        next_trial(study, "random", seed=0)  # killed before anything was drawn
    else:
        study.enqueue_trial({"y": 0.5})
        study.enqueue_trial({"y": 0.5})
    own = next_trial(study, "random", seed=0)
    assert own.number == 1
    assert own.suggest_float("x", 0, 1) == draws("random", 0, [1])[0]


def test_a_trial_that_is_locked_is_not_taken_up() -> None:
    study, locks = optuna.create_study(directions=["maximize"]), LocalLocks()
    first, second = (next_trial(study, "random", 0, locks) for _ in range(2))
    assert [first.number, second.number] == [0, 1]
    locks.release("trial 0")
    assert next_trial(study, "random", 0, locks).number == 0


def test_a_trial_told_while_it_was_looked_at_is_not_taken_up(monkeypatch: pytest.MonkeyPatch) -> None:
    study, locks = optuna.create_study(directions=["maximize"]), LocalLocks()
    trial = study.ask()
    tell(study, trial, 1.0)
    seen = study.get_trials()
    monkeypatch.setattr(study, "get_trials", lambda **_: [replace_state(seen[0], TrialState.RUNNING)])
    assert bare_study(study, locks=locks)._left_behind() is None
    assert locks.acquire("trial 0")  # given back


def replace_state(trial: optuna.trial.FrozenTrial, state: TrialState) -> optuna.trial.FrozenTrial:
    trial = copy.deepcopy(trial)
    trial.state = state
    return trial


def test_counted_as_asked() -> None:
    study = optuna.create_study(directions=["maximize"])
    tell(study, study.ask(), 1.0)
    tell(study, study.ask(), None, TrialState.FAIL)
    study.ask()
    study.enqueue_trial({})
    assert bare_study(study)._count_asked() == 3


def test_finished_trials_are_those_that_were_told() -> None:
    study = optuna.create_study(directions=["maximize"])
    study.tell(study.ask(), 1.0)
    study.tell(study.ask(), state=TrialState.FAIL)
    study.ask()
    study.enqueue_trial({})
    assert [trial.number for trial in finished_trials(study)] == [0, 1]
