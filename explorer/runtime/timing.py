"""Timing small networks on a device: in turn, with pauses, low quantiles; numpy and ONNX Runtime alone.

A folder holds ``networks.json`` and the networks; this module times them and writes ``times.json`` beside. It
is copied to devices that do not have this package.
"""

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from .codec import Codec, decode, encode
from .stages import INPUT, open_session

NETWORKS, TIMES = "networks.json", "times.json"
QUANTILE = 0.2  # of the times of one call: what else a machine does only adds to them
PAUSE_S = 0.004  # before each call, in which caches cool down as between samples
LEAST_ROUNDS = 5
MOST_ROUNDS, _WARM_UP = 400, 2
Call = Callable[[], object]


@dataclass(frozen=True)
class Timed:
    """Seconds of one call.

    Attributes:
        seconds: Low quantile over the rounds, see :data:`QUANTILE`.
        spread: Distance between the quartiles, relative to the median.

    Example:
        >>> Timed.of([1.0, 2.0, 3.0, 4.0, 5.0])
        Timed(seconds=1.8, spread=0.6666666666666666)
    """

    seconds: float
    spread: float

    @classmethod
    def of(cls, rounds: Sequence[float]) -> "Timed":
        """From the seconds of every round."""
        low, first, median, third = np.quantile(rounds, [QUANTILE, 0.25, 0.5, 0.75])
        return cls(float(low), float((third - first) / median))


def time_calls(calls: Mapping[str, Call], seconds: float, pause_s: float = PAUSE_S) -> dict[str, list[float]]:
    """Time every call once a round, one after another, so that what a machine does besides hits all alike.

    Args:
        calls: By name.
        seconds: Rounds begin until this time is over; there are at least :data:`LEAST_ROUNDS`.
        pause_s: Before each call.

    Returns:
        Seconds of each round by name.

    Example:
        >>> found = time_calls({"sleep": lambda: time.sleep(0.001)}, seconds=0.01, pause_s=0.0)
        >>> len(found["sleep"]) >= LEAST_ROUNDS, min(found["sleep"]) >= 0.001
        (True, True)
    """
    found = {name: list[float]() for name in calls}
    for call in calls.values():
        for _ in range(_WARM_UP):
            call()
    end = time.perf_counter() + seconds
    order, names = np.random.default_rng(0), list(calls)
    for number in range(MOST_ROUNDS):
        if number >= LEAST_ROUNDS and time.perf_counter() >= end:
            break
        for place in order.permutation(len(names)):  # or one would always follow the same other
            call = calls[names[place]]
            time.sleep(pause_s)
            begun = time.perf_counter()
            call()
            found[names[place]].append(time.perf_counter() - begun)
    return found


def session_call(model: bytes | str, shape: Sequence[int], threads: int = 1) -> Call:
    """A call that runs a model on one sample of zeros, as bundles run theirs.

    Example:
        >>> session_call("micro/linear-0.onnx", (64,))  # doctest: +SKIP
    """
    session, sample = open_session(model, threads), np.zeros((1, *shape), np.float32)
    return lambda: session.run(None, {INPUT: sample})


def codec_call(name: str, elements: int, bits: int) -> Call:
    """A call that encodes or decodes a payload.

    Args:
        name: ``encode`` or ``decode``.
        elements: Values of the crossing tensor.
        bits: Of each.

    Example:
        >>> len(codec_call("encode", elements=10, bits=8)())
        20
    """
    codec = Codec(bits, "sample", "none", None, None)
    tensor = np.linspace(0.0, 1.0, elements, dtype=np.float32)
    payload = encode(tensor, codec)
    return (
        (lambda: encode(tensor, codec)) if name == "encode" else (lambda: decode(payload, (elements,), codec))
    )


def time_folder(folder: Path, seconds: float, threads: int = 1) -> dict[str, Any]:
    """Time the networks of a folder.

    Args:
        folder: Written by ``explorer calibrate --folder``.
        seconds: See :func:`time_calls`.
        threads: Of ONNX Runtime.

    Returns:
        Plain data: what was timed on, and by name seconds and spread.

    Example:
        >>> time_folder(Path("calibration"), seconds=60)["processor"]  # doctest: +SKIP
        'aarch64'
    """
    calls = dict[str, Call]()
    for own in json.loads((folder / NETWORKS).read_text(encoding="utf-8")):
        if "bits" in own:
            calls[own["name"]] = codec_call(own["call"], own["elements"], own["bits"])
        else:
            calls[own["name"]] = session_call(str(folder / own["file"]), own["shape"], threads)
    timed = {name: Timed.of(rounds) for name, rounds in time_calls(calls, seconds).items()}
    return {
        "processor": processor(),
        "threads": threads,
        "onnxruntime": onnxruntime.__version__,
        "times": {name: vars(own) for name, own in timed.items()},
    }


def processor() -> str:
    """What the machine calls its processor.

    Example:
        >>> processor() != ""
        True
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("model")]
    names = [name for name in named if not name.isdigit()]  # x86 numbers its models, too
    return next(iter(names), "") or platform.processor() or platform.machine() or os.name


def main(folder: Path, arguments: Sequence[str]) -> int:
    """Time the networks of a folder and write ``times.json`` there.

    Args:
        folder: See :func:`time_folder`.
        arguments: The seconds, or nothing.

    Example:
        >>> main(Path("to_my_device"), ["60"])  # doctest: +SKIP
    """
    seconds = float(arguments[0]) if arguments else 60.0
    content = time_folder(folder, seconds)
    (folder / TIMES).write_text(json.dumps(content, indent=1), encoding="utf-8")
    print(
        f"written: {folder / TIMES}; copy it back, then: explorer calibrate --times {TIMES} --out FILE.yaml"
    )
    return 0
