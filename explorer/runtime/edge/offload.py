"""When a server is asked and when it is left alone, with breaker, policy and log told what came of it."""

import logging
import time
from collections.abc import Sequence
from typing import Any, Protocol

from .breaker import Breaker
from .client import Client, Refused, Unreachable

REFUSED_WAIT_S = 300.0  # a server that lacks this version, or our token, may have it after a roll-out
_LOG = logging.getLogger(__name__)


class Chooser(Protocol):
    """Chooses among operating points as the link changes, see :mod:`explorer.runtime.policy.policy`."""

    @property
    def changes(self) -> Sequence[Any]:
        """Changes of the operating point, the last one last."""

    def choose(self) -> int:
        """Place of the operating point for the next sample."""

    def observe(self, sent_bytes: float, seconds: float) -> None:
        """A message was answered."""

    def failed(self, seconds: float, *, probe: bool = False) -> None:
        """A message, or a probe, was not answered."""

    def probe_bytes(self) -> int:
        """How many bytes a probe should carry now, both ways together; 0 where none is due."""

    def observe_probe(self, carried_bytes: float, seconds: float) -> None:
        """A probe was answered."""


class Offloader:
    """Asks the server, and leaves it alone when it keeps failing or refuses all.

    After three failures in a row nothing is sent for a while, see
    :class:`~explorer.runtime.edge.breaker.Breaker`; then the server is asked whether it is ready before the
    next message. A server that refuses this version or this token is asked whether it is ready every five
    minutes. Both are logged once. No refused message is sent again.

    Args:
        client: Of the server.
        breaker: Decides when messages may be sent.
        policy: Is told how long messages took; may be None.
        model: Name and version, for the log.

    Example:
        >>> from types import SimpleNamespace
        >>> bundle = SimpleNamespace(name="digits", version="0123456789abcdef", num_classes=10)
        >>> client = Client("http://127.0.0.1:1", bundle, timeout_s=0.5)
        >>> link = Offloader(client, Breaker(), None, "digits 0123456789abcdef")
        >>> for _ in range(4):
        ...     try:
        ...         link.ask(0, b"payload")
        ...     except Unreachable as error:
        ...         print(error)
        connection refused
        connection refused
        connection refused
        the server is left alone: connection refused
    """

    def __init__(self, client: Client, breaker: Breaker, policy: Chooser | None, model: str) -> None:
        self._client, self._breaker, self._policy, self._model = client, breaker, policy, model
        self._cause, self._lost_s = "", 0.0  # why the breaker is open, and what it took to find out
        self._said: set[str] = set()

    def ask(self, point: int, payload: bytes) -> tuple[int, float]:
        """Label and confidence of a payload.

        Args:
            point: Place of the operating point in the bundle.
            payload: The encoded tensor.

        Raises:
            Unreachable: The server does not answer, or is left alone.
            Refused: The server will not answer this message.
        """
        deadline = self._client.deadline()
        if self._breaker.question_is_due():
            self._told(self._client.is_ready(deadline))
        if self._breaker.state == "open":
            if self._policy is not None:
                self._policy.failed(self._lost_s)
            raise Unreachable(f"the server is left alone: {self._cause}")
        began, sent_bytes = time.perf_counter(), self._client.sent_bytes
        try:
            found = self._client.infer(point, payload, deadline)
        except (Unreachable, Refused) as error:
            self._failed(error, time.perf_counter() - began)
            raise
        if self._breaker.state != "closed":
            _LOG.info("the server answers again")
        self._breaker.succeeded()
        if self._policy is not None:
            self._policy.observe(self._client.sent_bytes - sent_bytes, time.perf_counter() - began)
        return found

    def probe(self) -> None:
        """Send the policy's probe where one is due: a question for readiness, padded to its length."""
        if self._policy is None or not (size := self._policy.probe_bytes()):
            return
        due = self._breaker.question_is_due()
        if self._breaker.state == "open" and not due:
            return
        began, carried_bytes = time.perf_counter(), self._carried_bytes
        ready = self._client.is_ready(request_bytes=size)
        seconds = time.perf_counter() - began
        if ready:
            self._policy.observe_probe(self._carried_bytes - carried_bytes, seconds)
        else:
            self._policy.failed(seconds, probe=True)
        if due:
            self._told(ready)

    @property
    def _carried_bytes(self) -> int:
        return self._client.sent_bytes + self._client.received_bytes

    def _told(self, ready: bool) -> None:
        if ready:
            self._breaker.answered_ready()
        else:
            self._breaker.failed()

    def _failed(self, error: Unreachable | Refused, seconds: float) -> None:
        """Count a failure, and say what a person should know."""
        was, self._cause, self._lost_s = self._breaker.state, str(error), seconds
        if self._policy is not None:
            self._policy.failed(seconds)
        if isinstance(error, Refused) and error.lasting:
            self._breaker.open_for(REFUSED_WAIT_S)
            self._say_once(f"nothing is sent any more: {self._model} is refused: {error}")
            return
        self._breaker.failed()
        if isinstance(error, Refused):
            self._say_once(f"a message was refused: {error}")
        if was == "closed" and self._breaker.state == "open":
            _LOG.warning("the server is left alone for a while: %s", error)

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            _LOG.warning("%s", text)
