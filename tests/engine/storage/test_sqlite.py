"""The database of a search holds finished trials, each whole, and a new session begins with them."""

from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from explorer.engine.storage.open import open_study
from explorer.space.metrics import METRICS

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

BOTH = (METRICS["accuracy"], METRICS["edge_macs"])


def in_file(url: str) -> list[optuna.trial.FrozenTrial]:
    """The trials as another program, such as a dashboard, reads them."""
    return optuna.load_study(study_name="run", storage=url).trials


def test_only_finished_trials_are_written(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = open_study(url, "run", BOTH)
    trial = study.ask()
    x = trial.suggest_float("x", 0, 1)
    trial.set_user_attr("result", {"outcome": "trained"})
    trial.set_constraint("edge_macs <= 2", 1.5)
    study.enqueue_trial({"x": 0.5})
    assert in_file(url) == []
    study.tell(trial, [0.5, 3.0])
    (written,) = in_file(url)
    assert (written.state, written.values, written.params) == (TrialState.COMPLETE, [0.5, 3.0], {"x": x})
    assert written.user_attrs == {"result": {"outcome": "trained"}}
    assert written.constraints == {"edge_macs <= 2": 1.5}
    assert optuna.load_study(study_name="run", storage=url).metric_names == ["accuracy", "edge_macs"]


def test_failures_and_added_trials_are_written(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = open_study(url, "run", BOTH)
    study.tell(study.ask(), state=TrialState.FAIL)
    added = create_trial(params={"x": 0.25}, distributions={"x": FloatDistribution(0, 1)}, values=[0.75, 2.0])
    study.add_trial(added)
    assert [trial.state for trial in in_file(url)] == [TrialState.FAIL, TrialState.COMPLETE]


def test_trials_are_written_as_optuna_would(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = open_study(url, "run", BOTH)
    for values in ([0.5, 3.0], [float("inf"), 0.1 + 0.2], None):
        trial = study.ask()
        trial.suggest_float("x", 1e-3, 1, log=True)
        trial.suggest_int("n", 1, 9, step=2)
        trial.suggest_categorical("c", ["a", 1, None])
        trial.set_user_attr("result", {"outcome": "trained", "reason": "é"})
        trial.set_constraint("edge_macs <= 2", -0.25)
        study.tell(trial, values, state=TrialState.FAIL if values is None else TrialState.COMPLETE)
    theirs = optuna.create_study(storage=url, study_name="theirs", directions=["maximize", "minimize"])
    theirs.add_trials(study.get_trials())

    def content(trial: optuna.trial.FrozenTrial) -> dict[str, object]:
        return {key: value for key, value in vars(trial).items() if key != "_trial_id"}

    expected = optuna.load_study(study_name="theirs", storage=url).trials
    assert [content(trial) for trial in in_file(url)] == [content(trial) for trial in expected]
    assert [content(trial) for trial in in_file(url)] == [content(trial) for trial in study.trials]


def test_a_new_session_begins_with_what_was_written(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    for session in range(3):
        study = open_study(url, "run", BOTH)
        assert [trial.number for trial in study.trials] == list(range(session))
        study.tell(study.ask(), [0.1 * session, 1.0])
        study.ask()  # the process ends before it is told
    assert [trial.values for trial in in_file(url)] == [
        pytest.approx([0.1 * session, 1.0]) for session in range(3)
    ]


def test_private_parts_were_checked_against_this_version_of_optuna() -> None:
    """Any other minor version may have moved or changed what is private."""
    checked = "5.0"
    assert optuna.__version__.rpartition(".")[0] == checked, (
        f"explorer/engine/storage/sqlite.py was checked against Optuna {checked}, not {optuna.__version__}."
        " Check in Optuna: the columns of optuna/storages/_rdb/models.py (trials, trial_params, trial_values,"
        " trial_user_attributes, trial_system_attributes) and TrialValueModel.value_to_stored_repr; that a"
        " study's _storage is a _CachedStorage whose _backend has an engine; what RDBStorage writes for a"
        " whole trial. When the other tests of this file pass with it, change the version here."
    )
