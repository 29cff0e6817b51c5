"""What the C of a network's edge parts takes, at every way to run them: known without writing it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from explorer.core.calibration import Calibration
from explorer.core.code_bytes import CodeBytes
from explorer.core.graph.split_points import OUTPUT
from explorer.core.network import Network
from explorer.core.run_point import FLOAT32, INT8
from explorer.microcontroller.emit import outlined
from explorer.microcontroller.int8_edge import LoweredEdge
from explorer.microcontroller.int8_numbers import Int8Numbers
from explorer.microcontroller.interface import Task
from explorer.microcontroller.numbers import FloatNumbers, Numbers
from explorer.microcontroller.sizes import largest
from explorer.runtime.manifest import ExitRule

Weights = Literal["float", "int8"]
_UNKNOWN = np.full(3, np.nan)
_ANY = 0.5  # a threshold takes as many bytes as any other


def code_bytes(
    network: Network,
    edges: Sequence[LoweredEdge],
    split_points: Sequence[str],
    calibration: Calibration,
    weights: Weights,
) -> CodeBytes:
    """Constants, flash and RAM of the C of a network's edge parts.

    Args:
        network: Whose they are.
        edges: Its edge parts that there is C for.
        split_points: Names, without ``output``.
        calibration: Its payloads and exits.
        weights: ``float`` or ``int8``.

    Example:
        >>> import torch
        >>> from explorer.core.calibration import uncalibrated
        >>> from explorer.data.dataset import DataSet
        >>> from explorer.data.subset import Subset
        >>> from explorer.microcontroller.int8_edge import lowered_edges
        >>> backbone = torch.nn.Sequential(torch.nn.Linear(4, 2))
        >>> network = Network(backbone, torch.zeros(1, 4), num_classes=2, exit_features=4).eval()
        >>> own = Subset(torch.zeros(4, 4), torch.arange(4) % 2)
        >>> data = DataSet("zeros", own, own, own, 2, (4,), mean=(0.0,), std=(1.0,))
        >>> calibration = uncalibrated(["input"], [8])
        >>> edges = lowered_edges(network, data, calibration)
        >>> constants = code_bytes(network, edges, ["input"], calibration, "float").output_K[0]
        >>> constants  # 10 parameters, mean and deviation of the samples
        np.float64(48.0)
    """
    bits = calibration.inference_config.payload.bits
    known = {own.point.name: own for own in edges}
    split_SEBK = np.full((len(split_points), 2, len(bits), 3), np.nan)
    for place, name in enumerate(split_points):
        if name not in known:
            continue
        own = known[name]
        codecs = [replace(calibration.codecs[name, each], entropy="none") for each in bits]
        rule = ExitRule(calibration.inference_config.score, calibration.temperatures.get(name, 1.0), _ANY)
        with_exit, without = (
            [Task(network.num_classes, exit_, codec) for codec in codecs] for exit_ in (rule, None)
        )
        split_SEBK[place, 0] = _sizes(own.without_exit, weights, without)
        if network.exit_at(name) is not None:
            split_SEBK[place, 1] = _sizes(own, weights, with_exit)
    output = _sizes(known[OUTPUT], weights, [Task(network.num_classes)])[0] if OUTPUT in known else _UNKNOWN
    return CodeBytes(split_SEBK, output, FLOAT32 if weights == "float" else INT8)


def _sizes(edge: LoweredEdge, weights: Weights, tasks: Sequence[Task]) -> NDArray[np.float64]:
    """Constants, flash and RAM (tasks, 3)."""
    numbers: Numbers = FloatNumbers(edge.program)
    if weights == "int8":
        assert edge.integers is not None
        numbers = Int8Numbers(edge.integers)
    return np.array([(own.constant_bytes, *largest(own, weights)) for own in outlined(numbers, tasks)], float)
