"""Split points the slow way, from torch's own tracing: take a tensor away; does any other get past it?"""

import operator
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves

MULTIPLYING_MODULES = (
    nn.Linear,
    nn.modules.conv._ConvNd,
    nn.LSTM,
    nn.MultiheadAttention,
    nn.TransformerEncoderLayer,
)
MULTIPLYING_FUNCTIONS = (
    F.conv2d,
    F.linear,
    F.scaled_dot_product_attention,
    torch.einsum,
    torch.matmul,
    operator.matmul,
)


class Values(fx.Interpreter):
    """Keeps what every node computes."""

    def __init__(self, module: fx.GraphModule, batch: int, input_shape: tuple[int, ...]) -> None:
        super().__init__(module, garbage_collect_values=False)
        with torch.no_grad():
            self.run(torch.randn(batch, *input_shape))

    def of(self, node: fx.Node) -> Any:
        return self.env.get(node)


def reached(start: fx.Node, nodes: set[fx.Node], without: fx.Node | None = None) -> set[fx.Node]:
    """All that is computed from ``start`` through ``nodes``, itself included."""
    found, pending = {start}, [start]
    while pending:
        for user in pending.pop().users:
            if user in nodes and user not in found and user is not without:
                found.add(user)
                pending.append(user)
    return found


def split_classes(module: nn.Module, input_shape: tuple[int, ...]) -> list[list[tuple[int, int]]]:
    """(elements, axes) of every tensor that can cross alone, separated where multiplications lie between."""
    graph_module = fx.symbolic_trace(module.eval())
    two, three = (Values(graph_module, batch, input_shape) for batch in (2, 3))
    nodes = [node for node in graph_module.graph.nodes if node.op != "get_attr"]
    tensors = {n for n in nodes if any(isinstance(leaf, Tensor) for leaf in tree_leaves(two.of(n)))}
    (source,) = (node for node in nodes if node.op == "placeholder")
    (output,) = (node for node in nodes if node.op == "output")
    tensors.add(output)
    alone = [
        node
        for node in nodes
        if node in tensors - {output}
        and node in reached(source, tensors)
        and _has_batch_axis(two.of(node), three.of(node))
        and (node is source or output not in reached(source, tensors, without=node))
    ]
    classes, modules = [[alone[0]]], dict(graph_module.named_modules())
    for before, node in pairwise(alone):
        made_of = [{n for n in tensors if end in reached(n, tensors)} for end in (before, node)]
        if any(_multiplies(other, modules) for other in made_of[1] - made_of[0]):
            classes.append([])
        classes[-1].append(node)
    return [[(two.of(node)[0].numel(), two.of(node).dim() - 1) for node in found] for found in classes]


def _has_batch_axis(two: Any, three: Any) -> bool:
    return (
        isinstance(two, Tensor)
        and two.is_floating_point()
        and two.dim() > 1
        and (len(two), len(three)) == (2, 3)
        and two.shape[1:] == three.shape[1:]
    )


def _multiplies(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], MULTIPLYING_MODULES)
    return node.target in MULTIPLYING_FUNCTIONS


def expected_payloads(classes: list[list[tuple[int, int]]]) -> list[tuple[int, int]]:
    """(elements, axes) of the split points between ``input`` and ``output``."""
    first, *others = classes
    smaller = [tensor for tensor in first if tensor[0] < first[0][0]] if others else []
    kept = [smaller] * bool(smaller) + others[:-1]
    wanted = first[0][1] if first[0][1] > 1 else 3
    return [min(members[::-1], key=lambda tensor: (tensor[0], abs(tensor[1] - wanted))) for members in kept]
