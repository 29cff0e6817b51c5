"""Where a backbone can be cut so that exactly one tensor crosses from edge to server.

A value is a candidate when it dominates the output: every path from input to output runs through it, so
nothing else has to cross. Candidates without multiply-accumulates between them form one class, and the one
with the smallest payload stands for it.
"""

import itertools
from collections.abc import Set
from dataclasses import dataclass
from math import prod

from torch import fx

from explorer.core.shape_reads import batch_reads
from explorer.core.values import Dataflow, Value, total_macs

INPUT, OUTPUT = "input", "output"
MAX_AXES = 4  # channels and three extents: what exit classifiers can pool


@dataclass(frozen=True)
class SplitPoint:
    """A value at which the network can be cut.

    Attributes:
        name: ``input``, ``output`` or a module path.
        node: Name of the value.
        shape: Shape of the crossing tensor, without batch.
    """

    name: str
    node: str
    shape: tuple[int, ...]

    @property
    def payload_elements(self) -> int:
        return prod(self.shape)


def find_split_points(dataflow: Dataflow) -> tuple[SplitPoint, ...]:
    """Split points from ``input`` to ``output``, one per class of dominators without MACs between them.

    ``input`` and ``output`` always stand for themselves; a smaller tensor before the first MAC comes second.
    """
    values = dataflow.values
    chain = [values[name] for name in dataflow.dominators()]
    source, result = chain[0], chain[-1]
    first, *others = _classes_without_macs(dataflow, chain)
    smaller = [value for value in first if value.elements < source.elements] if others else []
    points = [SplitPoint(INPUT, source.name, source.shape)]
    for members in (smaller, *others[:-1]):
        if candidates := [value for value in members if value.can_cross]:
            best = min(reversed(candidates), key=_preference)
            taken = {OUTPUT, *(point.name for point in points)}
            points.append(SplitPoint(_unique(best.path, taken), best.name, best.shape))
    return (*points, SplitPoint(OUTPUT, result.name, result.shape))


def _preference(value: Value) -> tuple[int, int]:
    """Smallest payload first; among equals the tensor with most axes that a pooled exit can use."""
    axes = len(value.shape)
    return value.elements, -axes if axes <= MAX_AXES else 0


def _classes_without_macs(dataflow: Dataflow, chain: list[Value]) -> list[list[Value]]:
    """Runs of dominators with no multiply-accumulates between neighbours."""
    classes = [[chain[0]]]
    for before, value in itertools.pairwise(chain):
        if total_macs(dataflow.between(before.name, value.name)):
            classes.append([])
        classes[-1].append(value)
    return classes


def _unique(name: str, taken: Set[str]) -> str:
    """A module may be called ``input``, or as the second call of another is."""
    names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
    return next(name for name in names if name not in taken)


def cut(graph_module: fx.GraphModule, start: str, end: str) -> fx.GraphModule:
    """What computes the value ``end`` from the value ``start``, sharing the whole's parameters.

    From the network's input it is the edge part, up to the logits the server part. The batch size is read
    from whatever tensor comes in.

    Args:
        graph_module: The whole, as traced.
        start: Node whose tensor comes in; all of ``end`` that depends on the input depends on it.
        end: Node whose tensor goes out.
    """
    nodes = {node.name: node for node in graph_module.graph.nodes}
    needed = _ancestors(nodes[end], nodes[start], batch_reads(graph_module.graph))
    graph = fx.Graph()
    received = graph.placeholder("x")
    copies = {node: received for node in graph_module.graph.nodes if node.op == "placeholder"}
    copies[nodes[start]] = received
    for node in graph_module.graph.nodes:
        if node in needed and node not in copies:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[nodes[end]])
    return fx.GraphModule(graph_module, graph)


def _ancestors(node: fx.Node, start: fx.Node, anchored: Set[fx.Node]) -> set[fx.Node]:
    """``node`` and all it is computed from, looking neither behind ``start`` nor behind ``anchored``."""
    found, pending = {node}, [node]
    while pending:
        current = pending.pop()
        if current is not start and current not in anchored:
            fresh = set(current.all_input_nodes) - found
            found |= fresh
            pending += fresh
    return found
