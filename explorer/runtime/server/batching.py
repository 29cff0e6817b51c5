"""One worker thread for all models: what already waits is computed together, and waits for nothing else."""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

Compute = Callable[[Any, Sequence[Any]], Sequence[Any]]


class BusyError(Exception):
    """As much waits as may wait."""


@dataclass(frozen=True, eq=False)
class _Waiting:
    number: int  # of arrival
    item: Any
    answer: asyncio.Future[Any]


class Batcher:
    """Queue and worker; all methods are called in the event loop's thread.

    Items that share a key may be computed together. The key whose first item has waited longest comes next.

    Args:
        compute: Called in the worker thread with a key and its items. Returns a result for each; an exception
            among them is raised to the one that submitted the item.
        max_batch: Most items of one call.
        limit: Most items that may wait.
        started: Called with the number of items of each call.

    Example:
        >>> async def doubled():
        ...     batcher = Batcher(lambda key, items: [2 * item for item in items], max_batch=8, limit=64)
        ...     answers = await asyncio.gather(*(batcher.submit("key", item) for item in range(4)))
        ...     batcher.close()
        ...     return answers
        >>> asyncio.run(doubled())
        [0, 2, 4, 6]
    """

    def __init__(
        self, compute: Compute, max_batch: int, limit: int, started: Callable[[int], None] = lambda _: None
    ) -> None:
        self._compute, self._started = compute, started
        self._max_batch, self._limit = max_batch, limit
        self._waiting: dict[Hashable, deque[_Waiting]] = {}
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="inference")
        self._arrived = 0
        self._computing = False

    @property
    def waiting(self) -> int:
        """Items that wait; those being computed are not among them."""
        return sum(map(len, self._waiting.values()))

    def submit(self, key: Hashable, item: Any) -> "asyncio.Future[Any]":
        """Let an item wait for its turn. Who cancels the future leaves the queue.

        Raises:
            BusyError: As much waits as may wait.
        """
        if self.waiting >= self._limit:
            raise BusyError
        self._arrived += 1
        own = _Waiting(self._arrived, item, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(key, deque()).append(own)
        if not self._computing:
            self._start()
        return own.answer

    def run(self, call: Callable[[], Any]) -> "asyncio.Future[Any]":
        """Run something else in the worker thread, such as the loading of models."""
        return asyncio.wrap_future(self._worker.submit(call))

    def close(self) -> None:
        """End the worker thread, after what it computes."""
        self._worker.shutdown()

    def _start(self) -> None:
        """Compute the next batch, if anybody waits for one."""
        batch: list[_Waiting] = []
        while self._waiting and not batch:
            key = min(self._waiting, key=lambda key: self._waiting[key][0].number)
            queue = self._waiting[key]
            while queue and len(batch) < self._max_batch:
                own = queue.popleft()
                if not own.answer.cancelled():
                    batch.append(own)
            if not queue:
                del self._waiting[key]
        self._computing = bool(batch)
        if not batch:
            return
        self._started(len(batch))
        loop = asyncio.get_running_loop()
        computed = self._worker.submit(self._compute, key, [own.item for own in batch])
        computed.add_done_callback(lambda done: loop.call_soon_threadsafe(self._answer, batch, done))

    def _answer(self, batch: list[_Waiting], computed: "Future[Sequence[Any]]") -> None:
        failure = computed.exception()
        results = [failure] * len(batch) if failure else computed.result()
        self._start()  # the next batch is computed while this one's answers are written
        for own, result in zip(batch, results, strict=True):
            if own.answer.cancelled():
                continue
            if isinstance(result, BaseException):
                own.answer.set_exception(result)
            else:
                own.answer.set_result(result)
