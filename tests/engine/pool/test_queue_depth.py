"""A second task waits for each worker while tasks are short."""

import pytest

from explorer.engine.pool import queue_depth
from explorer.engine.pool.queue_depth import SHORT_SECONDS, QueueDepth


def in_flight(monkeypatch: pytest.MonkeyPatch, workers: int, ends: list[float]) -> int:
    clock = iter(ends)
    monkeypatch.setattr(queue_depth.time, "monotonic", lambda: next(clock))
    found = QueueDepth()
    for _ in ends:
        found.task_ended()
    return found.in_flight(workers)


@pytest.mark.parametrize("workers", [1, 3])
def test_short_tasks_wait_in_line(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    between = SHORT_SECONDS / workers  # each worker ends one in that time
    assert in_flight(monkeypatch, workers, []) == workers
    assert in_flight(monkeypatch, workers, [number * between * 0.9 for number in range(8)]) == workers
    assert in_flight(monkeypatch, workers, [number * between * 0.9 for number in range(9)]) == 2 * workers
    assert in_flight(monkeypatch, workers, [number * between * 1.1 for number in range(9)]) == workers


def test_only_the_last_tasks_count(monkeypatch: pytest.MonkeyPatch) -> None:
    start = [number * 100.0 for number in range(5)]
    quick = [start[-1] + number * 0.1 for number in range(1, 9)]
    assert in_flight(monkeypatch, 2, start + quick[:-1]) == 2
    assert in_flight(monkeypatch, 2, start + quick) == 4
