"""A backbone with an exit classifier at every split point, and its two parts at each of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from explorer.core.exits import ExitClassifier, ExitKind
from explorer.core.split_points import SplitPoint, cut, find_split_points
from explorer.core.tracing import Trace, trace
from explorer.errors import UserError

PROBE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Parts:
    """A network cut at one split point; the parts share the whole's parameters."""

    edge: fx.GraphModule
    server: fx.GraphModule


class Network(nn.Module):
    """A traced backbone with an exit classifier at every split point but ``output``, or at some of them.

    Args:
        backbone: Maps one input tensor to class logits; sparsified or dense.
        sample: Batch of one input, for shapes.
        num_classes: Number of classes, as the data set has them.
        exit_features: ``max_features`` of every :class:`ExitClassifier`.
        exit_kind: Of every exit classifier.
        exits_at: Split points that have one; None for all.

    Raises:
        UserError: The backbone cannot be traced or does not give ``num_classes`` logits.
    """

    def __init__(
        self,
        backbone: nn.Module,
        sample: Tensor,
        num_classes: int,
        exit_features: int,
        exit_kind: ExitKind = "pooled",
        exits_at: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        traced: Trace = trace(backbone, sample)
        self.costs = traced.costs
        self.split_points: tuple[SplitPoint, ...] = find_split_points(traced)
        if self.split_points[-1].shape != (num_classes,):
            got = self.split_points[-1].shape
            raise UserError(f"{type(backbone).__name__}: must give {num_classes} logits, gives shape {got}")
        self.backbone = traced.graph_module
        with_exit = [p for p in self.split_points[:-1] if exits_at is None or p.name in exits_at]
        self.exits = nn.ModuleList(
            ExitClassifier(point.shape, num_classes, exit_features, exit_kind) for point in with_exit
        )
        self._exit_index = {point.name: index for index, point in enumerate(with_exit)}
        self._parts: dict[str, Parts] = {}
        self._tapped = _with_outputs(self.backbone, [point.node for point in self.split_points])

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
            self._parts[split_point.name] = Parts(*cut(self.backbone, split_point.node))
        return self._parts[split_point.name]

    def split_point(self, name: str) -> SplitPoint:
        """The split point called ``name``."""
        return next(point for point in self.split_points if point.name == name)

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers by name, without the aliases that parts and taps hold; shared ones once."""
        named: dict[str, Tensor] = {}
        seen: set[int] = set()
        for prefix, module in (("backbone", self.backbone), ("exits", self.exits)):
            for name, tensor in module.state_dict().items():
                if tensor.data_ptr() not in seen:
                    seen.add(tensor.data_ptr())
                    named[f"{prefix}.{name}"] = tensor.detach().clone().contiguous()
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
        """Largest absolute difference between whole and parts, per split point, in eval mode.

        Compared are the logits of edge then server, and the crossing tensor that the exit classifier reads.
        Relative to the largest value where that exceeds 1.
        """
        was_training = self.training
        self.eval()
        with torch.no_grad():
            whole, differences = self.backbone(x), dict[str, float]()
            for point, crossing in zip(self.split_points, self.features(x), strict=True):
                parts = self.parts(point)
                received = parts.edge(x)
                at_exit = _difference(received, crossing)
                differences[point.name] = torch.maximum(
                    at_exit, _difference(parts.server(received), whole)
                ).item()
        self.train(was_training)
        return differences

    def check_split_points(self, x: Tensor) -> None:
        """Probe every split point with ``x``.

        Raises:
            UserError: The parts differ from the whole by more than 1e-5.
        """
        for name, difference in self.probe(x).items():
            if not difference <= PROBE_TOLERANCE:
                raise UserError(
                    f"split point {name!r}: edge then server differs from the whole by {difference:.2g} "
                    f"(at most {PROBE_TOLERANCE:g}); the backbone keeps state or randomness in eval mode, or "
                    "changes a tensor in place"
                )


def _difference(values: Tensor, expected: Tensor) -> Tensor:
    return (values - expected).abs().max() / expected.abs().max().clamp(min=1.0)


def _with_outputs(whole: fx.GraphModule, nodes: list[str]) -> fx.GraphModule:
    """``whole`` returning the values of ``nodes`` as a tuple."""
    graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    graph.graph_copy(whole.graph, copies)
    by_name = {node.name: copy for node, copy in copies.items()}
    graph.output(tuple(by_name[name] for name in nodes))
    return fx.GraphModule(whole, graph)
