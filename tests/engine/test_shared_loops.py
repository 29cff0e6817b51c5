"""Loops that work on one PostgreSQL study at the same time, over made-up networks."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from loops import Evaluate, Killed, make_loop, results, silent
from optuna.trial import TrialState
from stand_ins import fabricate, make_proposer

from explorer.candidate import NetworkSpec
from explorer.core.training import TrainingFailedError
from explorer.engine.loop import SearchLoop
from explorer.engine.sharing import opening
from explorer.evaluate import EvaluatedNetwork
from explorer.store import Store

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

Use = Callable[[SearchLoop], None]


class Trainer:
    """Trains for a while; counts what is trained, over all loops."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.calls = seconds, Counter[str]()

    def __call__(self, spec: NetworkSpec) -> EvaluatedNetwork:
        self.calls[spec.key] += 1
        time.sleep(self.seconds)
        return fabricate(spec)


def with_others(evaluate: Evaluate, meeting: threading.Barrier) -> Evaluate:
    """The first training ends when all loops have begun one."""

    def meets(spec: NetworkSpec) -> EvaluatedNetwork:
        if not met.is_set():
            met.set()
            meeting.wait(30)
        return evaluate(spec)

    met = threading.Event()
    return meets


def with_loop(url: str, folder: Path, evaluate: Evaluate, use: Use) -> None:
    """Use a loop as a process of its own would have it."""
    metrics = make_proposer().space.metrics
    with opening(url, "study", metrics, {"seed": 0}, Store(folder)) as opened:
        use(make_loop(folder, evaluate, study=opened.study, claims=opened.claims, exchange=opened.exchange))


def search(trials: int) -> Use:
    return lambda loop: loop.run(trials, None, silent)


def together(url: str, folders: Sequence[Path], evaluate: Evaluate, trials: int) -> None:
    """A search per folder, at the same time."""
    meeting = threading.Barrier(len(folders))
    threads = [
        threading.Thread(target=with_loop, args=(url, folder, with_others(evaluate, meeting), search(trials)))
        for folder in folders
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def folder_contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()
    }


def test_together_exactly_what_was_asked_for(postgres_url: str, tmp_path: Path) -> None:
    trainer, folders = Trainer(0.05), [tmp_path / "one", tmp_path / "two"]
    together(postgres_url, folders, trainer, 40)
    assert set(trainer.calls.values()) == {1}
    assert folder_contents(folders[0]) == folder_contents(folders[1])

    def check(loop: SearchLoop) -> None:
        assert [trial.number for trial in loop.study.trials] == list(range(40))
        assert {trial.state for trial in loop.study.trials} == {TrialState.COMPLETE}
        outcomes = Counter(result.outcome for result in results(loop))
        assert outcomes["trained"] == len(trainer.calls)
        assert {result.network_key for result in results(loop)} == set(trainer.calls) == set(loop.store)
        names = [trial.user_attrs.get("reference") for trial in loop.study.trials]
        assert len(list(filter(None, names))) == 5  # each reference once

    with_loop(postgres_url, folders[0], trainer, check)


def test_what_a_killed_loop_left_is_taken_up(postgres_url: str, tmp_path: Path) -> None:
    """The connection that holds the claims goes with the process."""

    def dies(spec: NetworkSpec) -> EvaluatedNetwork:
        raise Killed

    with pytest.raises(Killed):
        with_loop(postgres_url, tmp_path / "one", dies, search(8))
    trainer = Trainer(0)
    with_loop(postgres_url, tmp_path / "two", trainer, search(8))

    def check(loop: SearchLoop) -> None:
        assert {trial.state for trial in loop.study.trials} == {TrialState.COMPLETE}
        assert len(loop.study.trials) == 8

    with_loop(postgres_url, tmp_path / "two", trainer, check)


def test_a_trial_under_way_elsewhere_is_waited_for(postgres_url: str, tmp_path: Path) -> None:
    """The last proposal is another's: this loop ends when that one is told."""
    ended = threading.Event()

    def asks_and_answers_late(other: SearchLoop) -> None:
        waiting = threading.Thread(
            target=lambda: (
                with_loop(postgres_url, tmp_path / "two", fabricate, search(3)),
                ended.set(),
            )
        )

        def evaluate(spec: NetworkSpec) -> EvaluatedNetwork:
            if not waiting.ident:
                waiting.start()
                assert not ended.wait(2)
            return fabricate(spec)

        other.pool._work = evaluate  # type: ignore[attr-defined]
        other.run(3, None, silent)
        assert ended.wait(10)
        waiting.join()

    with_loop(postgres_url, tmp_path / "one", fabricate, asks_and_answers_late)


def test_a_network_that_failed_elsewhere_is_not_tried_again(postgres_url: str, tmp_path: Path) -> None:
    calls = Counter[str]()

    def fails(spec: NetworkSpec) -> EvaluatedNetwork:
        calls[spec.key] += 1
        time.sleep(0.05)
        raise TrainingFailedError("diverged")

    together(postgres_url, [tmp_path / "one", tmp_path / "two"], fails, 12)
    assert set(calls.values()) == {1}
