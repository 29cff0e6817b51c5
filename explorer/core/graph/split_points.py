"""Where a backbone can be cut so that exactly one tensor crosses from edge to server, or a few where asked.

A value is a candidate when it dominates the output: every path from input to output runs through it, so
nothing else has to cross. Candidates without multiply-accumulates between them form one class, and the one
with the smallest payload stands for it. Inside a residual block several tensors have to cross; they are sent
as one.
"""

import itertools
from collections.abc import Sequence, Set
from dataclasses import dataclass
from math import prod

import torch
from torch import fx

from explorer.core.graph.dataflow import Dataflow, Value, total_macs
from explorer.core.graph.multi_tensor_cuts import with_joint_cuts
from explorer.core.graph.parts import QuietGraphModule
from explorer.core.graph.shape_ops import batch_reads

INPUT, OUTPUT = "input", "output"
IMAGE_AXES = 3  # what a flat input may be reshaped to


@dataclass(frozen=True)
class SplitPoint:
    """A value, or several, at which the network can be cut.

    Attributes:
        name: ``input``, ``output`` or a module path; several are joined by ``+``.
        nodes: Names of the values that cross.
        shapes: Their shapes, without batch.

    Example:
        >>> point = SplitPoint("relu1+pool", ("relu", "pool"), ((8, 4, 4), (8, 2, 2)))
        >>> point.shape, point.payload_elements
        ((160,), 160)
    """

    name: str
    nodes: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what is sent, without batch: several tensors are flattened and joined."""
        return self.shapes[0] if len(self.shapes) == 1 else (self.payload_elements,)

    @property
    def payload_elements(self) -> int:
        """Values that cross, of one sample."""
        return sum(prod(shape) for shape in self.shapes)


def find_split_points(dataflow: Dataflow, max_crossing_tensors: int = 1) -> tuple[SplitPoint, ...]:
    """Split points from ``input`` to ``output``, one per class of candidates without MACs between them.

    ``input`` and ``output`` always stand for themselves; a smaller tensor before the first MAC comes second.

    Args:
        dataflow: Of the backbone.
        max_crossing_tensors: Above 1, up to so many tensors may be sent together, where fewer values cross
            than at a single tensor of the same class.

    Example:
        >>> from explorer.core.graph.trace import trace
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
        >>> flow = trace(net, torch.zeros(1, 4)).dataflow
        >>> [(point.name, point.shape) for point in find_split_points(flow)]
        [('input', (4,)), ('1', (3,)), ('output', (2,))]
    """
    values = dataflow.values
    chain = [values[name] for name in dataflow.dominators()]
    axes = len(chain[0].shape) if len(chain[0].shape) > 1 else IMAGE_AXES
    first, *others = _classes_without_macs(dataflow, chain)
    smaller = [value for value in first if value.elements < chain[0].elements] if others else []
    chosen: list[tuple[Value, ...]] = [
        (min(reversed(candidates), key=lambda value: _preference(value, axes)),)
        for members in (smaller, *others[:-1])
        if (candidates := [value for value in members if value.can_cross])
    ]
    if max_crossing_tensors > 1:
        chosen = with_joint_cuts(dataflow, chosen, max_crossing_tensors)
    points = [_split_point(INPUT, chain[:1])]
    for crossing in chosen:
        taken = {OUTPUT, *(point.name for point in points)}
        points.append(_split_point(_unique("+".join(value.path for value in crossing), taken), crossing))
    return (*points, _split_point(OUTPUT, chain[-1:]))


def _split_point(name: str, crossing: Sequence[Value]) -> SplitPoint:
    return SplitPoint(name, tuple(value.name for value in crossing), tuple(value.shape for value in crossing))


def _preference(value: Value, axes: int) -> tuple[int, int]:
    """Smallest payload first; among equals the tensor whose number of axes is nearest to ``axes``."""
    return value.elements, abs(len(value.shape) - axes)


def _classes_without_macs(dataflow: Dataflow, chain: list[Value]) -> list[list[Value]]:
    """Runs of dominators with no multiply-accumulates between neighbours."""
    classes = [[chain[0]]]
    for before, value in itertools.pairwise(chain):
        if total_macs(dataflow.between([before.name], [value.name])):
            classes.append([])
        classes[-1].append(value)
    return classes


def _unique(name: str, taken: Set[str]) -> str:
    """A module may be called ``input``, or as the second call of another is."""
    names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
    return next(name for name in names if name not in taken)


def cut(graph_module: fx.GraphModule, start: SplitPoint, end: SplitPoint) -> fx.GraphModule:
    """What computes the tensor sent at ``end`` from that sent at ``start``, sharing the whole's parameters.

    From ``input`` it is the edge part, up to ``output`` the server part. The batch size is read from whatever
    tensor comes in.

    Args:
        graph_module: The whole, as traced.
        start: All of ``end`` that depends on the input depends on it.
        end: Comes later.

    Example:
        >>> from explorer.core.graph.trace import trace
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
        >>> traced = trace(net, torch.zeros(1, 4))
        >>> start, middle, end = find_split_points(traced.dataflow)
        >>> edge, server = cut(traced.graph_module, start, middle), cut(traced.graph_module, middle, end)
        >>> sent = edge(torch.ones(5, 4))
        >>> sent.shape, torch.equal(server(sent), net(torch.ones(5, 4)))
        (torch.Size([5, 3]), True)
    """
    nodes = {node.name: node for node in graph_module.graph.nodes}
    begins = {nodes[name] for name in start.nodes}
    needed = _ancestors({nodes[name] for name in end.nodes}, begins | batch_reads(graph_module.graph))
    graph = fx.Graph()
    received = graph.placeholder("x")
    copies = {node: received for node in graph_module.graph.nodes if node.op == "placeholder"}
    copies |= dict(zip((nodes[name] for name in start.nodes), _unpacked(graph, received, start), strict=True))
    for node in graph_module.graph.nodes:
        if node in needed and node not in copies:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(packed(graph, [copies[nodes[name]] for name in end.nodes]))
    return QuietGraphModule(graph_module, graph)


def packed(graph: fx.Graph, crossing: Sequence[fx.Node]) -> fx.Node:
    """One tensor as it is; several flattened and joined.

    Example:
        >>> graph = fx.Graph()
        >>> one, other = graph.placeholder("one"), graph.placeholder("other")
        >>> packed(graph, [one]), packed(graph, [one, other])
        (one, cat)
    """
    if len(crossing) == 1:
        return crossing[0]
    flat = [graph.call_method("flatten", (node, 1)) for node in crossing]
    return graph.call_function(torch.cat, (flat, 1))


def _unpacked(graph: fx.Graph, received: fx.Node, point: SplitPoint) -> list[fx.Node]:
    """The tensors that :func:`packed` joined."""
    if len(point.shapes) == 1:
        return [received]
    tensors, start = list[fx.Node](), 0
    for shape in point.shapes:
        part = graph.call_method("narrow", (received, 1, start, prod(shape)))
        tensors.append(graph.call_method("unflatten", (part, 1, shape)))
        start += prod(shape)
    return tensors


def _ancestors(ends: Set[fx.Node], stops: Set[fx.Node]) -> set[fx.Node]:
    """``ends`` and all they are computed from, looking behind none of ``stops``."""
    found, pending = set(ends), list(ends)
    while pending:
        current = pending.pop()
        if current not in stops:
            fresh = set(current.all_input_nodes) - found
            found |= fresh
            pending += fresh
    return found
