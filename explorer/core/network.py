"""A backbone with an exit classifier at every split point, and its two parts at each of them."""

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from math import isnan

import torch
from torch import Tensor, fx, nn

from explorer.core.device import CPU
from explorer.core.exits import ExitClassifier, ExitKind
from explorer.core.graph.module_state import evaluating, keeping_state
from explorer.core.graph.moving import move
from explorer.core.graph.parts import QuietGraphModule
from explorer.core.graph.recording import batch_of
from explorer.core.graph.refusals import refused_classes
from explorer.core.graph.same_training import Precision, laid_out
from explorer.core.graph.split_points import SplitPoint, cut, find_split_points, packed
from explorer.core.graph.trace import trace
from explorer.core.graph.trace_checks import PROBE_BATCHES, difference
from explorer.core.input_pool import pooled_shape, with_input_pool
from explorer.data.subset import Subset
from explorer.errors import NetworkError

PROBE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Parts:
    """A network cut at one split point; the parts share the whole's parameters.

    Example:
        >>> backbone = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3))
        >>> network = Network(backbone, torch.zeros(1, 8), num_classes=3, exit_features=4)
        >>> parts = network.parts(network.split_points[1])
        >>> parts.edge(torch.zeros(2, 8)).shape, parts.server(torch.zeros(2, 4)).shape
        (torch.Size([2, 4]), torch.Size([2, 3]))
    """

    edge: fx.GraphModule
    server: fx.GraphModule


