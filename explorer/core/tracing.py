"""The data-flow graph of a backbone, with shape and cost of every tensor in it.

One fused multiply-add is one MAC; biases, activations, pooling and normalisation count none.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from explorer.core.layers import SparseLayer
from explorer.errors import UserError

FLOAT_BYTES = 4
TRACE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class NodeCost:
    """What one node of a traced graph costs for one sample.

    Attributes:
        shape: Output shape without batch.
        macs: Effective multiply-accumulates: kept connections only.
        moved_bytes: Input, output and parameter bytes, float32; 0 for the network's input and for views.
        view_of: Node whose memory the output shares (flatten, dropout in eval mode), else empty.
    """

    shape: tuple[int, ...]
    macs: int
    moved_bytes: int
    view_of: str

    @property
    def bytes(self) -> int:
        """Bytes of the output, float32."""
        return FLOAT_BYTES * prod(self.shape)


class _Recorder(fx.Interpreter):
    def __init__(self, graph_module: fx.GraphModule) -> None:
        super().__init__(graph_module)
        self.costs: dict[str, NodeCost] = {}

    def run_node(self, n: fx.Node) -> Any:
        with FlopCounterMode(display=False) as counter:
            result = super().run_node(n)
        if isinstance(result, Tensor) and n.op not in ("get_attr", "output"):
            self.costs[n.name] = self._cost(n, result, counter.get_total_flops() // 2)
        return result

    def _cost(self, n: fx.Node, result: Tensor, executed_macs: int) -> NodeCost:
        layer = self.fetch_attr(str(n.target)) if n.op == "call_module" else None
        shape = tuple(result.shape[1:])
        sources = [source for source in n.all_input_nodes if source.name in self.costs]
        view_of = next((s.name for s in sources if _memory(self.env[s]) == _memory(result)), "")
        parameters = sum(parameter.numel() for parameter in layer.parameters()) if layer is not None else 0
        moved = FLOAT_BYTES * (prod(shape) + parameters) + sum(self.costs[s.name].bytes for s in sources)
        macs = layer.macs(shape) if isinstance(layer, SparseLayer) else executed_macs
        return NodeCost(shape, macs, moved if sources and not view_of else 0, view_of)


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def record_costs(graph_module: fx.GraphModule, sample: Tensor) -> dict[str, NodeCost]:
    """Run ``sample`` (batch of one) through a traced module and record what each tensor node costs.

    Sparse layers state their kept connections; everything else is what ``torch.utils.flop_counter`` sees
    being executed (it counts 2 per MAC).
    """
    was_training = graph_module.training
    graph_module.eval()
    recorder = _Recorder(graph_module)
    with torch.no_grad():
        recorder.run(sample)
    graph_module.train(was_training)
    return recorder.costs


@dataclass(frozen=True)
class Trace:
    """A traced backbone and the cost of each tensor node, by node name, for one sample."""

    graph_module: fx.GraphModule
    costs: dict[str, NodeCost]


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, SparseLayer) or super().is_leaf_module(m, module_qualified_name)


def trace(module: nn.Module, sample: Tensor) -> Trace:
    """Trace ``module`` and run ``sample`` through it once.

    In-place activations of ``module`` are made out-of-place: an exit may read any intermediate tensor.

    Args:
        module: One input tensor, one output tensor of class logits.
        sample: Batch of one input, shape (1, ...).

    Raises:
        UserError: ``torch.fx`` cannot trace the module, the sample does not run through it, the output is
            not one tensor of shape (1, classes), or the graph computes something else than the module.
    """
    name = type(module).__name__
    for layer in module.modules():
        if getattr(layer, "inplace", False):
            setattr(layer, "inplace", False)  # noqa: B010
    try:
        graph = _Tracer().trace(module)
    except Exception as error:  # a user's module may raise anything while it is traced
        raise UserError(f"{name}: torch.fx cannot trace the module: {error}") from error
    graph_module = fx.GraphModule(module, graph)
    graph.eliminate_dead_code()
    graph_module.recompile()
    if sum(node.op == "placeholder" for node in graph.nodes) != 1:
        raise UserError(f"{name}: the backbone must take exactly one input tensor")
    try:
        costs = record_costs(graph_module, sample)
    except Exception as error:  # and while it is run
        raise UserError(
            f"{name}: an input of shape {tuple(sample.shape)} does not run through: {error}"
        ) from error
    output = output_node(graph)
    if output is None or len(costs[output.name].shape) != 1:
        got = "several values" if output is None else f"shape {costs[output.name].shape} per sample"
        raise UserError(f"{name}: the output must be one tensor of class logits (batch, classes), got {got}")
    _check_same_logits(module, graph_module, sample.shape)
    return Trace(graph_module, costs)


def _check_same_logits(module: nn.Module, graph_module: fx.GraphModule, shape: torch.Size) -> None:
    """Tracing freezes randomness and ``self.training``, and drops ``x.add_(y)`` where no result is used."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    was_training = module.training
    module.eval()
    graph_module.eval()
    with torch.no_grad():
        expected = module(x.clone())
        difference = (graph_module(x.clone()) - expected).abs().max() / expected.abs().max().clamp(min=1.0)
    module.train(was_training)
    graph_module.train(was_training)
    if not difference <= TRACE_TOLERANCE:
        raise UserError(
            f"{type(module).__name__}: the traced graph differs from the module by {difference:.2g}; a "
            "backbone may not use randomness or state in eval mode, change tensors in place (`x.add_(y)`), "
            "or read `self.training` (use nn.Dropout, not F.dropout)"
        )


def output_node(graph: fx.Graph) -> fx.Node | None:
    (result,) = (node.args[0] for node in graph.nodes if node.op == "output")
    return result if isinstance(result, fx.Node) else None
