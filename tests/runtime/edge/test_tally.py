"""Counts of a run."""

import numpy as np
import pytest

from explorer.runtime.edge.edge_runtime import Answer
from explorer.runtime.edge.tally import Tally


def test_counts_and_quantiles_by_source() -> None:
    tally = Tally()
    seconds = {"exit": np.linspace(0.001, 0.1, 100), "server": np.linspace(0.2, 0.3, 11)}
    for source, latencies in seconds.items():
        for number, latency_s in enumerate(latencies.tolist()):
            answer = Answer(number % 10, source, 0.9, 0, 0, latency_s, None)  # type: ignore[arg-type]
            tally.add(answer, truth=0 if source == "exit" else None)
    tally.add(Answer(1, "edge_fallback", 0.5, 0, 0, 1.0, "time-out"))
    for reason in ("down", "NaN", "down"):
        tally.add_failure(reason)
    found = tally.summary()
    assert (found["samples"], found["answered"], found["failed"]) == (115, 112, 3)
    assert found["sources"] == {"exit": 100, "server": 11, "edge_fallback": 1}
    assert found["accuracy"] == pytest.approx(10 / 100)  # of those whose label is known
    assert found["latency_s"]["exit"] == pytest.approx({"p50": 0.0505, "p95": 0.09505, "p99": 0.09901})
    assert found["latency_s"]["server"] == pytest.approx({"p50": 0.25, "p95": 0.295, "p99": 0.299})
    assert found["latency_s"]["edge_fallback"] == {"p50": 1.0, "p95": 1.0, "p99": 1.0}
    every = np.concatenate([*seconds.values(), [1.0]])
    assert found["latency_s"]["all"]["p95"] == pytest.approx(np.quantile(every, 0.95))
    assert found["reasons"] == {"time-out": 1}
    assert list(found["failures"].items()) == [("down", 2), ("NaN", 1)]


def test_nothing() -> None:
    found = Tally().summary()
    assert (found["samples"], found["accuracy"]) == (0, None)
    assert found["latency_s"]["all"] == {"p50": None, "p95": None, "p99": None}
