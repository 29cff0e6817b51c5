"""What the server counts, as Prometheus text; without the library ``prometheus_client`` it counts nothing."""

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

prometheus: Any = None
with suppress(ImportError):  # to answer needs no counter
    prometheus = import_module("prometheus_client")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters and histograms of one server, in a registry of their own.

    Names of models and versions are those that are served, empty for requests that reached none; so what
    peers send does not make the number of series grow.

    Args:
        waiting: Tells the queue's length.

    Example:
        >>> metrics = Metrics(waiting=lambda: 0)
        >>> metrics.answered("digits", "0123456789abcdef", 200)
        >>> next(line for line in metrics.text().splitlines() if line.startswith(b"explorer_requests_total"))
        b'explorer_requests_total{code="200",model="digits",version="0123456789abcdef"} 1.0'
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._registry: Any = None
        if prometheus is None:
            return
        self._registry = prometheus.CollectorRegistry()
        own = {"registry": self._registry, "namespace": "explorer"}
        names = ["model", "version", "code"]
        about = "Inference requests, and requests for what is not served, by status"
        self._requests = prometheus.Counter("requests", about, names, **own)
        self._refusals = prometheus.Counter("refusals", "Requests refused, by reason", ["reason"], **own)
        about = "Seconds from an inference request's last byte to its answer"
        self._latency = prometheus.Histogram("request_seconds", about, buckets=_SECONDS, **own)
        about = "Requests computed together"
        self._batches = prometheus.Histogram("batch_size", about, buckets=_SIZES, **own)
        queue = prometheus.Gauge("queue_length", "Requests that wait for the worker", **own)
        queue.set_function(waiting)

    def answered(self, model: str, version: str, code: int, seconds: float | None = None) -> None:
        """Count an inference request, with its time where it was computed."""
        if self._registry is not None:
            self._requests.labels(model, version, str(code)).inc()
            if seconds is not None:
                self._latency.observe(seconds)

    def refused(self, reason: str) -> None:
        """Count a refusal by the word that says why."""
        if self._registry is not None:
            self._refusals.labels(reason).inc()

    def batch(self, size: int) -> None:
        """Count a batch."""
        if self._registry is not None:
            self._batches.observe(size)

    def text(self) -> bytes | None:
        """All of it for a scraper; None where the library is missing."""
        if self._registry is None:
            return None
        return bytes(prometheus.generate_latest(self._registry))
