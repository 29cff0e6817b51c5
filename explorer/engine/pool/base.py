"""Where trainings run, as the search sees it; and the pool that runs them on the calling thread."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, Protocol, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")
T_contra = TypeVar("T_contra", contravariant=True)


class Pool(Protocol[T_contra, R]):
    """Runs tasks; leaving its context closes it."""

    @property
    def slots(self) -> int:
        """How many tasks may usefully be in flight."""

    @property
    def under_this_process(self) -> bool:
        """Whether all tasks so far ran in the calling process or in processes that it started."""

    def submit(self, task: T_contra) -> Future[R]:
        """Run ``work(task)`` soon; the future holds its result or exception and is never cancelled."""

    def close(self) -> None:
        """End all processes that the pool started; unfinished tasks fail."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class SerialPool(Generic[T, R]):
    """Runs every task at once on the calling thread.

    Example:
        >>> with SerialPool(len) as pool:
        ...     pool.slots, pool.submit("abc").result()
        (1, 3)
    """

    slots, under_this_process = 1, True

    def __init__(self, work: Callable[[T], R]) -> None:
        self._work = work

    def submit(self, task: T) -> Future[R]:
        """Return a finished future."""
        future = running_future()
        try:
            future.set_result(self._work(task))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Nothing to end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def running_future() -> Future[Any]:
    """A future that nobody can cancel.

    Example:
        >>> future = running_future()
        >>> future.cancel(), future.running()
        (False, True)
    """
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    return future
