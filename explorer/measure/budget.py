"""How long measuring may take: a share of the search's time, spread over all that is to be measured."""

import time
from dataclasses import dataclass, field

SHARE = 0.25  # of the search's time
LEAST_S = 10.0  # a search of a few seconds would otherwise have nothing measured


def seconds_to_measure(search_s: float) -> float:
    """Seconds that measuring may take behind a search of ``search_s`` seconds.

    Example:
        >>> seconds_to_measure(search_s=200.0), seconds_to_measure(search_s=2.0)
        (50.0, 10.0)
    """
    return max(LEAST_S, SHARE * search_s)


@dataclass
class Budget:
    """Time for so many parts; it begins when it is made.

    Attributes:
        seconds: Of all parts.
        parts: How many there are.
        begun: How many were begun.

    Example:
        >>> budget = Budget(seconds=3600.0, parts=2)
        >>> budget.begin_part()
        >>> budget.is_spent, budget.is_on_time
        (False, True)
    """

    seconds: float
    parts: int
    begun: int = 0
    _start: float = field(default_factory=lambda: time.perf_counter(), init=False)

    def begin_part(self) -> None:
        """Count a part, whose share of the time may be used from now on."""
        self.begun += 1

    @property
    def is_spent(self) -> bool:
        """Whether nothing more is to be begun."""
        return self._elapsed_s >= self.seconds

    @property
    def is_on_time(self) -> bool:
        """Whether no more was used than is due to the parts that were begun: there is time for extras."""
        return self._elapsed_s <= self.seconds * self.begun / self.parts

    @property
    def _elapsed_s(self) -> float:
        return time.perf_counter() - self._start
