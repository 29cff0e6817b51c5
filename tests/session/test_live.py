"""The report of a search that goes on shows what became known, even if nothing ends for a while."""

import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from explorer.engine.outcomes import Progress
from explorer.session import live
from explorer.session.live import LiveReport
from explorer.session.options import Options
from explorer.session.prepare import Session, prepare


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return prepare(Options(space="digits", run="live", reports=tmp_path))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many trials each report that was written had."""
    found = list[int]()
    monkeypatch.setattr(live, "trial_rows", lambda study: study)
    monkeypatch.setattr(live, "run_results", lambda folder, record, study: len(study.trials))
    monkeypatch.setattr(live, "write_report", lambda trials, live_s: found.append(trials))
    monkeypatch.setattr(live, "summarised", lambda session, study, store: session.record)
    return found


def progress() -> Progress:
    return Progress(1, 200, {}, 0, 12, 0.4, 2.5, None, 0.01, warning="")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_network_that_ended_just_after_a_report_is_in_the_next(
    session: Session, written: list[int]
) -> None:
    study = optuna.create_study()
    with LiveReport(session, study, lambda progress: None, interval_s=0.2) as show:
        show(progress())  # too early: the interval has just begun
        study.add_trial(optuna.trial.create_trial(value=0.5))
        show(progress())
        until(lambda: bool(written))  # though nothing ends meanwhile
        assert written == [1]
        study.add_trial(optuna.trial.create_trial(value=0.5))
        show(progress())
        until(lambda: len(written) == 2)
    assert written == [1, 2]


def test_nothing_is_written_after_the_search(session: Session, written: list[int]) -> None:
    with LiveReport(session, optuna.create_study(), lambda progress: None, interval_s=60.0) as show:
        show(progress())
    assert written == []


def test_what_fails_later_is_told_to_the_search(
    session: Session, written: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        written.append(0)
        raise OSError("disk full")

    monkeypatch.setattr(live, "write_report", fail)
    with LiveReport(session, optuna.create_study(), lambda progress: None, interval_s=0.05) as show:
        show(progress())
        until(lambda: bool(written))
        until(lambda: not show._timer.is_alive())  # type: ignore[union-attr]
        with pytest.raises(OSError, match="disk full"):
            show(progress())
