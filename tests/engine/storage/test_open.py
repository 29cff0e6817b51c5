"""Loops that work on one PostgreSQL study at the same time, over made-up networks trained in rungs."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from loops import REFERENCES, Killed, results, silent
from optuna.trial import TrialState
from rung_loops import RUNGS, Log, Train, make_loop, trained
from stand_ins import make_proposer

from explorer.core.training import TrainingFailedError
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask
from explorer.engine.loop import SearchLoop
from explorer.engine.outcomes import REFERENCE
from explorer.engine.storage.open import open_study, opening
from explorer.errors import UserError
from explorer.runs.store import Store
from explorer.space.metrics import METRICS, Metric

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

BOTH = (METRICS["accuracy"], METRICS["edge_macs"])
Use = Callable[[SearchLoop], None]


def with_loop(url: str, folder: Path, train: Train, use: Use) -> None:
    """Use a loop as a process of its own would have it."""
    metrics = make_proposer().space.metrics
    with opening(url, "study", metrics, {"seed": 0}, Store(folder)) as opened:
        use(make_loop(folder, train, study=opened.study, locks=opened.locks, sync=opened.sync))


def search(trials: int) -> Use:
    return lambda loop: loop.run(trials, None, silent)


def together(url: str, folders: Sequence[Path], train: Train, trials: int) -> None:
    """A search per folder, at the same time."""
    make_proposer()  # what torch imports when it traces first cannot be imported by two threads at a time
    meeting = threading.Barrier(len(folders))
    threads = [
        threading.Thread(target=with_loop, args=(url, folder, with_others(train, meeting), search(trials)))
        for folder in folders
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def with_others(train: Train, meeting: threading.Barrier) -> Train:
    """The first training ends when all loops have begun one."""

    def meets(task: TrainingTask) -> EvaluatedNetwork:
        if not met.is_set():
            met.set()
            meeting.wait(30)
        return train(task)

    met = threading.Event()
    return meets


def takes_a_while(task: TrainingTask) -> EvaluatedNetwork:
    time.sleep(0.02)
    return trained(task)


def folder_contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()
    }


@pytest.mark.slow
def test_together_exactly_what_was_asked_for(postgres_url: str, tmp_path: Path) -> None:
    log, folders = Log(takes_a_while), [tmp_path / "one", tmp_path / "two"]
    begun = time.perf_counter()
    together(postgres_url, folders, log, 30)
    seconds = time.perf_counter() - begun
    reached: dict[str, int] = {}
    for key, begun_at, until_epoch in sorted(log.pieces):  # each piece once, from where the last one ended
        assert begun_at == reached.get(key, 0)
        reached[key] = until_epoch
    assert set(reached.values()) == set(RUNGS)
    contents = folder_contents(folders[0])
    assert contents == folder_contents(folders[1])
    assert any("earlier" in name for name in contents)

    def check(loop: SearchLoop) -> None:
        trials = loop.study.optuna_study.trials
        assert [trial.number for trial in trials] == list(range(30))
        assert {trial.state for trial in trials} == {TrialState.COMPLETE}
        assert [trial.user_attrs.get(REFERENCE) for trial in trials].count(None) == 30 - len(REFERENCES)
        proposed = Counter(result.network_key for result in results(loop) if result.outcome == "trained")
        assert set(proposed) == set(reached) == set(loop.networks.store)
        assert set(proposed.values()) == {1}
        assert max(result.elapsed_s for result in results(loop)) < seconds
        for key in loop.networks.archive.networks():
            assert reached[key] == RUNGS[-1]

    with_loop(postgres_url, folders[0], log, check)


def test_what_a_killed_loop_left_is_taken_up(postgres_url: str, tmp_path: Path) -> None:
    """The connection that holds the claims goes with the process."""

    def dies(task: TrainingTask) -> EvaluatedNetwork:
        raise Killed

    with pytest.raises(Killed):
        with_loop(postgres_url, tmp_path / "one", dies, search(8))

    def check(loop: SearchLoop) -> None:
        assert [trial.state for trial in loop.study.optuna_study.trials] == [TrialState.RUNNING]
        loop.run(8, None, silent)
        assert [trial.state for trial in loop.study.optuna_study.trials] == [TrialState.COMPLETE] * 8

    with_loop(postgres_url, tmp_path / "two", trained, check)


def test_the_last_proposal_of_another_is_waited_for(postgres_url: str, tmp_path: Path) -> None:
    ended = threading.Event()

    def waits() -> None:
        with_loop(postgres_url, tmp_path / "two", trained, search(1))
        ended.set()

    def is_waited_for(task: TrainingTask) -> EvaluatedNetwork:
        if not waiting.ident:
            waiting.start()
        assert not ended.wait(1.5)
        return trained(task)

    waiting = threading.Thread(target=waits)
    with_loop(postgres_url, tmp_path / "one", is_waited_for, search(1))
    assert ended.wait(20)
    assert folder_contents(tmp_path / "one") == folder_contents(tmp_path / "two")


def test_a_network_that_failed_elsewhere_is_not_tried_again(postgres_url: str, tmp_path: Path) -> None:
    calls = Counter[str]()

    def fails(task: TrainingTask) -> EvaluatedNetwork:
        calls[task.spec.key] += 1
        time.sleep(0.05)
        raise TrainingFailedError("diverged")

    together(postgres_url, [tmp_path / "one", tmp_path / "two"], fails, 12)
    assert set(calls.values()) == {1}


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'study.db'}"


def test_open_creates_then_loads(tmp_path: Path) -> None:
    study = open_study(sqlite(tmp_path), "run", BOTH)
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.metric_names == ["accuracy", "edge_macs"]
    study.tell(study.ask(), [0.5, 3])
    assert len(open_study(sqlite(tmp_path), "run", BOTH).trials) == 1


@pytest.mark.parametrize("metrics", [BOTH[:1], BOTH[::-1], (METRICS["accuracy"], METRICS["exit_rate"])])
def test_study_with_other_objectives(tmp_path: Path, metrics: tuple[Metric, ...]) -> None:
    open_study(sqlite(tmp_path), "run", BOTH)
    with pytest.raises(UserError, match=r"--storage 'sqlite:.*study 'run' has other objectives"):
        open_study(sqlite(tmp_path), "run", metrics)


@pytest.mark.parametrize("url", ["sqlite:////no/such/folder/x.db", "nonsense", "mysql://nobody@nowhere/x"])
def test_storage_that_cannot_be_used(url: str) -> None:
    with pytest.raises(UserError, match=f"--storage '{url}' cannot be used: "):
        open_study(url, "run", BOTH)


@pytest.mark.parametrize(("key", "value"), [("seed", 1), ("space", "b")])
def test_a_study_begun_with_something_else(tmp_path: Path, key: str, value: object) -> None:
    begun_with: dict[str, object] = {"seed": 0, "space": "a"}
    open_study(sqlite(tmp_path), "run", BOTH, begun_with)
    open_study(sqlite(tmp_path), "run", BOTH, begun_with)
    open_study(sqlite(tmp_path), "other", BOTH, begun_with | {key: value})
    with pytest.raises(
        UserError, match=f"study 'run' was begun with {key} {begun_with[key]!r}, got {value!r}"
    ):
        open_study(sqlite(tmp_path), "run", BOTH, begun_with | {key: value})