class Network(nn.Module):
    """A traced backbone with an exit classifier at every split point but ``output``, or at some of them.

    Split points at which edge then server is not the whole are left out, with a warning.

    Args:
        backbone: Maps one input tensor, pooled where that is asked for, to class logits; sparsified or dense.
        sample: Batch of one input, for shapes; before pooling.
        num_classes: Number of classes, as the data set has them.
        exit_features: ``max_features`` of every :class:`ExitClassifier`.
        exit_kind: Of every exit classifier.
        exits_at: Split points that have one; None for all.
        max_crossing_tensors: How many tensors may be sent together, flattened and joined.
        precision: In which it will be trained.
        probe: Whether it is compared with the backbone as it was given: in training steps, and cut. A network
            that is only counted needs none of it.
        input_pool: Extent of the average pooling before the backbone, see :mod:`explorer.core.input_pool`.

    Raises:
        NetworkError: The backbone cannot be traced, does not give ``num_classes`` logits, or fails the probe
            at ``input`` or ``output``.

    Attributes:
        dataflow: What the backbone's values cost.
        opaque: Modules that could not be traced inside.
        exported: Whether ``torch.export`` traced the backbone.
        split_points: From ``input`` to ``output``.
        left_out: Split points that failed the probe, and by how much.
        channels_last: Whether it trains the same with images in this memory format, which is faster.

    Example:
        >>> backbone = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3))
        >>> network = Network(backbone, torch.zeros(1, 8), num_classes=3, exit_features=4)
        >>> [(point.name, point.shape) for point in network.split_points]
        [('input', (8,)), ('1', (4,)), ('output', (3,))]
        >>> [tuple(logits.shape) for logits in network(torch.zeros(2, 8))]
        [(2, 3), (2, 3), (2, 3)]
    """

    def __init__(
        self,
        backbone: nn.Module,
        sample: Tensor,
        num_classes: int,
        exit_features: int,
        exit_kind: ExitKind = "pooled",
        exits_at: Sequence[str] | None = None,
        max_crossing_tensors: int = 1,
        precision: Precision = "float32",
        probe: bool = True,
        input_pool: int = 1,
    ) -> None:
        super().__init__()
        name = type(backbone).__name__
        inner = sample.new_zeros(1, *pooled_shape(tuple(sample.shape[1:]), input_pool))
        traced = with_input_pool(trace(backbone, inner, precision, probe), sample, input_pool)
        self.dataflow, self.opaque, self.exported = traced.dataflow, traced.opaque, traced.exported
        self.backbone = traced.graph_module
        points = find_split_points(traced.dataflow, max_crossing_tensors)
        if points[-1].shape != (num_classes,):
            raise NetworkError(refused_classes(name, points[-1].shape, num_classes))
        self._cut_at(points)
        self.left_out = self._leave_out_failing(name, sample) if probe else {}
        self.channels_last = traced.channels_last
        with_exit = [p for p in self.split_points[:-1] if exits_at is None or p.name in exits_at]
        self.exits = nn.ModuleList(
            ExitClassifier(point.shape, num_classes, exit_features, exit_kind) for point in with_exit
        )
        self._exit_index = {point.name: index for index, point in enumerate(with_exit)}

    def _cut_at(self, points: Sequence[SplitPoint]) -> None:
        self.split_points = tuple(points)
        self._parts: dict[str, Parts] = {}
        self._tapped = _with_crossing_tensors(self.backbone, points)
        self._stages = [cut(self.backbone, start, end) for start, end in pairwise(points)]

    def _leave_out_failing(self, name: str, sample: Tensor) -> dict[str, float]:
        left_out: dict[str, float] = {}
        while failing := self._failing_on_noise(sample):
            ends = {self.split_points[0].name, self.split_points[-1].name}
            if ends & set(failing):
                raise NetworkError(f"{name}: {_describe(failing)}")
            warnings.warn(f"{name}: left out {_describe(failing)}", stacklevel=3)
            left_out |= failing
            self._cut_at([point for point in self.split_points if point.name not in failing])
        return left_out

    def _failing_on_noise(self, sample: Tensor) -> dict[str, float]:
        generator = torch.Generator().manual_seed(0)
        failing: dict[str, float] = {}
        for batch in PROBE_BATCHES:
            failing |= self._failing(torch.randn(batch_of(sample, batch).shape, generator=generator))
        return failing

    def laid_out(self, data: Subset) -> AbstractContextManager[Subset]:
        """The network and images in the memory format in which it trains fastest; then back."""
        return laid_out(self, data, self.channels_last)

    @property
    def device(self) -> torch.device:
        """Where its parameters lie."""
        return next((parameter.device for parameter in self.parameters()), CPU)

    def move(self, device: torch.device) -> None:
        """Move it to a device; there it is cut anew."""
        if device != self.device:
            move(self.backbone, device)
            move(self.exits, device)
            self._cut_at(self.split_points)

    def train(self, mode: bool = True) -> "Network":
        """Set the mode as the backbone's own ``train`` does, which may keep batch norms in eval mode."""
        super().train(mode)
        self.backbone.train(mode)  # last: taps share its modules
        return self

    @property
    def read_directly(self) -> set[str]:
        """Parameters that the backbone reads by itself, not by calling their layer."""
        return {str(node.target) for node in self.backbone.graph.nodes if node.op == "get_attr"}

    @property
    def stages(self) -> list[fx.GraphModule]:
        """What lies between each split point and the next."""
        return self._stages

    def features(self, x: Tensor) -> tuple[Tensor, ...]:
        """The crossing tensor of every split point, in order; the last is the logits (B, classes)."""
        result: tuple[Tensor, ...] = self._tapped(x)
        return result

    def forward(self, x: Tensor, detach_exits: bool = False) -> list[Tensor]:
        """Logits (B, classes) of every exit classifier in order, then the backbone's own.

        Args:
            x: Inputs (B, ...).
            detach_exits: Let no gradient of an exit reach the backbone.
        """
        *crossing, logits = self.features(x)
        exits = [
            exit_(tensor.detach() if detach_exits else tensor)
            for point, tensor in zip(self.split_points, crossing, strict=False)
            if (exit_ := self.exit_at(point.name)) is not None
        ]
        return [*exits, logits]

    @property
    def num_classes(self) -> int:
        """Number of logits."""
        return self.split_points[-1].shape[0]

    @property
    def exit_names(self) -> list[str]:
        """Split points that have an exit classifier, in order."""
        return list(self._exit_index)

    def exit_at(self, split_point: str) -> ExitClassifier | None:
        """The exit classifier at a split point; None where there is none, as at ``output``."""
        index = self._exit_index.get(split_point)
        if index is None:
            return None
        exit_ = self.exits[index]
        assert isinstance(exit_, ExitClassifier)
        return exit_

    def parts(self, split_point: SplitPoint) -> Parts:
        """Edge and server part at ``split_point``; either may be the identity (``input``, ``output``)."""
        if split_point.name not in self._parts:
            first, last = self.split_points[0], self.split_points[-1]
            self._parts[split_point.name] = Parts(
                cut(self.backbone, first, split_point), cut(self.backbone, split_point, last)
            )
        return self._parts[split_point.name]

    def split_point(self, name: str) -> SplitPoint:
        """The split point called ``name``."""
        return next(point for point in self.split_points if point.name == name)

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers by name, without the aliases that parts and taps hold; shared ones once.

        They are copies on the CPU.
        """
        named: dict[str, Tensor] = {}
        seen: set[int] = set()
        for prefix, module in (("backbone", self.backbone), ("exits", self.exits)):
            for name, tensor in module.state_dict(keep_vars=True).items():
                address = tensor.data_ptr() or id(tensor)  # what is empty has none
                if address not in seen:
                    seen.add(address)
                    named[f"{prefix}.{name}"] = tensor.detach().clone().contiguous().cpu()
        return named

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Load what :meth:`weights` gave.

        Raises:
            ValueError: Names or shapes are not those of this network.
        """
        expected = self.weights()
        if {name: tensor.shape for name, tensor in expected.items()} != {
            n: t.shape for n, t in weights.items()
        }:
            raise ValueError("stored weights are not those of this network: names or shapes differ")
        for prefix, module in (("backbone", self.backbone), ("exits", self.exits)):
            own = {n.removeprefix(f"{prefix}."): t for n, t in weights.items() if n.startswith(f"{prefix}.")}
            module.load_state_dict(own, strict=False)

    def probe(self, x: Tensor) -> dict[str, float]:
        """Largest difference between whole and parts, per split point, in eval mode.

        Each stage gets a copy of what the stage before it gave, and nothing else. So at every split point the
        stages before it, and those behind it, are a part that needs no other tensor. Compared are the
        crossing tensors with those that the exit classifiers read, and the logits with the whole's; relative
        to the largest value where that exceeds 1.
        """
        with keeping_state(self), evaluating(self):
            received, differences = [x], list[float]()
            whole, features = self.backbone(x.clone()), self.features(x.clone())
            for stage in self._stages:
                received.append(stage(received[-1].clone()))
            at_output = difference(received[-1], whole)
            for crossing, tapped in zip(received, features, strict=True):
                differences.append(difference(crossing, tapped))
        return {
            point.name: gap if isnan(gap) or gap > at_output else at_output
            for point, gap in zip(self.split_points, differences, strict=True)
        }

    def _failing(self, x: Tensor) -> dict[str, float]:
        return {name: gap for name, gap in self.probe(x).items() if not gap <= PROBE_TOLERANCE}

    def check_split_points(self, x: Tensor) -> None:
        """Probe every split point with ``x``.

        Raises:
            NetworkError: The parts differ from the whole by more than 1e-5.
        """
        if failing := self._failing(x):
            raise NetworkError(_describe(failing))


def _describe(failing: dict[str, float]) -> str:
    (name, gap), *others = failing.items()
    also = f" (and {len(others)} more: {', '.join(other for other, _ in others)})" if others else ""
    return (
        f"split point {name!r}{also}: edge then server differs from the whole by {gap:.2g} (at most "
        f"{PROBE_TOLERANCE:g}); the backbone keeps state or randomness in eval mode, or changes a tensor "
        "in place"
    )


def _with_crossing_tensors(whole: fx.GraphModule, points: Sequence[SplitPoint]) -> fx.GraphModule:
    """``whole`` returning what is sent at each of ``points`` as a tuple."""
    graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    graph.graph_copy(whole.graph, copies)
    by_name = {node.name: copy for node, copy in copies.items()}
    graph.output(tuple(packed(graph, [by_name[name] for name in point.nodes]) for point in points))
    return QuietGraphModule(whole, graph)
