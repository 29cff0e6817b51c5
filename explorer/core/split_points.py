"""Where a backbone can be cut so that exactly one tensor crosses from edge to server.

``torch.fx`` gives the data-flow graph. A node is a candidate when it dominates the output: every path
from input to output runs through it, so nothing else has to cross. Candidates without multiply-accumulates
between them form one class, and the one with the smallest payload stands for it.
"""

import itertools
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from math import prod

import torch
from torch import fx

from explorer.core.tracing import NodeCost, Trace, output_node
from explorer.errors import UserError

INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True)
class SplitPoint:
    """A node at which the network can be cut.

    Attributes:
        name: ``input``, ``output`` or a module path.
        node: Name of the node in the traced graph.
        shape: Shape of the crossing tensor, without batch.
    """

    name: str
    node: str
    shape: tuple[int, ...]

    @property
    def payload_elements(self) -> int:
        return prod(self.shape)


def dominators(graph: fx.Graph) -> list[fx.Node]:
    """Nodes that every path from the input to the output runs through, in order, input and output included.

    Immediate dominators of a DAG in topological order: the nearest common dominator of a node's
    predecessors (Cooper, Harvey & Kennedy, "A Simple, Fast Dominance Algorithm", 2001). Values that do not
    depend on the input (parameters fetched by ``get_attr``, constants) exist on both sides and do not count.
    """
    immediate: dict[fx.Node, fx.Node | None] = {}
    depth: dict[fx.Node, int] = {}
    for node in graph.nodes:
        sources = [source for source in node.all_input_nodes if source in depth]
        if node.op == "placeholder":
            immediate[node], depth[node] = None, 0
        elif sources:
            common: fx.Node = sources[0]
            for source in sources[1:]:
                common = _common_dominator(common, source, immediate, depth)
            immediate[node], depth[node] = common, depth[common] + 1
    last = output_node(graph)
    chain: list[fx.Node] = []
    step: fx.Node | None = last
    while step is not None:
        chain.append(step)
        step = immediate.get(step)
    return chain[::-1]


def _common_dominator(
    a: fx.Node, b: fx.Node, immediate: dict[fx.Node, fx.Node | None], depth: dict[fx.Node, int]
) -> fx.Node:
    while a is not b:
        deeper, other = (a, b) if depth[a] >= depth[b] else (b, a)
        up = immediate[deeper]
        assert up is not None, "two nodes that depend on the input share it as a dominator"
        a, b = up, other
    return a


def find_split_points(trace: Trace) -> tuple[SplitPoint, ...]:
    """Split points from ``input`` to ``output``, one per class of dominators without MACs between them.

    ``input`` and ``output`` always stand for themselves; a smaller tensor before the first MAC comes second.
    """
    graph, costs = trace.graph_module.graph, trace.costs
    chain = [node for node in dominators(graph) if node.name in costs]
    if len(chain) < 2 or chain[0].op != "placeholder":
        raise UserError("the output does not depend on the input through one tensor: no split point")
    classes = _classes_without_macs(graph, chain, costs)
    points = [_split_point(chain[0], costs, INPUT)]
    for members in classes[:-1]:
        best = min(reversed(members), key=lambda node: _preference(costs[node.name]))
        if best is not chain[0] and (
            members is not classes[0] or _elements(costs, best) < points[0].payload_elements
        ):
            taken = {OUTPUT, *(point.name for point in points)}
            points.append(_split_point(best, costs, _unique(_readable_name(best, graph), taken)))
    return (*points, _split_point(chain[-1], costs, OUTPUT))


def _preference(cost: NodeCost) -> tuple[int, int]:
    """Smallest payload first; among equals the tensor with most axes (a pooled exit can use them)."""
    return prod(cost.shape), -len(cost.shape)


def _elements(costs: dict[str, NodeCost], node: fx.Node) -> int:
    return prod(costs[node.name].shape)


def _classes_without_macs(
    graph: fx.Graph, chain: Sequence[fx.Node], costs: dict[str, NodeCost]
) -> list[list[fx.Node]]:
    """Runs of dominators with no multiply-accumulates between neighbours."""
    position = {node: index for index, node in enumerate(graph.nodes)}
    macs_until = torch.zeros(len(position) + 1, dtype=torch.int64)
    for node, index in position.items():
        macs_until[index + 1] = costs[node.name].macs if node.name in costs else 0
    macs_until = macs_until.cumsum(0)
    classes = [[chain[0]]]
    for before, node in itertools.pairwise(chain):
        # all nodes between two neighbouring dominators in topological order lie on paths between them
        has_macs = bool(macs_until[position[node] + 1] > macs_until[position[before] + 1])
        if has_macs:
            classes.append([])
        classes[-1].append(node)
    return classes


def _split_point(node: fx.Node, costs: dict[str, NodeCost], name: str) -> SplitPoint:
    return SplitPoint(name, node.name, costs[node.name].shape)


def _readable_name(node: fx.Node, graph: fx.Graph) -> str:
    """The module path, or the node's own name for functions and modules called more than once."""
    if node.op == "call_module":
        calls = sum(other.op == "call_module" and other.target == node.target for other in graph.nodes)
        if calls == 1:
            return str(node.target)
    return node.name


def _unique(name: str, taken: Set[str]) -> str:
    """A module may be called ``input``, or as torch.fx calls the second call of another."""
    names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
    return next(name for name in names if name not in taken)


def cut(graph_module: fx.GraphModule, node_name: str) -> tuple[fx.GraphModule, fx.GraphModule]:
    """Cut at a split point into (edge part, server part), both sharing the whole's parameters.

    The edge part maps the input to the crossing tensor, the server part the crossing tensor to logits.
    """
    nodes = {node.name: node for node in graph_module.graph.nodes}
    at = nodes[node_name]
    needed_on_edge = _ancestors(at)
    edge = _copy(graph_module, at, keep=lambda node: node in needed_on_edge, payload=None)
    output = output_node(graph_module.graph)
    assert output is not None
    needed_on_server = _ancestors(output, stop=at)
    server = _copy(graph_module, output, keep=lambda node: node in needed_on_server, payload=at)
    return edge, server


def _ancestors(node: fx.Node, stop: fx.Node | None = None) -> set[fx.Node]:
    """``node`` and all it is computed from, not looking behind ``stop``."""
    found, pending = {node}, [node]
    while pending:
        current = pending.pop()
        if current is not stop:
            fresh = set(current.all_input_nodes) - found
            found |= fresh
            pending += fresh
    return found


def _copy(
    whole: fx.GraphModule, result: fx.Node, keep: Callable[[fx.Node], bool], payload: fx.Node | None
) -> fx.GraphModule:
    graph, copies = fx.Graph(), dict[fx.Node | None, fx.Node]()
    for node in whole.graph.nodes:
        if node is payload:
            copies[node] = graph.placeholder("payload")
        elif keep(node):
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[result])
    return fx.GraphModule(whole, graph)
