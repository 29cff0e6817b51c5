"""Both halves of a bundle as callables: ONNX Runtime sessions of their stages, one after another."""

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from .codec import Floats, decode, encode
from .errors import BundleError
from .manifest import SAMPLES, Bundle, Half, Point

INPUT, CROSSING, LOGITS, CONFIDENCE = "input", "crossing", "logits", "confidence"  # names in ONNX files
ANSWER = "answer"  # of the server, among the samples that a bundle brings


@dataclass(frozen=True, eq=False)
class EdgeResult:
    """What the edge part makes of one sample.

    Attributes:
        crossing: Float32, shape as the point says; at ``output`` these are the logits.
        logits: Of the exit (classes,); None where there is none.
        confidence: In [0, 1], of the exit; None where there is none.

    Example:
        >>> EdgeResult(np.zeros(4, np.float32), None, None).crossing.shape
        (4,)
    """

    crossing: Floats
    logits: Floats | None
    confidence: float | None


class _Stages:
    """The sessions of one half; each is opened when it first runs."""

    half: Half

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        self.bundle = bundle
        self.session = cache(partial(_open, bundle.folder, threads=threads))

    def _stage(self, place: int, tensor: Floats, names: tuple[str, ...]) -> list[Floats]:
        session = self.session(self.bundle.stages[self.half][place])
        found: list[Floats] = session.run(list(names), {INPUT: tensor})
        return found


class EdgeParts(_Stages):
    """Runs the edge half, sample by sample.

    Args:
        bundle: Loaded with its half ``edge``.
        threads: Of ONNX Runtime.

    Example:
        >>> parts = EdgeParts(load_bundle(Path("bundle"), "edge"))  # doctest: +SKIP
        >>> parts.run(sample).confidence  # doctest: +SKIP
        0.98
    """

    half = "edge"

    def run(self, sample: Floats, point: int = 0) -> EdgeResult:
        """Run one sample up to the point's split point, and its exit.

        Args:
            sample: Float32 of :attr:`Bundle.input_shape`, as it comes from the sensor.
            point: Place among :attr:`Bundle.points`.
        """
        own = self.bundle.points[point]
        tensor = np.ascontiguousarray(sample, np.float32)[np.newaxis]
        *before, last = own.edge_stages
        for place in before:
            (tensor,) = self._stage(place, tensor, (CROSSING,))
        if own.exit is None:
            (crossing,) = self._stage(last, tensor, (CROSSING,))
            return EdgeResult(crossing[0], None, None)
        crossing, logits, confidence = self._stage(last, tensor, (CROSSING, LOGITS, CONFIDENCE))
        return EdgeResult(crossing[0], logits[0], float(confidence[0]))


class ServerParts(_Stages):
    """Runs the server half, several decoded tensors at a time.

    Args:
        bundle: Loaded with its half ``server``.
        threads: Of ONNX Runtime.

    Example:
        >>> parts = ServerParts(load_bundle(Path("bundle"), "server"))  # doctest: +SKIP
        >>> parts.run(crossings).shape  # doctest: +SKIP
        (8, 10)
    """

    half = "server"

    def run(self, crossings: Floats, point: int = 0) -> Floats:
        """Logits (B, classes) of decoded crossing tensors (B, *crossing_shape)."""
        tensor = np.ascontiguousarray(crossings, np.float32)
        for place in self.bundle.points[point].server_stages:
            (tensor,) = self._stage(place, tensor, (CROSSING,))
        return tensor


def open_session(model: bytes | str, threads: int = 1) -> Any:
    """An ONNX Runtime session on the processor.

    Args:
        model: A serialised model, or the path of one.
        threads: That one call may use.

    Example:
        >>> open_session("edge/stage-0.onnx").get_outputs()[0].name  # doctest: +SKIP
        'crossing'
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])


def _open(folder: Path, path: str, threads: int) -> Any:
    try:
        return open_session(str(folder / path), threads)
    except Exception as error:  # the runtime has a class of its own for every way to fail
        raise BundleError(f"{folder / path}: ONNX Runtime cannot load it: {error}") from None


def self_check(parts: EdgeParts | ServerParts) -> None:
    """Run the samples that the bundle brings, at every point, and compare with what it says comes of them.

    Raises:
        BundleError: A value differs by more than the bundle's tolerance, or a stage cannot run.

    Example:
        >>> self_check(EdgeParts(load_bundle(Path("bundle"), "edge")))  # doctest: +SKIP
    """
    bundle = parts.bundle
    with np.load(bundle.folder / SAMPLES) as file:
        known: dict[str, Floats] = {name: file[name] for name in file.files}
    for number, point in enumerate(bundle.points):
        for place, sample in enumerate(known["input"]):
            crossing = known[f"{number}.{CROSSING}"][place]
            if isinstance(parts, EdgeParts):
                result = parts.run(sample, number)
                _compare(bundle, point, CROSSING, result.crossing, crossing)
                if result.logits is not None:
                    _compare(bundle, point, LOGITS, result.logits, known[f"{number}.{LOGITS}"][place])
            elif point.codec is not None:
                received = decode(encode(crossing, point.codec), point.crossing_shape, point.codec)
                logits = parts.run(received[np.newaxis], number)[0]
                _compare(bundle, point, ANSWER, logits, known[f"{number}.{ANSWER}"][place])


def _compare(bundle: Bundle, point: Point, name: str, found: Floats, expected: Floats) -> None:
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    off = float(np.abs(found - expected).max(initial=0.0)) / scale
    if not off <= bundle.tolerance:
        raise BundleError(
            f"{bundle.folder / SAMPLES}: point {point.id}: {name} differs by {off:.2g}, "
            f"at most {bundle.tolerance:g} is allowed on this machine"
        )
