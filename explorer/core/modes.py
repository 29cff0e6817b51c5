"""One graph for both modes: what a backbone does in training and in eval mode, merged.

A trace holds for the mode in which it was made. ``F.dropout(x, training=self.training)`` or an attention's
``dropout_p`` leave constants in it that differ between the modes; such operations become modules that know
their mode. A backbone that runs other operations in training than in eval mode cannot be one graph.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, fx, nn

_NAME = "by_mode"


class ModesDifferError(Exception):
    """Training and eval mode run different operations."""


@dataclass(frozen=True)
class _Input:
    """Stands for what another node computes, by its place."""

    place: int


class ByMode(nn.Module):
    """An operation whose constants depend on the mode.

    Args:
        target: A function, or the name of a method of the first argument.
        training: Positional and named arguments in training mode, :class:`_Input` where an input comes in.
        evaluation: The same in eval mode.
    """

    def __init__(self, target: Callable[..., Any] | str, training: Any, evaluation: Any) -> None:
        super().__init__()
        self._target, self._arguments = target, {True: training, False: evaluation}

    def forward(self, *inputs: Any) -> Any:
        arguments, named = fx.node.map_aggregate(
            self._arguments[self.training], lambda a: inputs[a.place] if isinstance(a, _Input) else a
        )
        if isinstance(self._target, str):
            return getattr(arguments[0], self._target)(*arguments[1:], **named)
        return self._target(*arguments, **named)


def merge_modes(evaluation: fx.GraphModule, training: fx.GraphModule, paths: Mapping[str, str]) -> None:
    """Turn the operations of a graph whose constants are others in training into :class:`ByMode`.

    Args:
        evaluation: Traced in eval mode, changed in place.
        training: The same module traced in training mode.
        paths: What a person calls each node of ``evaluation``.

    Raises:
        ModesDifferError: The modes run different operations.
    """
    nodes, others = list(evaluation.graph.nodes), list(training.graph.nodes)
    places = {node: place for graph in (nodes, others) for place, node in enumerate(graph)}
    for node, other in zip(nodes, others, strict=False):
        if _operation(node, places) != _operation(other, places):
            raise ModesDifferError(f"{_words(other)!r} in training, {_words(node)!r} in eval mode")
        if node.op == "get_attr":
            _check_same(_attribute(evaluation, node), _attribute(training, other))
        elif _arguments(node, places) != _arguments(other, places):
            _replace(evaluation, node, other, f"{_NAME}.{paths[node.name]}")
    evaluation.recompile()


def _operation(node: fx.Node, places: Mapping[fx.Node, int]) -> Any:
    """What has to be the same in both modes; a tensor made in ``forward`` has a new name in each trace."""
    inputs = [places[source] for source in node.all_input_nodes]
    if node.op in ("call_function", "call_method", "get_attr"):
        return node.op, node.op == "get_attr" or node.target, inputs
    return node.op, node.target, inputs, _arguments(node, places)


def _attribute(graph_module: fx.GraphModule, node: fx.Node) -> Tensor:
    value: Tensor = attrgetter(str(node.target))(graph_module)
    return value


def _check_same(tensor: Tensor, other: Tensor) -> None:
    if tensor is not other and not torch.equal(tensor, other):
        raise ModesDifferError("a tensor that it makes has other values")


def _arguments(node: fx.Node, places: Mapping[fx.Node, int]) -> Any:
    def stand_in(source: fx.Node) -> Any:
        return _Input(places[source])

    return fx.map_arg((node.args, node.kwargs), stand_in)


def _words(node: fx.Node) -> str:
    return node.name if node.op != "output" else "return"


def _replace(graph_module: fx.GraphModule, node: fx.Node, training: fx.Node, path: str) -> None:
    inputs = node.all_input_nodes
    places = {
        source: place
        for sources in (inputs, training.all_input_nodes)
        for place, source in enumerate(sources)
    }
    graph_module.add_submodule(
        path, ByMode(node.target, _arguments(training, places), _arguments(node, places))
    )
    node.op, node.target = "call_module", path
    node.args, node.kwargs = tuple(inputs), {}


def without_prefix(target: str) -> str:
    """What a person calls a module of a graph, be it a :class:`ByMode`."""
    return target.removeprefix(f"{_NAME}.")
