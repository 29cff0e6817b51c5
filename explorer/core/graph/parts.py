"""Pieces of graphs: what identifies a node, what it reads, and nodes as modules of their own."""

import itertools
import linecache
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.graph import PythonCode
from torch.fx.graph_module import _loader


class QuietGraphModule(fx.GraphModule):
    """A graph whose exceptions are not printed: whoever catches them says what a user should know.

    Nor is its source kept for tracebacks. ``torch.fx`` keeps that of every module for good, some 20 for each
    network that is built and cut.

    Example:
        >>> graph = fx.symbolic_trace(nn.Linear(4, 3)).graph
        >>> QuietGraphModule(nn.Linear(4, 3), graph)(torch.zeros(1, 5))  # prints neither code nor traceback
        Traceback (most recent call last):
        RuntimeError: mat1 and mat2 shapes cannot be multiplied (1x5 and 4x3)
    """

    def recompile(self) -> PythonCode:
        """Compile the code of the graph anew."""
        code = super().recompile()
        file_name = type(self).forward.__code__.co_filename
        linecache.cache.pop(file_name, None)
        _loader.eval_cache.pop(file_name, None)
        return code

    @staticmethod
    def _wrapped_call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """What ``torch.fx`` calls; its own prints the traceback and the code."""
        return nn.Module.__call__(module, *args, **kwargs)


class NodeKey:
    """What has to be the same for nodes of two traces to be one: a tensor has a new name in each.

    Example:
        >>> one, other = (fx.symbolic_trace(nn.Sequential(nn.ReLU(), nn.Tanh())) for _ in range(2))
        >>> (_, relu, tanh, _), (_, same, _, _) = one.graph.nodes, other.graph.nodes
        >>> NodeKey(one, relu) == NodeKey(other, same), NodeKey(one, relu) == NodeKey(one, tanh)
        (True, False)
    """

    def __init__(self, root: fx.GraphModule, node: fx.Node) -> None:
        self._kind: tuple[str, Any] = node.op, "" if node.op == "placeholder" else node.target
        value = attrgetter(str(node.target))(root) if node.op == "get_attr" else None
        self._tensor = value if isinstance(value, Tensor) else None
        if self._tensor is not None:
            self._kind = node.op, tuple(self._tensor.shape)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NodeKey) or self._kind != other._kind:
            return False
        one, two = self._tensor, other._tensor
        return one is two or (one is not None and two is not None and torch.equal(one, two))

    def __hash__(self) -> int:
        return hash(self._kind)


def inputs_of(node: fx.Node) -> list[fx.Node]:
    """Nodes among the arguments, as often as they stand there.

    Example:
        >>> graph = fx.Graph()
        >>> x = graph.placeholder("x")
        >>> inputs_of(graph.call_function(torch.add, (x, x)))
        [x, x]
    """
    found: list[fx.Node] = []

    def note(source: fx.Node) -> fx.Node:
        found.append(source)
        return source

    fx.map_arg((node.args, node.kwargs), note)
    return found


def constants_of(node: fx.Node) -> Any:
    """The arguments, ``"input"`` in place of every node.

    Example:
        >>> graph = fx.Graph()
        >>> constants_of(graph.call_function(torch.add, (graph.placeholder("x"), 2), {"alpha": 3}))
        (('input', 2), {'alpha': 3})
    """
    return fx.map_arg((node.args, node.kwargs), lambda _: "input")


def replace_input(node: fx.Node, position: int, new: fx.Node) -> None:
    """Change one of :func:`inputs_of`.

    Example:
        >>> graph = fx.Graph()
        >>> x, y = graph.placeholder("x"), graph.placeholder("y")
        >>> double = graph.call_function(torch.add, (x, x))
        >>> replace_input(double, 1, y)
        >>> double.args
        (x, y)
    """
    count = itertools.count()
    node.args, node.kwargs = fx.map_arg(
        (node.args, node.kwargs), lambda source: new if next(count) == position else source
    )


def part_as_module(
    root: fx.GraphModule,
    nodes: list[fx.Node],
    inputs: list[fx.Node],
    same: Mapping[fx.Node, fx.Node],
    outputs: Sequence[fx.Node],
) -> fx.GraphModule:
    """A block in one mode as a module of its own.

    Args:
        root: The graph that ``nodes`` belong to.
        nodes: The block.
        inputs: Common nodes, in eval mode, that it is called with.
        same: From common nodes of ``root`` to those in eval mode, where it is not the same graph.
        outputs: What is returned.

    Example:
        >>> root = fx.symbolic_trace(nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Tanh()))
        >>> x, relu, flatten, tanh, _ = root.graph.nodes
        >>> part = part_as_module(root, [relu, flatten], inputs=[x], same={}, outputs=[flatten])
        >>> part(torch.ones(2, 3, 4)).shape
        torch.Size([2, 12])
    """
    graph = fx.Graph()
    copies = {node: graph.placeholder(f"input_{number}") for number, node in enumerate(inputs)}

    def copied(node: fx.Node) -> fx.Node:
        return copies[same.get(node, node)]

    for node in nodes:
        copies[node] = graph.node_copy(node, copied)
    results = tuple(map(copied, outputs))
    graph.output(results[0] if len(results) == 1 else results)
    return QuietGraphModule(root, graph)


def node_as_module(root: fx.GraphModule, node: fx.Node) -> fx.GraphModule:
    """One operation as a module; an input for each place where it reads a node.

    Example:
        >>> root = fx.symbolic_trace(nn.Sequential(nn.ReLU(), nn.Flatten()))
        >>> _, relu, flatten, _ = root.graph.nodes
        >>> node_as_module(root, flatten)(torch.ones(2, 3, 4)).shape
        torch.Size([2, 12])
    """
    graph = fx.Graph()
    inputs = iter([graph.placeholder(f"input_{place}") for place, _ in enumerate(inputs_of(node))])
    args, kwargs = fx.map_arg((node.args, node.kwargs), lambda _: next(inputs))
    graph.output(graph.create_node(node.op, node.target, args, kwargs))
    return QuietGraphModule(root, graph)
