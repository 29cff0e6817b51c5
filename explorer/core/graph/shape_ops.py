"""Take what is no more than a shape out of a traced graph's data flow.

That are values that hold no tensor (``x.size(0)``, ``x.shape[1] // 2``), and tensors that take nothing but a
shape from another (``torch.zeros_like(x)``).

A backbone has inputs of one shape, so such a value is a constant or follows from the batch size. The batch
size is read from whatever tensor comes in, by the edge from the input and by the server from the payload: it
never has to cross, and reading it at the top of ``forward`` hides no split point.
"""

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_leaves

from explorer.core.graph.effects import has_effect
from explorer.core.graph.recording import batch_of, function_name

_BATCHES = (2, 3)
_FILLING = ("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full")


@dataclass(frozen=True)
class _Filled:
    """A tensor of one value."""

    shape: tuple[int, ...]
    value: float
    dtype: torch.dtype


def anchor_shape_reads(graph_module: fx.GraphModule, sample: Tensor) -> None:
    """Replace tensor-free values by constants, or by products and sums with the batch size.

    Afterwards only :func:`batch_reads` read anything but tensors from the input.

    Args:
        graph_module: Changed in place; runs with batches of two and three.
        sample: Batch of one.

    Raises:
        ValueError: A tensor-free value is nothing that follows from the batch size.

    Example:
        >>> class Net(torch.nn.Module):
        ...     def forward(self, x):
        ...         return x.relu().reshape(x.size(0), x.size(1) * 4)
        >>> graph_module = fx.symbolic_trace(Net())
        >>> anchor_shape_reads(graph_module, torch.zeros(1, 3, 2, 2))
        >>> [(node.name, node.args) for node in graph_module.graph.nodes]
        [('x', ()), ('size_2', (x, 0)), ('relu', (x,)), ('reshape', (relu, size_2, 12)),
         ('output', (reshape,))]
    """
    small, large = (_tensor_free(graph_module, sample, batch) for batch in _BATCHES)
    graph = graph_module.graph
    (source,) = (node for node in graph.nodes if node.op == "placeholder")
    reads = _Reads(graph, source)
    for node in list(graph.nodes):
        if isinstance(small.get(node.name), _Filled):
            with graph.inserting_before(node):
                node.replace_all_uses_with(reads.expression(small[node.name], large[node.name]))
        elif node.name not in small and node.op != "output":
            with graph.inserting_before(node):
                replacement = {
                    used: reads.expression(small[used.name], large[used.name])
                    for used in node.all_input_nodes
                    if used.name in small
                }
            _substitute(node, replacement)
    graph.eliminate_dead_code(has_effect)
    graph_module.recompile()


def _substitute(node: fx.Node, replacement: dict[fx.Node, Any]) -> None:
    node.args, node.kwargs = fx.map_arg((node.args, node.kwargs), lambda used: replacement.get(used, used))


def batch_reads(graph: fx.Graph) -> set[fx.Node]:
    """Nodes that read the batch size, or the device, from the input.

    Example:
        >>> class Net(torch.nn.Module):
        ...     def forward(self, x):
        ...         return x.relu().reshape(x.size(0), x.size(1) * 4)
        >>> graph_module = fx.symbolic_trace(Net())
        >>> anchor_shape_reads(graph_module, torch.zeros(1, 3, 2, 2))
        >>> batch_reads(graph_module.graph)
        {size_2}
    """
    return {node for node in graph.nodes if node.meta.get("reads_batch")}


class _Reads:
    """Expressions of the batch size, for use in a graph."""

    def __init__(self, graph: fx.Graph, source: fx.Node) -> None:
        self._graph, self._source = graph, source
        self._nodes: dict[str, fx.Node] = {}

    def expression(self, small: Any, large: Any) -> Any:
        """What has the value ``small`` at a batch of two and ``large`` at a batch of three."""
        if isinstance(small, slice):
            parts = [(getattr(s, key) for s in (small, large)) for key in ("start", "stop", "step")]
            return slice(*(self.expression(*pair) for pair in parts))
        if isinstance(small, tuple | list):
            items = [self.expression(s, b) for s, b in zip(small, large, strict=True)]
            return items if isinstance(small, list) else tuple(items)
        if isinstance(small, torch.device):
            return self._device()
        if isinstance(small, _Filled):
            how: dict[str, Any] = {"dtype": small.dtype, "device": self._device()}
            shape = self.expression(small.shape, large.shape)
            return self._graph.call_function(torch.full, (shape, small.value), how)
        if small == large:
            return small
        if not isinstance(small, int):
            raise ValueError(f"a value that is {small!r} for two samples and {large!r} for three")
        slope = large - small
        offset = small - slope * _BATCHES[0]
        result: Any = self._read("batch_size", fx.Graph.call_method, "size", (self._source, 0))
        if slope != 1:
            result = self._graph.call_function(operator.mul, (result, slope))
        return result if offset == 0 else self._graph.call_function(operator.add, (result, offset))

    def _device(self) -> fx.Node:
        return self._read("device", fx.Graph.call_function, getattr, (self._source, "device"))

    def _read(self, name: str, create: Any, target: Any, args: tuple[Any, ...]) -> fx.Node:
        if name not in self._nodes:
            with self._graph.inserting_after(self._source):
                self._nodes[name] = create(self._graph, target, args)
            self._nodes[name].meta["reads_batch"] = True
        return self._nodes[name]


class _TensorFree(fx.Interpreter):
    def __init__(self, graph_module: fx.GraphModule) -> None:
        super().__init__(graph_module)
        self.found: dict[str, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n.op == "output" or has_effect(n):
            return result
        if not any(isinstance(leaf, Tensor) for leaf in tree_leaves(result)):
            self.found[n.name] = result
        elif n.op != "call_module" and function_name(n.target) in _FILLING and result.numel():
            self.found[n.name] = _Filled(tuple(result.shape), result.flatten()[0].item(), result.dtype)
        return result


def _tensor_free(graph_module: fx.GraphModule, sample: Tensor, batch: int) -> dict[str, Any]:
    """Every value without a tensor in it, or with a filled one, for a batch of so many samples."""
    interpreter = _TensorFree(graph_module)
    interpreter.run(batch_of(sample, batch))
    return interpreter.found
