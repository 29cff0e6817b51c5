"""The edge: answers every sample once, by its exit, by the server, or by its exit for want of a server."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ..codec import Floats, PayloadError, encode
from ..errors import UserError
from ..manifest import Bundle, load_bundle
from ..policy.bundle_policy import bundle_policy, describe_change
from ..stages import EdgeParts, EdgeResult, self_check
from .breaker import Breaker
from .client import Client, Refused, Unreachable
from .offload import Chooser, Offloader

Source = Literal["exit", "server", "edge_fallback"]

NO_SERVER = "no server was named"
_LOG = logging.getLogger(__name__)


class NoAnswerError(Exception):
    """Nobody can answer a sample, and nobody guesses: the message says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one sample.

    Attributes:
        label: The class.
        source: ``exit``: the edge was sure enough, or runs the whole network; ``server``; ``edge_fallback``:
            the sample should have been sent, but the server did not answer it.
        confidence: In [0, 1], as the exit's rule scores it, or the server's largest softmax probability.
        point: Place among the bundle's operating points.
        sent_bytes: Of HTTP for this sample, failed messages and questions for readiness included.
        latency_s: From the raw sample to the answer.
        reason: Why the server did not answer; None for other sources.

    Example:
        >>> Answer(7, "exit", 0.98, point=0, sent_bytes=0, latency_s=0.0002, reason=None).source
        'exit'
    """

    label: int
    source: Source
    confidence: float
    point: int
    sent_bytes: int
    latency_s: float
    reason: str | None


class _Found(NamedTuple):
    """Those fields of an :class:`Answer` that say what it is, not what it took."""

    point: int
    source: Source
    label: int
    confidence: float
    reason: str | None = None


class EdgeRuntime:
    """Runs the edge half of a bundle, and asks a server where its exit is not sure enough.

    It is not for several threads. When the server is asked and when it is left alone says
    :class:`~explorer.runtime.edge.offload.Offloader`.

    Args:
        bundle: Loaded with its half ``edge``.
        client: Asks the server; None where there is none.
        policy: Chooses the operating point of each sample; None takes the first. With it,
            :meth:`look_at_link` is to be called between samples.
        breaker: Decides when messages may be sent; None makes one with its defaults.
        parts: What computes the edge half; None makes it, with one thread.

    Attributes:
        bundle, client, policy, breaker, parts: See above.

    Raises:
        UserError: A stage cannot be loaded, or a Python package is missing.

    Example:
        >>> edge = open_edge(Path("bundle"), server="http://192.168.1.20:8080")  # doctest: +SKIP
        >>> edge.answer(sample)  # doctest: +SKIP
        Answer(label=7, source='exit', confidence=0.98, point=0, sent_bytes=0, latency_s=0.0002, reason=None)
    """

    def __init__(
        self,
        bundle: Bundle,
        client: Client | None = None,
        policy: Chooser | None = None,
        *,
        breaker: Breaker | None = None,
        parts: EdgeParts | None = None,
    ) -> None:
        self.bundle, self.client, self.policy = bundle, client, policy
        self.breaker, self.parts = breaker or Breaker(), parts or EdgeParts(bundle)
        model = f"{bundle.name} {bundle.version}"
        self._link = None if client is None else Offloader(client, self.breaker, policy, model)
        for place in range(len(bundle.points) if policy else 1):
            self._warm_up(place)

    def _warm_up(self, place: int) -> None:
        """Load all that an operating point needs: no sample waits for it, and what is missing shows now."""
        crossing = self.parts.run(np.zeros(self.bundle.input_shape, np.float32), place).crossing
        if (codec := self.bundle.points[place].codec) is not None:
            encode(np.nan_to_num(crossing), codec)

    @property
    def sent_bytes(self) -> int:
        """Bytes of HTTP sent since it was made."""
        return 0 if self.client is None else self.client.sent_bytes

    def answer(self, sample: npt.NDArray[Any]) -> Answer:
        """Answer one sample.

        Args:
            sample: Numbers of :attr:`Bundle.input_shape`, as they come from the sensor; uint8 only where the
                bundle's input is.

        Raises:
            UserError: Another shape or type.
            NoAnswerError: The sample is not finite, or it has to be sent but the server does not answer and
                no operating point of the bundle lets the edge answer alone.
        """
        began, sent_bytes = time.perf_counter(), self.sent_bytes
        values = self._checked(sample)
        place = 0 if self.policy is None else self._chosen(self.policy)
        result = self.parts.run(values, place)
        found = self._sure_answer(place, result) or self._unsure_answer(place, result, values)
        return Answer(
            **found._asdict(),
            sent_bytes=self.sent_bytes - sent_bytes,
            latency_s=time.perf_counter() - began,
        )

    def look_at_link(self) -> None:
        """Let the policy probe the link where it wants to; call it between samples, when there is time."""
        if self._link is not None:
            self._link.probe()

    def close(self) -> None:
        """Close the connection to the server."""
        if self.client is not None:
            self.client.close()

    def _chosen(self, policy: Chooser) -> int:
        """The policy's choice; a change is logged with its reason."""
        before = policy.changes[-1] if policy.changes else None
        place = policy.choose()
        if policy.changes and policy.changes[-1] is not before:
            _LOG.info("%s", describe_change(self.bundle, policy.changes[-1]))
        return place

    def _checked(self, sample: npt.NDArray[Any]) -> Floats:
        shape = self.bundle.input_shape
        if sample.shape != shape or sample.dtype.kind not in "buif":
            raise UserError(f"a sample must hold numbers of shape {shape}, got {sample.dtype} {sample.shape}")
        if sample.dtype == np.uint8 and self.bundle.input_dtype != "uint8":
            raise UserError("a sample must be scaled as in training and be float32, got dtype uint8")
        with np.errstate(over="ignore"):  # what does not fit is infinite, and refused
            values: Floats = sample.astype(np.float32)
        if not np.isfinite(values).all():
            raise NoAnswerError("the sample holds NaN, infinity or what does not fit float32")
        return values

    def _sure_answer(self, place: int, result: EdgeResult) -> _Found | None:
        """The edge's answer where it is to answer alone."""
        point = self.bundle.points[place]
        if point.exit is not None:
            assert result.logits is not None
            assert result.confidence is not None
            if result.confidence >= point.exit.threshold:
                return _Found(place, "exit", _label(result.logits), result.confidence)
        return None if point.sends else _Found(place, "exit", *_best(result.crossing))

    def _unsure_answer(self, place: int, result: EdgeResult, sample: Floats) -> _Found:
        """The server's answer, or else the best that the edge has."""
        try:
            return _Found(place, "server", *self._offload(place, result.crossing))
        except (Unreachable, Refused) as error:
            return self._fallback(place, result, sample, str(error))

    def _fallback(self, place: int, result: EdgeResult, sample: Floats, reason: str) -> _Found:
        """What the edge answers alone, if need be by another operating point: first one without a server."""
        points = self.bundle.points
        if points[place].exit is None:
            able = [other for other, point in enumerate(points) if point.exit is not None or not point.sends]
            if not able:
                raise NoAnswerError(f"the edge has no exit, and the server gives no answer: {reason}")
            place = min(able, key=lambda other: points[other].sends)
            result = self.parts.run(sample, place)
            if not points[place].sends:
                return _Found(place, "edge_fallback", *_best(result.crossing), reason)
        assert result.logits is not None
        assert result.confidence is not None
        return _Found(place, "edge_fallback", _label(result.logits), result.confidence, reason)

    def _offload(self, place: int, crossing: Floats) -> tuple[int, float]:
        """Label and confidence of the server."""
        codec = self.bundle.points[place].codec
        assert codec is not None
        if self._link is None:
            raise Unreachable(NO_SERVER)
        try:
            payload = encode(crossing, codec)
        except PayloadError as error:
            raise NoAnswerError(f"the crossing tensor cannot be sent: {error}") from None
        return self._link.ask(place, payload)


