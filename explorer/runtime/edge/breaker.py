"""A circuit breaker: a server that keeps failing is left alone, then asked whether it is ready."""

import random
import time
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half_open"]

_JITTER = 0.25  # so that devices which lost their server together do not come back together


class Breaker:
    """Decides when messages may be sent; three states, as in Nygard, Release It!, 2nd edition, 2018.

    Closed: messages are sent. Open, after ``failures`` in a row: none is sent, and the server is asked for
    its readiness after a wait that doubles with every disappointment. Half-open, once the server said that it
    is ready: one message is sent, whose outcome closes the breaker or opens it again, with twice the wait.

    Args:
        failures: How many in a row open it, at least 1.
        first_wait_s: Seconds from opening to the first question, above 0.
        longest_wait_s: What doubling ends at, seconds.
        clock: Seconds that only grow.
        random_share: Gives numbers from 0 to 1: a wait is shortened by up to a quarter by them.

    Attributes:
        state: ``closed``, ``open`` or ``half_open``.
        openings: How often it opened from ``closed``.

    Example:
        >>> now = [0.0]
        >>> breaker = Breaker(failures=2, first_wait_s=1.0, clock=lambda: now[0], random_share=lambda: 0.0)
        >>> breaker.failed(), breaker.failed(), breaker.state, breaker.question_is_due()
        (None, None, 'open', False)
        >>> now[0] = 1.0
        >>> breaker.question_is_due()
        True
        >>> breaker.answered_ready()
        >>> breaker.state
        'half_open'
        >>> breaker.succeeded()
        >>> breaker.state, breaker.openings
        ('closed', 1)
    """

    def __init__(
        self,
        failures: int = 3,
        first_wait_s: float = 0.5,
        longest_wait_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        random_share: Callable[[], float] = random.random,
    ) -> None:
        assert failures >= 1
        assert 0 < first_wait_s <= longest_wait_s
        self.state: State = "closed"
        self.openings = 0
        self._failures, self._failed_in_a_row = failures, 0
        self._first_wait_s, self._longest_wait_s = first_wait_s, longest_wait_s
        self._wait_s, self._asks_at = first_wait_s, 0.0
        self._clock, self._random_share = clock, random_share

    def succeeded(self) -> None:
        """A message was answered: messages flow, and all failures are forgotten."""
        self.state = "closed"
        self._failed_in_a_row, self._wait_s = 0, self._first_wait_s

    def failed(self) -> None:
        """A message was not answered, or the server is not ready."""
        self._failed_in_a_row += 1
        if self.state == "closed":
            if self._failed_in_a_row >= self._failures:
                self.openings += 1
                self._open(self._first_wait_s)
        else:
            self._open(max(self._wait_s, min(2 * self._wait_s, self._longest_wait_s)))

    def open_for(self, wait_s: float) -> None:
        """Open at once, as one refusal tells that all further messages would be refused.

        Args:
            wait_s: Seconds until the server is asked again, and from then on every time.
        """
        self.openings += self.state == "closed"
        self._open(wait_s)

    def question_is_due(self) -> bool:
        """Whether it is open, and has waited long enough to ask the server for its readiness."""
        return self.state == "open" and self._clock() >= self._asks_at

    def answered_ready(self) -> None:
        """The server said that it is ready: one message may try."""
        assert self.state == "open"
        self.state = "half_open"

    def _open(self, wait_s: float) -> None:
        self.state, self._wait_s = "open", wait_s
        self._asks_at = self._clock() + wait_s * (1 - _JITTER * self._random_share())
