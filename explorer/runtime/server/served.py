"""A bundle on the server: its payloads checked, decoded together and answered."""

from collections.abc import Sequence
from math import prod

import numpy as np

from ..codec import Floats, PayloadError, decode, encoded_bytes, header_bytes
from ..errors import BundleError
from ..manifest import Bundle, Point
from ..stages import ServerParts, self_check


class Served:
    """One bundle, answered by its server part.

    Args:
        bundle: Loaded with its half ``server``.
        threads: Of ONNX Runtime.

    Example:
        >>> served = Served(load_bundle(Path("bundle"), "server"))  # doctest: +SKIP
        >>> served.answer(0, [payload, another])  # doctest: +SKIP
        [(7, 0.998), (3, 0.871)]
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        self.bundle = bundle
        self._parts = ServerParts(bundle, threads)
        self._allowed = [payload_bytes(point) for point in bundle.points]

    @property
    def largest_payload(self) -> int:
        """Most bytes that a legal payload has, at any point."""
        return max(most for _, most in self._allowed)

    def self_check(self) -> None:
        """See :func:`explorer.runtime.stages.self_check`.

        Raises:
            BundleError: The bundle does not compute what it should, or needs a package that is not there.
        """
        try:
            self_check(self._parts)
        except ModuleNotFoundError as error:
            raise BundleError(f"{self.bundle.folder}: needs the Python package {error.name}") from None

    def check(self, point: int, payload: bytes) -> None:
        """Refuse, without decoding it, what cannot be a payload of the point.

        Raises:
            PayloadError: There is no such point, nothing is sent at it, or it is too short or too long.
        """
        if point >= len(self._allowed):
            raise PayloadError(f"point: must be below {len(self._allowed)}, the bundle's points, got {point}")
        least, most = self._allowed[point]
        if most == 0:
            raise PayloadError(f"point: {point} runs on the edge alone: nothing is sent at it")
        if not least <= len(payload) <= most:
            numbers = f"{most}" if least == most else f"{least} to {most}"
            raise PayloadError(f"payload: must have {numbers} bytes at point {point}, got {len(payload)}")

    def answer(self, point: int, payloads: Sequence[bytes]) -> list[tuple[int, float] | PayloadError]:
        """Label and confidence of each payload, or why there is none."""
        own = self.bundle.points[point]
        results: list[tuple[int, float] | PayloadError] = []
        readable: list[Floats] = []
        for payload in payloads:
            crossing = _decoded(payload, own)
            results.append(crossing if isinstance(crossing, PayloadError) else (-1, 0.0))
            if not isinstance(crossing, PayloadError):
                readable.append(crossing)
        answers = iter(answers_of(self._parts.run(np.stack(readable), point)) if readable else ())
        return [result if isinstance(result, PayloadError) else next(answers) for result in results]


def payload_bytes(point: Point) -> tuple[int, int]:
    """Fewest and most bytes of a legal payload; no bytes where nothing is sent.

    Example:
        >>> from types import SimpleNamespace
        >>> from ..codec import Codec
        >>> payload_bytes(SimpleNamespace(codec=Codec(4, entropy="zstd"), crossing_shape=(16, 4, 4)))
        (11, 138)
    """
    if point.codec is None:
        return 0, 0
    codec = point.codec
    most = encoded_bytes(prod(point.crossing_shape), codec.bits, codec.ranges)
    return (most if codec.entropy == "none" else min(header_bytes(codec.ranges) + 1, most)), most


def answers_of(logits: Floats) -> list[tuple[int, float] | PayloadError]:
    """Class and largest softmax probability of each row of logits (B, classes).

    Example:
        >>> answers_of(np.array([[0.0, 0.0], [0.0, 100.0]], np.float32))
        [(0, 0.5), (1, 1.0)]
    """
    labels = logits.argmax(axis=1)
    with np.errstate(all="ignore"):
        largest = 1.0 / np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64).sum(axis=1)
    return [
        (int(label), float(np.float32(confidence)))
        if np.isfinite(row).all()
        else PayloadError("payload: has no finite answer")
        for row, label, confidence in zip(logits, labels, largest, strict=True)
    ]


def _decoded(payload: bytes, point: Point) -> Floats | PayloadError:
    assert point.codec is not None
    try:
        crossing = decode(payload, point.crossing_shape, point.codec)
    except PayloadError as error:
        return PayloadError(f"payload: {error}")
    if not np.isfinite(crossing).all():
        return PayloadError("payload: holds a value that is not finite")
    return crossing
