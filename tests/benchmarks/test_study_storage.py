"""The benchmark of the study's storage: what was told outlives SIGKILL, and figures mean what they say."""

from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from benchmarks.study_storage import survival
from benchmarks.study_storage.__main__ import main, table
from benchmarks.study_storage.speed import Speed, measure_speed, median_speed
from benchmarks.study_storage.storages import NAME, STORAGES, open_kept, propose
from benchmarks.study_storage.survival import lost_trials
from explorer.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.mark.slow
def test_figures_are_positive() -> None:
    speed = measure_speed("deferred_sqlite", 5)
    assert speed.trials == 5
    assert min(speed.ms_per_proposal, speed.reopen_s, speed.size_bytes, speed.disk_wait_ms) > 0


@pytest.mark.slow
def test_every_told_trial_survives_a_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survival, "LONGEST_DELAY_S", 0.1)
    measured = survival.measure_survival("deferred_sqlite", kills=1, seed=0)
    assert (measured.kills, measured.survived, measured.lost) == (1, 1, 0)
    assert measured.told >= 2  # one before the kill, one after it
    assert 0 < measured.waits_s[0] < 20
    assert measured.torn_tail


@pytest.mark.parametrize("storage", STORAGES)
def test_every_storage_keeps_the_same_proposals(storage: str, tmp_path: Path) -> None:
    given = open_kept(storage, tmp_path)
    (tmp_path / "expected").mkdir()
    expected = open_kept("deferred_sqlite", tmp_path / "expected")
    for study in (given, expected):
        for _ in range(3):
            propose(study)
    again = open_kept(storage, tmp_path).trials
    assert [trial.state for trial in again] == 3 * [TrialState.COMPLETE]
    assert [_content(trial) for trial in again] == [_content(trial) for trial in expected.trials]


def _content(trial: FrozenTrial) -> tuple[object, ...]:
    assert len(trial.params) == 12
    return trial.number, trial.params, trial.values, trial.constraints, trial.user_attrs


@pytest.mark.parametrize("storage", ["journal", "plain_sqlite"])
def test_a_trial_left_behind_is_told_first(storage: str, tmp_path: Path) -> None:
    left = open_kept(storage, tmp_path).ask()
    left.suggest_categorical("backbone", ["cnn"])
    study = open_kept(storage, tmp_path)
    assert propose(study).number == left.number
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE]


def test_lost_trials_are_those_without_the_values_told(tmp_path: Path) -> None:
    study = open_kept("deferred_journal", tmp_path)
    first, second = (propose(study).values for _ in range(2))
    study.ask()
    assert lost_trials(study, {0: first, 1: second}) == []
    assert lost_trials(study, {0: second, 1: second, 2: first, 3: first}) == [0, 2, 3]


def test_a_journal_is_loaded_as_a_storage_not_by_its_path(tmp_path: Path) -> None:
    propose(open_kept("deferred_journal", tmp_path))
    path = str(tmp_path / "study.journal")
    storage = JournalStorage(JournalFileBackend(path))
    assert len(optuna.load_study(study_name=None, storage=storage).trials) == 1
    with pytest.raises(Exception, match="parse"):
        optuna.load_study(study_name=NAME, storage=path)


def test_medians_by_hand() -> None:
    speeds = [Speed(20, ms, seconds, 1000, 0.5) for ms, seconds in ((1.0, 0.3), (9.0, 0.1), (2.0, 0.2))]
    assert median_speed(speeds) == Speed(20, 2.0, 0.2, 1000, 0.5)


def test_table_has_the_longest_wait() -> None:
    killed = {"kills": 2, "survived": 1, "told": 9, "lost": 3, "waits_s": (0.1, 30.2), "torn_tail": None}
    speeds = [vars(Speed(20, 2.04, 0.216, 1800, 0.5))]
    (line,) = table([{"storage": "journal", "speeds": speeds, "survival": killed}]).to_dict("records")
    assert list(line.values()) == ["journal", 2.0, 0.22, 2, "1 of 2", "3 of 9", 30.2, "-"]


@pytest.mark.parametrize("option", ["--trials=20,few", "--trials=0", "--kills=0", "--repeats=0"])
def test_wrong_options_are_named(option: str) -> None:
    with pytest.raises(UserError, match="--trials"):
        main([option])
