"""Rate and round-trip time of a link, estimated from messages that were sent over it anyway.

A message of x bytes, both ways together, takes ``rtt + s x`` seconds, s seconds a byte. Messages of one size
tell the sum only; the line needs two sizes, such as a message and a small probe. So the last observations
of every size class are kept, the median of each class is taken, and the line through the medians is the
estimate. While there is one class only, the round-trip time is held and the rest is put down to the rate.

Moving medians follow a sudden change late, and mix both links meanwhile. So an observation far from what was
expected is set aside: a second one that is off to the same side shows a new link, of which all older
observations know nothing; if the next of its size is as expected, the first was an outlier.
"""

from collections import deque
from dataclasses import dataclass
from math import floor, log

import numpy as np

_STRANGE = 1.6  # off by such a factor: noise of a quarter seldom gets there twice running
_CLASS = 1.3  # sizes within such a factor are one class
_WINDOW = 9  # observations of a class
_MEMORY = 10 * _WINDOW  # observations of any class after which one is forgotten
_YOUNG = 3  # observations below which another is worth its cost
_PATIENCE = 4  # strange observations, to whichever side, after which what was expected is given up
_LEAST_SHARE = 0.05  # of a message's time that its bytes take, however fast the link is


@dataclass(frozen=True)
class _Observation:
    number: int
    size: float
    seconds: float
    upwards: bool

    @property
    def size_class(self) -> int:
        return floor(log(max(self.size, 1.0), _CLASS))


class LinkEstimator:
    """What is known of a link.

    Args:
        bits_per_s: Rate as long as nothing was observed.
        rtt_s: Round-trip time likewise.

    Attributes:
        rtt_s: Round-trip time, in seconds.
        s_per_byte: Seconds that a byte takes.
        surprised: Whether the last observation was set aside, until another says the same.

    Example:
        >>> link = LinkEstimator(bits_per_s=1e6, rtt_s=0.02)
        >>> for size, seconds in ((300, 0.0524), (1300, 0.0604), (300, 0.0524)):
        ...     _ = link.observe(size, seconds)
        >>> f"{link.bits_per_s:.4g} bit/s, {link.rtt_s:.3g} s"
        '1e+06 bit/s, 0.05 s'
    """

    def __init__(self, bits_per_s: float, rtt_s: float) -> None:
        self.rtt_s, self.s_per_byte = rtt_s, 8 / bits_per_s
        self.surprised = False
        self._count = 0
        self._seen: dict[int, deque[_Observation]] = {}
        self._strange: list[_Observation] = []

    @property
    def bits_per_s(self) -> float:
        """Rate, the same in both directions."""
        return 8 / self.s_per_byte

    @property
    def is_young(self) -> bool:
        """Whether this link is hardly known yet, after a change."""
        return sum(len(those) for those in self._seen.values()) < _YOUNG

    @property
    def identified(self) -> bool:
        """Whether rate and round-trip time are known apart: two size classes were observed."""
        sizes = self._seen.keys()
        return bool(sizes) and max(sizes) - min(sizes) > 1

    def expected_s(self, size: float) -> float:
        """Seconds that ``size`` bytes, both ways together, will take."""
        return self.rtt_s + self.s_per_byte * size

    def forget(self) -> None:
        """Know nothing of the link from now on, but expect what was estimated."""
        self._seen.clear()
        self._strange.clear()
        self.surprised = False

    def observe(self, size: float, seconds: float) -> bool:
        """Take in one message.

        Args:
            size: Bytes, both ways together.
            seconds: Until its answer, without the server's own work.

        Returns:
            Whether this shows a new link.
        """
        self._count += 1
        expected = self.expected_s(size)
        own = _Observation(self._count, size, seconds, seconds > expected)
        changed = False
        if self._is_new_size(own) or expected / _STRANGE <= seconds <= expected * _STRANGE:
            self._strange = [other for other in self._strange if other.size_class != own.size_class]
            self._keep(own)
        else:
            self._strange = [o for o in self._strange if o.number > self._count - _WINDOW] + [own]
            sides = [other.upwards for other in self._strange]
            changed = max(sum(sides), len(sides) - sum(sides)) >= 2 or len(sides) >= _PATIENCE
            if changed:
                self._seen.clear()
                for other in self._strange:
                    self._keep(other)
                self._strange.clear()
        self.surprised = own in self._strange
        self._fit()
        return changed

    def _is_new_size(self, own: _Observation) -> bool:
        """Whether what was expected of it is no more than a guess."""
        return not self.identified and all(abs(own.size_class - other) > 1 for other in self._seen)

    def _keep(self, own: _Observation) -> None:
        self._seen.setdefault(own.size_class, deque(maxlen=_WINDOW)).append(own)
        for size_class, those in list(self._seen.items()):
            while those and those[0].number <= self._count - _MEMORY:
                those.popleft()
            if not those:
                del self._seen[size_class]

    def _fit(self) -> None:
        """The line through the medians, weighted by relative error; neither part of it is negative."""
        sizes = np.array([np.median([own.size for own in those]) for those in self._seen.values()])
        times = np.array([np.median([own.seconds for own in those]) for those in self._seen.values()])
        if not self.identified:
            size, seconds = float(sizes.mean()), float(times.mean())
            self.rtt_s = min(self.rtt_s, (1 - _LEAST_SHARE) * seconds)
            self.s_per_byte = (seconds - self.rtt_s) / size
            return
        weights = np.array([len(those) for those in self._seen.values()]) / times**2
        middle, mean = np.average(sizes, weights=weights), np.average(times, weights=weights)
        slope = float((weights * (sizes - middle) * (times - mean)).sum())
        slope /= float((weights * (sizes - middle) ** 2).sum())
        steepest, flattest = mean / middle, _LEAST_SHARE * mean / middle
        self.s_per_byte = float(np.clip(slope, flattest, steepest))
        self.rtt_s = max(0.0, float(mean - self.s_per_byte * middle))
