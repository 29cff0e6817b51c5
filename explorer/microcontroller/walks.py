"""Going through a graph node by node: values of one sample, and what each node is lowered to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import Any

import torch
from torch import Tensor, fx, nn

from explorer.errors import UserError

Lower = Callable[[fx.Node, nn.Module | None, Mapping[fx.Node, Any], Mapping[fx.Node, str]], str]


@dataclass(eq=False)
class Walk:
    """What came of the nodes of a graph.

    Attributes:
        values: Of one sample, by node.
        tensors: Those that the program has them in.
        refused: Why there is no C for a node, or for one that it follows from: the first of all reasons.

    Example:
        >>> Walk().refused
        {}
    """

    values: dict[fx.Node, Any] = field(default_factory=dict)
    tensors: dict[fx.Node, str] = field(default_factory=dict)
    refused: dict[fx.Node, tuple[int, UserError]] = field(default_factory=dict)

    def at(self, node: fx.Node) -> tuple[str, Tensor]:
        """A node's tensor, and its value.

        Raises:
            UserError: There is no C for what it follows from.
        """
        if node in self.refused:
            raise self.refused[node][1]
        return self.tensors[node], self.values[node]

    @property
    def end(self) -> tuple[str, Tensor]:
        """What the graph returns, as :meth:`at`."""
        return self.at(next(node for node in self.values if node.op == "output").all_input_nodes[0])


def walked(graph: fx.Graph, root: nn.Module, source: str, sample: Tensor, lower: Lower) -> Walk:
    """Lower every node that can be.

    What follows from a node that cannot be is refused with it; the others are not.

    Args:
        graph: With one input.
        root: Whose modules it calls.
        source: Tensor that goes into it.
        sample: Its value.
        lower: Given a node, its module if it calls one, values and tensors so far, gives the node's tensor;
            raises :class:`~explorer.errors.UserError` where there is none.

    Example:
        >>> traced = fx.symbolic_trace(nn.Sequential(nn.ReLU(), nn.Flatten()))
        >>> walk = walked(traced.graph, traced, "x", torch.ones(1, 2, 3), lambda node, *_: node.name)
        >>> name, value = walk.end
        >>> name, value.shape
        ('_1', torch.Size([1, 6]))
    """
    walk, modules = Walk(), dict(root.named_modules())
    with torch.inference_mode():
        for number, node in enumerate(graph.nodes):
            if node.op == "placeholder":
                walk.values[node], walk.tensors[node] = sample, source
                continue
            module = modules.get(str(node.target)) if node.op == "call_module" else None
            walk.values[node] = _result(node, root, module, walk.values)
            reasons = [walk.refused[own] for own in node.all_input_nodes if own in walk.refused]
            try:
                if not reasons and node.op != "output" and isinstance(walk.values[node], Tensor):
                    walk.tensors[node] = lower(node, module, walk.values, walk.tensors)
            except UserError as error:
                reasons.append((number, error))
            if reasons:
                walk.refused[node] = min(reasons, key=itemgetter(0))
    return walk


def _result(node: fx.Node, root: nn.Module, module: nn.Module | None, values: Mapping[fx.Node, Any]) -> Any:
    """What a node gives, as the graph's own interpreter has it."""
    args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
    if node.op == "output":
        return args[0]
    if node.op == "get_attr":
        return attrgetter(str(node.target))(root)
    if module is not None:
        return module(*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    return node.target(*args, **kwargs)  # type: ignore[operator]
