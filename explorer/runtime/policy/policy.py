"""Which of several operating points of one network the edge runs, as its link changes.

All points come from one training, so changing between them costs nothing. The edge takes the one with the
smallest expected latency, by the formula of the cost model at the measured rate and round-trip time, among
those that keep an accuracy floor:

    edge + exit + q (encode + rtt + 8 (message + protocol) / rate + decode + server)

It changes only when another point is better by a margin in several observations running, and stays a while.
A point that hardly sends would never learn that the link is better again, so a small probe is sent now and
then: rarely enough to cost a small share of the time.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import UserError
from ..sizes import REQUEST_OVERHEAD, RESPONSE_BYTES
from .link_estimate import LinkEstimator
from .point_costs import PointCosts

_FAILURES = 2  # running, after which the link counts as failed
_LEAST_OF_SECONDS = 0.05  # of a message's time that the link took, however slow the server is said to be
_KEPT_CHANGES = 1000
_SMALLER = 0.75  # of a size: then another of that size tells something new
_BURST = 3  # probes that may be sent at once, before the share of time counts


@dataclass(frozen=True, kw_only=True)
class Hysteresis:
    """How much it takes to change.

    Attributes:
        margin: Share by which another point must be faster.
        observations: Running, in which it must be.
        dwell: Samples between two changes; a link that failed does not wait for them.

    Example:
        >>> Hysteresis(margin=0.2).observations
        2
    """

    margin: float = 0.08
    observations: int = 2
    dwell: int = 20


@dataclass(frozen=True, kw_only=True)
class Probing:
    """How the link is asked when nothing is sent.

    Attributes:
        share: Of the time without messages that probes may take.
        urgent_share: Of all time that probes may take, those after surprises included.
        small_bytes: Of the smallest probe, both ways together.
        pause_s: Between probes, at least.

    Example:
        >>> Probing().share
        0.03
    """

    share: float = 0.03
    urgent_share: float = 0.05
    small_bytes: int = 300
    pause_s: float = 0.05


@dataclass(frozen=True)
class Change:
    """A change of the operating point.

    Attributes:
        number: Of the sample from which on it holds, counted from 1.
        before, after: Places of the points.
        reason: In words, with the figures that decided.
        bits_per_s, rtt_s: The link, as it was estimated.

    Example:
        >>> Change(7, 0, 1, "the link failed", 1e6, 0.02).after
        1
    """

    number: int
    before: int
    after: int
    reason: str
    bits_per_s: float
    rtt_s: float


class Policy:
    """Chooses the operating point for each sample.

    For each sample :meth:`choose`; after each message :meth:`observe`, or :meth:`failed`; and whenever
    :meth:`probe_bytes` is not 0, a probe of so many bytes and :meth:`observe_probe`, or :meth:`failed`.

    Args:
        points: Of one network.
        accuracy_floor: Points with less accuracy are never chosen.
        bits_per_s: Rate that is expected as long as nothing was measured.
        rtt_s: Round-trip time likewise.
        protocol_bytes: Around a payload in a request.
        answer_bytes: Of an answer.
        hysteresis: How much it takes to change.
        probing: How the link is asked when nothing is sent.
        clock: Seconds, for probes.

    Attributes:
        changes: The last 1,000.
        probes, probe_s: How many probes there were, and the seconds they took.

    Raises:
        UserError: There is no point, none keeps the floor, or a number is not legal.

    Example:
        >>> times = {"exit_s": 0.0, "encode_s": 0.0, "server_s": 0.001, "accuracy": 0.9}
        >>> early = PointCosts(edge_s=0.001, offload_rate=1.0, message_bytes=360, **times)
        >>> late = PointCosts(edge_s=0.03, offload_rate=0.1, message_bytes=360, **times)
        >>> policy = Policy([early, late], bits_per_s=1e6, rtt_s=0.01, hysteresis=Hysteresis(dwell=0))
        >>> policy.choose()
        0
        >>> for _ in range(4):  # the rate has fallen to a twentieth
        ...     policy.observe(sent_bytes=744, seconds=0.171)
        >>> policy.choose(), policy.changes[0].reason
        (1, '0.0471 s expected instead of 0.172 s')
    """

    def __init__(
        self,
        points: Sequence[PointCosts],
        *,
        accuracy_floor: float = 0.0,
        bits_per_s: float,
        rtt_s: float,
        protocol_bytes: float = REQUEST_OVERHEAD,
        answer_bytes: float = RESPONSE_BYTES,
        hysteresis: Hysteresis | None = None,
        probing: Probing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not (bits_per_s > 0 and 0 <= rtt_s < math.inf):
            raise UserError(f"a link needs a rate > 0 and a finite time >= 0, got {bits_per_s!r}, {rtt_s!r}")
        self.points = tuple(points)
        self._eligible = [place for place, own in enumerate(points) if own.accuracy >= accuracy_floor]
        if not self._eligible:
            best = max((own.accuracy for own in points), default=math.nan)
            raise UserError(f"accuracy_floor: no point reaches {accuracy_floor:g}, the best has {best:g}")
        self._hysteresis, self._probing = hysteresis or Hysteresis(), probing or Probing()
        self._answer_bytes, self._around = answer_bytes, protocol_bytes + answer_bytes
        self.link = LinkEstimator(bits_per_s, rtt_s)
        self.changes: deque[Change] = deque(maxlen=_KEPT_CHANGES)
        self.probes, self.probe_s = 0, 0.0
        self._clock, self._begun, self._heard = clock, clock(), clock()
        self._number = self._stayed = self._failures = self._agreeing = 0
        self._failure_s, self._last_size, self._curious = 0.0, 0.0, False
        self._best = self._current = min(self._eligible, key=self.latency_s)
        perfect = {"rtt_s": 0.0, "s_per_byte": 0.0, "protocol_bytes": self._around}
        self._hoped = min(self._eligible, key=lambda place: points[place].latency_s(**perfect))

    @property
    def link_failed(self) -> bool:
        """Whether the last messages were not answered at all."""
        return self._failures >= _FAILURES

    def latency_s(self, place: int) -> float:
        """Expected seconds of a sample at a point, on the link as it is estimated."""
        return self.points[place].latency_s(self.link.rtt_s, self.link.s_per_byte, self._around)

    def choose(self) -> int:
        """Place of the point for the next sample."""
        self._number += 1
        self._stayed += 1
        if self.link_failed:
            alone = min(self._eligible, key=lambda place: self._need(self.points[place]))
            self._change(alone, "the link failed")
        elif self._agreeing >= self._hysteresis.observations and self._stayed >= self._hysteresis.dwell:
            then, now = self.latency_s(self._best), self.latency_s(self._current)
            self._change(self._best, f"{then:.3g} s expected instead of {now:.3g} s")
        return self._current

    def observe(self, sent_bytes: float, seconds: float) -> None:
        """A message was answered.

        Args:
            sent_bytes: Of the whole request, protocol included.
            seconds: From its first byte to the answer, the server's work included.
        """
        own = self.points[self._current]
        link_s = max(seconds - own.server_s - own.decode_s, _LEAST_OF_SECONDS * seconds)
        self._hear(sent_bytes + self._answer_bytes, link_s)

    def observe_probe(self, carried_bytes: float, seconds: float) -> None:
        """A probe was answered.

        Args:
            carried_bytes: Both ways together.
            seconds: From its first byte to the answer.
        """
        self.probes += 1
        self.probe_s += seconds
        self._hear(carried_bytes, seconds)

    def failed(self, seconds: float, *, probe: bool = False) -> None:
        """A message, or a probe, was not answered.

        Args:
            seconds: After which that was clear.
            probe: Whether it was a probe.
        """
        self._failures += 1
        self._failure_s = seconds
        if probe or self._failures <= _FAILURES:  # later ones are of a server that is left alone
            self._heard = self._clock()
        if probe:
            self.probes += 1
            self.probe_s += seconds

    def probe_bytes(self) -> int:
        """How many bytes, both ways together, a probe should carry now; 0 where none is due.

        It may be of another size, since what was carried is observed.
        """
        now, probing = self._clock(), self._probing
        if self.link_failed:
            due = now - self._heard >= max(probing.pause_s, self._failure_s / probing.share)
            return probing.small_bytes if due else 0
        if len(self._eligible) == 1:
            return 0
        size = self._probe_size()
        expected_s = self.link.expected_s(size)
        if self._curious:
            allowed_s = probing.urgent_share * (now - self._begun) + _BURST * expected_s
            return size if self.probe_s + expected_s <= allowed_s else 0
        due = now - self._heard >= max(probing.pause_s, expected_s / probing.share)
        return size if due and self._current != self._hoped else 0

    def _probe_size(self) -> int:
        """A small one, or that of a message of the point for a better link, where this can tell more.

        No message is faster than a small probe: as long as the point would not pay with messages as fast as
        that, there is no need to know how fast they are.
        """
        small, hoped = self._probing.small_bytes, self.points[self._hoped]
        large = int(hoped.message_bytes + self._around)
        at_best_s = hoped.latency_s(self.link.expected_s(small), 0.0, 0.0)
        would_pay = at_best_s < (1 - self._hysteresis.margin) * self.latency_s(self._current)
        return max(small, large) if would_pay and self._last_size < _SMALLER * large else small

    def _hear(self, size: float, seconds: float) -> None:
        """Take in what the link did, and compare the points on it."""
        if self.link_failed:
            self.link.forget()
        self._failures, self._heard, self._last_size = 0, self._clock(), size
        self.link.observe(size, max(seconds, 1e-9))
        self._best = min(self._eligible, key=self.latency_s)
        better = self.latency_s(self._best) < (1 - self._hysteresis.margin) * self.latency_s(self._current)
        self._agreeing = self._agreeing + 1 if better else 0
        undecided = 0 < self._agreeing < self._hysteresis.observations
        self._curious = self.link.surprised or self.link.is_young or undecided

    def _need(self, own: PointCosts) -> tuple[float, float]:
        """How much a point needs the link, then what it costs without."""
        return own.offload_rate, own.edge_s + own.exit_s

    def _change(self, place: int, reason: str) -> None:
        if place == self._current:
            return
        link = (self.link.bits_per_s, self.link.rtt_s)
        self.changes.append(Change(self._number, self._current, place, reason, *link))
        self._current, self._stayed, self._agreeing = place, 0, 0
