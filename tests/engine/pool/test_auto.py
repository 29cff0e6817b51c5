"""One process for a short search, several for a long one."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait

import pytest

from explorer.engine.pool import auto as auto_pool
from explorer.engine.pool.auto import MEASURED, WORTHWHILE_SECONDS, AutoPool, workers_per_machine
from explorer.engine.pool.base import SerialPool
from explorer.errors import UserError


class Workers(SerialPool[int, str]):
    """Stands for worker processes."""

    slots, under_this_process = 4, False

    def __init__(self) -> None:
        super().__init__(lambda task: f"worker {task}")
        self.closed = False

    def close(self) -> None:
        self.closed = True


def run(
    monkeypatch: pytest.MonkeyPatch, seconds: Sequence[float], expected: int
) -> tuple[list[str], list[Workers]]:
    """Results of tasks that take so many ``seconds`` by the clock, and the workers, opened within a task."""
    clock, opened = [0.0], list[Workers]()
    monkeypatch.setattr(auto_pool.time, "perf_counter", lambda: clock[0])

    def work(task: int) -> str:
        clock[0] += seconds[task]
        return f"here {task}"

    def open_workers() -> Workers:
        opened.append(Workers())
        return opened[-1]

    results = []
    with AutoPool(work, open_workers, expected) as pool:
        for task in range(len(seconds)):
            results.append(pool.submit(task).result())
            if pool._opening is not None:
                wait([pool._opening])
        assert pool.slots == (4 if opened else 1)
        assert pool.under_this_process == (not opened)
    assert [workers.closed for workers in opened] == [True] * len(opened)
    return results, opened


def test_a_short_search_stays_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = 100
    results, opened = run(monkeypatch, [WORTHWHILE_SECONDS / (expected - MEASURED) * 0.99] * 6, expected)
    assert results == [f"here {task}" for task in range(6)]
    assert opened == []


def test_a_long_search_goes_over_to_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = 100
    results, opened = run(monkeypatch, [WORTHWHILE_SECONDS / (expected - MEASURED) * 1.01] * 6, expected)
    assert results == [f"here {task}" for task in range(4)] + ["worker 4", "worker 5"]
    assert len(opened) == 1


def test_a_search_that_turns_out_long_goes_over_to_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    results, opened = run(monkeypatch, [0.1, 0.1, 0.1, 10.0, 10.0, 10.0], 20)
    assert results == [f"here {task}" for task in range(5)] + ["worker 5"]
    assert len(opened) == 1


def test_tasks_go_on_here_while_workers_start() -> None:
    may_open = threading.Event()

    def open_workers() -> Workers:
        may_open.wait(30)
        return Workers()

    with AutoPool(lambda task: f"here {task}", open_workers, 10**9) as pool:
        assert [pool.submit(task).result() for task in range(6)] == [f"here {task}" for task in range(6)]
        assert pool.under_this_process
        may_open.set()
        assert pool._opening is not None
        wait([pool._opening])
        assert pool.submit(6).result() == "worker 6"


def test_workers_that_cannot_start_are_an_error_of_the_search() -> None:
    def open_workers() -> Workers:
        raise UserError("no room for workers")

    with AutoPool(str, open_workers, 10**9) as pool:
        for task in range(MEASURED + 1):
            pool.submit(task)
        assert pool._opening is not None
        wait([pool._opening])
        with pytest.raises(UserError, match="no room"):
            pool.submit(4)


def test_failures_pass_through() -> None:
    def work(task: int) -> str:
        raise ValueError(f"task {task}")

    with AutoPool(work, Workers, 10) as pool:
        future: Future[str] = pool.submit(3)
        with pytest.raises(ValueError, match="task 3"):
            future.result()


def test_threads_share_the_cores() -> None:
    assert workers_per_machine(1) >= workers_per_machine(2) >= workers_per_machine(10_000) == 1