def open_edge(
    folder: Path,
    server: str | None = None,
    *,
    token: str | None = None,
    timeout_s: float | None = None,
    ca_file: Path | None = None,
    policy: bool = False,
    threads: int = 1,
) -> EdgeRuntime:
    """Check the edge half of a bundle, its files and what it computes here, and make it ready to answer.

    Args:
        folder: Of the bundle.
        server: ``http(s)://HOST[:PORT]``; None where there is none: then the edge answers alone.
        token: For a server that wants one.
        timeout_s: Seconds for a message and its answer, connecting included; None takes
            :func:`~explorer.runtime.edge.client.default_timeout_s`.
        ca_file: Certificates (PEM) that are trusted instead of the system's.
        policy: Whether the operating point is chosen as the link changes; else it is the first.
        threads: Of ONNX Runtime.

    Raises:
        UserError: The bundle is damaged or computes other values on this machine, or the URL, the token or
            the file cannot be used.

    Example:
        >>> open_edge(Path("nowhere"))
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.BundleError: nowhere/manifest.json: no such file: the folder is no bundle
    """
    bundle = load_bundle(folder, "edge")
    client = None if server is None else Client(server, bundle, token, timeout_s, ca_file)
    parts = EdgeParts(bundle, threads)
    self_check(parts)
    return EdgeRuntime(bundle, client, bundle_policy(parts) if policy else None, parts=parts)


def _label(logits: Floats) -> int:
    if not np.isfinite(logits).all():
        raise NoAnswerError("the network's logits are not finite")
    return int(logits.argmax())


def _best(logits: Floats) -> tuple[int, float]:
    """Label and its softmax probability."""
    label = _label(logits)
    return label, float(1 / np.exp(logits - logits[label]).sum())
