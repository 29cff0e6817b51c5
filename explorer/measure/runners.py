"""Both parts of a trained network as calls that can be timed: as they are deployed, or by torch."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from explorer.core.calibration import Calibration
from explorer.core.chain import DeployedChain, Normalise, confidence_name, crossing_name, exit_name
from explorer.core.graph.split_points import OUTPUT
from explorer.core.network import Network
from explorer.data.dataset import DataSet
from explorer.deploy.onnx_files import export_chain, sliced
from explorer.errors import UserError
from explorer.runtime.stages import INPUT, LOGITS, open_session

ONNX, TORCH = "onnxruntime", "torch"
Call = Callable[[], object]


class Runners(Protocol):
    """Calls without arguments, each for one sample."""

    @property
    def runtime(self) -> str:
        """What runs the parts."""

    def edge(self, split_point: str) -> Call:
        """The edge part, with its exit where there is one."""

    def server(self, split_point: str) -> Call:
        """The server part; nothing at ``output``."""


class OnnxRunners:
    """The parts in ONNX Runtime, one thread, as a bundle holds them; normalisation is part of the edge.

    Args:
        network: Restored; its batch normalisations are folded here.
        calibration: Of its exits.
        split_points: Where it is cut.
        data: One validation sample is run.

    Raises:
        UserError: The network cannot be exported.

    Example:
        >>> from explorer.core.calibration import uncalibrated
        >>> from explorer.data.dataset import load_data
        >>> sizes = {"train_samples": 99, "validation_samples": 30, "test_samples": 40}
        >>> data = load_data("digits", **sizes, seed=0)
        >>> backbone = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        >>> network = Network(backbone, torch.zeros(1, 1, 8, 8), num_classes=10, exit_features=8).eval()
        >>> runners = OnnxRunners(network, uncalibrated(["input"], (8,)), ["input"], data)
        >>> [value.shape for value in runners.server("input")()]
        [(1, 10)]
    """

    runtime = ONNX

    def __init__(
        self, network: Network, calibration: Calibration, split_points: Sequence[str], data: DataSet
    ) -> None:
        cuts = [point for point in network.split_points[:-1] if point.name in split_points]
        exits = {point.name for point in cuts if network.exit_at(point.name) is not None}
        normalise = Normalise(data.mean, data.std, data.input_shape, data.dtype)
        chain = DeployedChain(network, cuts, exits, calibration, normalise)
        self._model = export_chain(chain, data.input_shape)
        self._places = {point.name: place for place, point in enumerate(cuts)}
        self._names = set(chain.names)
        self._shapes = chain.shapes
        self._sample = data.raw(data.validation.first(1))

    def edge(self, split_point: str) -> Call:
        """See :class:`Runners`."""
        if split_point == OUTPUT:
            return self._call(INPUT, [LOGITS], self._sample)
        place = self._places[split_point]
        wanted = (crossing_name(place), exit_name(place), confidence_name(place))
        return self._call(INPUT, [name for name in wanted if name in self._names], self._sample)

    def server(self, split_point: str) -> Call:
        """See :class:`Runners`."""
        if split_point == OUTPUT:
            return lambda: None
        start = crossing_name(self._places[split_point])
        return self._call(start, [LOGITS], np.zeros((1, *self._shapes[start]), np.float32))

    def _call(self, start: str, names: Sequence[str], tensor: NDArray[np.float32]) -> Call:
        session = open_session(sliced(self._model, start, {name: name for name in names}, self._shapes))
        return lambda: session.run(None, {INPUT: tensor})


class TorchRunners:
    """The parts in torch, for networks that ONNX does not take.

    Args:
        network: Restored.
        sample: One normalised input, with batch axis.

    Example:
        >>> network = Network(nn.Linear(4, 2), torch.zeros(1, 4), num_classes=2, exit_features=4).eval()
        >>> TorchRunners(network, torch.zeros(1, 4)).server("input")().shape
        torch.Size([1, 2])
    """

    runtime = TORCH

    def __init__(self, network: Network, sample: Tensor) -> None:
        self._network, self._sample = network, sample

    def edge(self, split_point: str) -> Call:
        """See :class:`Runners`."""
        edge: nn.Module = self._network.parts(self._network.split_point(split_point)).edge
        exit_ = self._network.exit_at(split_point)
        edge = edge if exit_ is None else nn.Sequential(edge, exit_)
        return lambda: edge(self._sample)

    def server(self, split_point: str) -> Call:
        """See :class:`Runners`."""
        if split_point == OUTPUT:
            return lambda: None
        parts = self._network.parts(self._network.split_point(split_point))
        with torch.inference_mode():
            crossing = parts.edge(self._sample)
        return lambda: parts.server(crossing)


def runners_of(
    network: Network, calibration: Calibration, split_points: Sequence[str], data: DataSet
) -> tuple[Runners, str]:
    """The parts as they are deployed; by torch where they cannot be, with the reason.

    Example:
        >>> runners, why_not = runners_of(network, calibration, ["relu1"], data)  # doctest: +SKIP
        >>> runners.runtime, why_not  # doctest: +SKIP
        ('onnxruntime', '')
    """
    try:
        return OnnxRunners(network, calibration, split_points, data), ""
    except UserError as error:
        return TorchRunners(network, data.validation.first(1)), str(error)
