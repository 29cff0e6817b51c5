"""How fast tasks end, and so whether the next one should already wait while a worker is busy."""

import time
from collections import deque

SHORT_SECONDS = 5.0
_TASKS = 8  # of which the pace is the mean


class QueueDepth:
    """Tells short tasks from long ones.

    Between two tasks a worker waits for the search to store a network and to propose the next: tens of
    milliseconds, a tenth of a short training, nothing to a long one. A task that waits in line was proposed
    one result earlier, so it should wait only where that gains something.

    Example:
        >>> depth = QueueDepth()
        >>> for _ in range(9):
        ...     depth.task_ended()
        >>> depth.in_flight(workers=4)  # tasks end at once: others should wait in line
        8
    """

    def __init__(self) -> None:
        self._ends: deque[float] = deque(maxlen=_TASKS + 1)

    def task_ended(self) -> None:
        """Note the time."""
        self._ends.append(time.monotonic())

    def in_flight(self, workers: int) -> int:
        """How many tasks so many workers may usefully have, waiting ones included."""
        if len(self._ends) <= _TASKS:
            return workers
        seconds = workers * (self._ends[-1] - self._ends[0]) / _TASKS
        return 2 * workers if seconds < SHORT_SECONDS else workers
