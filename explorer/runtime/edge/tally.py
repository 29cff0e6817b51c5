"""What became of all samples of a run: counts by source, latencies."""

from array import array
from collections import Counter
from typing import Any

import numpy as np

from .edge_runtime import Answer

SOURCES = ("exit", "server", "edge_fallback")
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Tally:
    """Counts answers as they come; takes 8 bytes for each.

    Attributes:
        failures: How many samples nobody answered, by reason.

    Example:
        >>> tally = Tally()
        >>> tally.add(Answer(7, "exit", 0.9, point=0, sent_bytes=0, latency_s=0.25, reason=None), truth=7)
        >>> tally.add_failure("no exit, no server")
        >>> summary = tally.summary()
        >>> summary["samples"], summary["answered"], summary["sources"]["exit"], summary["accuracy"]
        (2, 1, 1, 1.0)
        >>> summary["latency_s"]["all"]["p95"]
        0.25
    """

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._latencies_s = {source: array("d") for source in SOURCES}
        self._right = self._judged = 0

    def add(self, answer: Answer, truth: int | None = None) -> None:
        """Count an answer.

        Args:
            answer: Of the edge.
            truth: The sample's label, where it is known.
        """
        self._latencies_s[answer.source].append(answer.latency_s)
        if answer.reason is not None:
            self._reasons[answer.reason] += 1
        if truth is not None:
            self._judged += 1
            self._right += truth == answer.label

    def add_failure(self, reason: str) -> None:
        """Count a sample that has no answer."""
        self.failures[reason] += 1

    def summary(self) -> dict[str, Any]:
        """All counts, as JSON has them.

        Returns:
            ``samples``, ``answered``, ``failed``; ``sources``: answers by source; ``accuracy``: share of
            right answers among those whose label is known, None where there are none; ``latency_s``: for
            ``all`` and each source the quantiles p50, p95 and p99 (linear between neighbours, None without
            answers); ``reasons`` of fallbacks and ``failures``, counted.
        """
        sources = {source: len(found) for source, found in self._latencies_s.items()}
        answered, failed = sum(sources.values()), self.failures.total()
        every = array("d")
        for found in self._latencies_s.values():
            every.extend(found)
        return {
            "samples": answered + failed,
            "answered": answered,
            "failed": failed,
            "sources": sources,
            "accuracy": self._right / self._judged if self._judged else None,
            "latency_s": {
                "all": _quantiles(every),
                **{source: _quantiles(found) for source, found in self._latencies_s.items()},
            },
            "reasons": dict(self._reasons.most_common()),
            "failures": dict(self.failures.most_common()),
        }


def _quantiles(seconds: "array[float]") -> dict[str, float | None]:
    if not seconds:
        return dict.fromkeys(QUANTILES)
    found = np.quantile(np.frombuffer(seconds), list(QUANTILES.values())).tolist()
    return dict(zip(QUANTILES, found, strict=True))
