"""A pool that measures its trainings and goes over to worker processes where that is faster."""

import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from statistics import fmean
from typing import Generic, Self, TypeVar

from explorer.engine.pool.base import Pool, SerialPool

T = TypeVar("T")
R = TypeVar("R")

MEASURED = 3  # trainings before the first choice
# Workers take some 6 s to start, beside the search; `benchmarks.engine_overhead` measures what they gain.
WORTHWHILE_SECONDS = 15.0


def workers_per_machine(threads: int) -> int:
    """Worker processes of so many threads each that this process may keep busy.

    Example:
        >>> workers_per_machine(threads=1) >= 1, workers_per_machine(threads=10_000)
        (True, 1)
    """
    available = getattr(os, "sched_getaffinity", None)  # not on macOS
    cores = len(available(0)) if available else os.cpu_count() or 1
    return max(1, cores // threads)


class AutoPool(Generic[T, R]):
    """Runs tasks on the calling thread, and in worker processes once it knows that a long search lies ahead.

    While the workers start, tasks go on on the calling thread.

    Args:
        work: What is run for every task.
        open_workers: Starts the worker processes.
        expected: How many tasks there will be, about.

    Example:
        >>> with AutoPool(len, open_workers=lambda: SerialPool(len), expected=100) as pool:
        ...     lengths = [pool.submit(task).result() for task in ("a", "bc", "def", "ghij")]
        ...     lengths, pool.under_this_process
        ([1, 2, 3, 4], True)
    """

    def __init__(self, work: Callable[[T], R], open_workers: Callable[[], Pool[T, R]], expected: int) -> None:
        self._serial, self._open_workers, self._expected = SerialPool(work), open_workers, expected
        self._opener = ThreadPoolExecutor(1, thread_name_prefix="open-workers")
        self._opening: Future[Pool[T, R]] | None = None
        self._workers: Pool[T, R] | None = None
        self._seconds: list[float] = []

    @property
    def slots(self) -> int:
        """One, or as many as there are workers."""
        return self._pool.slots

    @property
    def under_this_process(self) -> bool:
        """Whether all tasks so far ran here or in processes started here."""
        return self._workers is None or self._workers.under_this_process

    @property
    def _pool(self) -> Pool[T, R]:
        return self._serial if self._workers is None else self._workers

    def submit(self, task: T) -> "Future[R]":
        """Run ``work(task)``; returns a finished future while there are no workers."""
        if self._workers is None and self._opening is not None and self._opening.done():
            self._workers = self._opening.result()
        if self._opening is None and len(self._seconds) >= MEASURED and self._ahead_s > WORTHWHILE_SECONDS:
            self._opening = self._opener.submit(self._open_workers)
        start = time.perf_counter()
        future = self._pool.submit(task)
        if self._workers is None:
            self._seconds.append(time.perf_counter() - start)
        return future

    @property
    def _ahead_s(self) -> float:
        return fmean(self._seconds) * (self._expected - len(self._seconds))

    def close(self) -> None:
        """End the workers, if there are any."""
        if self._opening is not None and self._opening.exception() is None:
            self._opening.result().close()
        self._opener.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
