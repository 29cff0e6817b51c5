"""How long the sampler takes for a proposal, and when to say that another would be quicker.

The rule: a search warns once, when over its last 20 proposals the sampler took at least 0.2 s each (median)
and more than all the rest of the search together. A sampler that proposes in less is nobody's bottleneck,
and one that takes less than the trainings it chooses is worth its time.
"""

import statistics
from collections import deque

RECENT = 20
LEAST_S = 0.2
# which takes less, by `python -m benchmarks.true_front`; nsga2 and random take next to nothing
CHEAPER = {"gp": "front", "tpe": "nsga2", "nsga3": "nsga2", "front": "nsga2"}


class SuggestTimes:
    """Seconds that the sampler took, proposal by proposal, in one session of a search.

    Args:
        sampler: Its name.

    Example:
        >>> times = SuggestTimes("gp")
        >>> for proposal in range(21):
        ...     times.add(0.9, now_s=1.0 * proposal)
        >>> times.recent_s, times.warning()[:25]
        (0.9, 'the gp sampler took 0.9 s')
    """

    def __init__(self, sampler: str) -> None:
        self._sampler = sampler
        self.seconds: list[float] = []
        self._asked_at_s: deque[float] = deque(maxlen=RECENT + 1)
        self._warned = False

    def add(self, seconds: float, now_s: float) -> None:
        """Note what one proposal took.

        Args:
            seconds: What the sampler took.
            now_s: A clock's reading after it.
        """
        self.seconds.append(seconds)
        self._asked_at_s.append(now_s)

    @property
    def recent_s(self) -> float:
        """Median seconds of the last proposals, 0 before the first."""
        return statistics.median(self.seconds[-RECENT:]) if self.seconds else 0.0

    def warning(self) -> str:
        """The warning when it is due, once; else empty."""
        if self._warned or self._sampler not in CHEAPER or len(self._asked_at_s) <= RECENT:
            return ""
        passed_s = self._asked_at_s[-1] - self._asked_at_s[0]
        if self.recent_s < LEAST_S or sum(self.seconds[-RECENT:]) <= passed_s / 2:
            return ""
        self._warned = True
        return (
            f"the {self._sampler} sampler took {self.recent_s:.2g} s for each of the last {RECENT} proposals "
            f"(after {len(self.seconds)}), more than the rest of the search. A run keeps its sampler; a new "
            f"one would propose sooner with --sampler {CHEAPER[self._sampler]}"
        )

    def summary(self) -> dict[str, float | None]:
        """Seconds in all and the median per proposal, None without one; for ``run.json``."""
        median_s = statistics.median(self.seconds) if self.seconds else None
        return {"suggest_seconds": sum(self.seconds), "suggest_median_s": median_s}
