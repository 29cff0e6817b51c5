"""One graph for both modes: what a backbone does in training and in eval mode, merged.

A trace holds for the mode in which it was made. ``F.dropout(x, training=self.training)`` leaves constants in
it that differ between the modes, ``if self.training: x = x + noise`` operations, a moving average changes of
buffers. What differs becomes one module that knows its mode; all else is the same node in both modes, where
the backbone can be cut.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from operator import getitem
from typing import Any, NamedTuple

from torch import fx, nn

from explorer.core.graph.effects import has_effect
from explorer.core.graph.parts import (
    NodeKey,
    constants_of,
    inputs_of,
    node_as_module,
    part_as_module,
    replace_input,
)
from explorer.core.graph.refusals import AUXILIARY

_NAME = "by_mode"


class ModesDifferError(Exception):
    """Training and eval mode cannot be one graph; the message says where they part."""


class ByMode(nn.Module):
    """Operations that depend on the mode: one result, a tuple of several, or changes of state alone.

    Args:
        in_training: What is run in training mode.
        in_eval: What is run in eval mode, on the same inputs.
        changes_state: Whether it is run even where nobody reads its results.

    Example:
        >>> import torch
        >>> layer = ByMode(fx.symbolic_trace(nn.ReLU()), fx.symbolic_trace(nn.Identity()))
        >>> layer.train()(-torch.ones(2)), layer.eval()(-torch.ones(2))
        (tensor([0., 0.]), tensor([-1., -1.]))
    """

    def __init__(
        self, in_training: fx.GraphModule, in_eval: fx.GraphModule, changes_state: bool = False
    ) -> None:
        super().__init__()
        self.in_training, self.in_eval = in_training, in_eval
        self._is_impure = changes_state  # torch.fx asks for it

    def forward(self, *inputs: Any) -> Any:
        """Call the part of the present mode."""
        return self.in_training(*inputs) if self.training else self.in_eval(*inputs)


class _Span(NamedTuple):
    """Neighbours in eval mode and in training, by their places."""

    eval_start: int
    eval_end: int
    train_start: int
    train_end: int


class _Pair(NamedTuple):
    """What a common node reads, in eval mode and in training."""

    evaluation: fx.Node
    training: fx.Node


@dataclass
class _Block:
    """A span of nodes that differ.

    Attributes:
        evaluation, training: Its nodes in either mode.
        outputs: What common nodes read of it, each pair once.
        readers: Those common nodes, the place among their inputs, and what they read there.
    """

    evaluation: list[fx.Node]
    training: list[fx.Node]
    outputs: dict[_Pair, None] = field(default_factory=dict)
    readers: list[tuple[fx.Node, int, _Pair]] = field(default_factory=list)

    @property
    def nodes(self) -> list[fx.Node]:
        return [*self.evaluation, *self.training]


def merge_modes(evaluation: fx.GraphModule, training: fx.GraphModule, paths: Mapping[fx.Node, str]) -> None:
    """Turn what a graph does otherwise in training mode into :class:`ByMode`.

    Args:
        evaluation: Traced in eval mode, changed in place.
        training: The same module traced in training mode.
        paths: What a person calls each node of either graph.

    Raises:
        ModesDifferError: The modes cannot be merged.

    Example:
        >>> class Net(nn.Module):
        ...     def forward(self, x):
        ...         return x.relu() + 1 if self.training else x.relu()
        >>> evaluation, training = (fx.symbolic_trace(Net().train(mode)) for mode in (False, True))
        >>> paths = {node: node.name for own in (evaluation, training) for node in own.graph.nodes}
        >>> merge_modes(evaluation, training, paths)
        >>> [node.target for node in evaluation.graph.nodes]
        ['x', 'relu', 'by_mode.add', 'output']
    """
    merge = _Merge(evaluation, training)
    for block in merge.blocks:
        merge.replace_block(block, paths)
    for node, other in merge.twins:
        merge.replace_twins(node, other, paths)
    try:
        evaluation.graph.lint()
    except RuntimeError as error:
        raise ModesDifferError("their operations come in another order") from error
    evaluation.graph.eliminate_dead_code(has_effect)
    evaluation.recompile()


class _Merge:
    """Which nodes of two graphs are the same, and the blocks in between."""

    def __init__(self, evaluation: fx.GraphModule, training: fx.GraphModule) -> None:
        self._roots = evaluation, training
        self._evaluation, self._training = list(evaluation.graph.nodes), list(training.graph.nodes)
        self._same: dict[fx.Node, fx.Node] = {}  # from a common node in training to that in eval mode
        self.blocks: list[_Block] = []
        self.twins: list[tuple[fx.Node, fx.Node]] = []  # of one operation, with other constants
        spans = list(self._differing())
        while (more := self._blocks_of(spans)) is not None:
            spans = more

    def _differing(self) -> Iterator[_Span]:
        """Spans of nodes of which the other mode has none."""
        evaluation = [NodeKey(self._roots[0], node) for node in self._evaluation]
        training = [NodeKey(self._roots[1], node) for node in self._training]
        for tag, *bounds in SequenceMatcher(None, evaluation, training, autojunk=False).get_opcodes():
            if tag != "equal":
                yield _Span(*bounds)

    def _blocks_of(self, spans: list[_Span]) -> list[_Span] | None:
        """Make blocks of ``spans``. Wider or more spans where that fails; None when all is settled."""
        self.blocks = [
            _Block(self._evaluation[span[0] : span[1]], self._training[span[2] : span[3]]) for span in spans
        ]
        place = {node: number for number, block in enumerate(self.blocks) for node in block.nodes}
        for node, number in place.items():
            for source in node.all_input_nodes:
                if place.get(source, number) != number:
                    return _joined(spans, place[source], number)
        common = [
            [(at, node) for at, node in enumerate(nodes) if node not in place]
            for nodes in (self._evaluation, self._training)
        ]
        self._same = {other: node for (_, node), (_, other) in zip(*common, strict=True)}
        for (e, node), (t, other) in zip(*common, strict=True):
            inputs = inputs_of(node), inputs_of(other)
            if len(inputs[0]) != len(inputs[1]):
                return sorted([*spans, _Span(e, e + 1, t, t + 1)])
            for position, pair in enumerate(map(_Pair, *inputs)):
                if self._same.get(pair.training) is pair.evaluation:
                    continue
                owners = sorted({place[source] for source in pair if source in place})
                if not owners:
                    return sorted([*spans, _Span(e, e + 1, t, t + 1)])
                if len(owners) > 1:
                    return _joined(spans, *owners)
                block = self.blocks[owners[0]]
                block.outputs[pair] = None
                block.readers.append((node, position, pair))
        pairs = [(node, other) for (_, node), (_, other) in zip(*common, strict=True)]
        self.twins = [(node, other) for node, other in pairs if constants_of(node) != constants_of(other)]
        return None

    def replace_twins(self, node: fx.Node, other: fx.Node, paths: Mapping[fx.Node, str]) -> None:
        """Put one :class:`ByMode` in place of an operation whose constants depend on the mode."""
        if node.op == "output":
            raise ModesDifferError(AUXILIARY)
        root, other_root = self._roots
        name = _unused(root, f"{_NAME}.{paths[node]}")
        root.add_submodule(name, ByMode(node_as_module(other_root, other), node_as_module(root, node)))
        inputs = tuple(inputs_of(node))
        node.op, node.target = "call_module", name
        node.args, node.kwargs = inputs, {}

    def replace_block(self, block: _Block, paths: Mapping[fx.Node, str]) -> None:
        """Put one :class:`ByMode` in place of a block."""
        root, other_root = self._roots
        if any(node.op == "output" for node in block.nodes):
            raise ModesDifferError(AUXILIARY)
        read = [source for node in block.nodes for source in node.all_input_nodes]
        read += itertools.chain.from_iterable(block.outputs)
        inside = set(block.nodes)
        inputs = list(dict.fromkeys(self._same.get(node, node) for node in read if node not in inside))
        in_eval = part_as_module(root, block.evaluation, inputs, {}, [e for e, _ in block.outputs])
        trained = [t for _, t in block.outputs]
        in_training = part_as_module(other_root, block.training, inputs, self._same, trained)
        changes_state = any(has_effect(node) for node in block.nodes)
        if block.outputs or changes_state:
            name = _unused(root, f"{_NAME}.{_name_of(block, paths)}")
            root.add_submodule(name, ByMode(in_training, in_eval, changes_state))
            self._insert(block, name, inputs)
        for node in reversed(block.evaluation):
            if not node.users:
                root.graph.erase_node(node)

    def _insert(self, block: _Block, name: str, inputs: list[fx.Node]) -> None:
        graph = self._roots[0].graph
        first = self._first_after(block)
        with graph.inserting_before(first):
            call = graph.call_module(name, tuple(inputs))
            results = [call]
            if len(block.outputs) > 1:
                results = [graph.call_function(getitem, (call, n)) for n in range(len(block.outputs))]
        given = dict(zip(block.outputs, results, strict=False))
        for pair, result in given.items():
            result.meta = {**pair.evaluation.meta, **result.meta}
        for reader, position, pair in block.readers:
            replace_input(reader, position, given[pair])

    def _first_after(self, block: _Block) -> fx.Node:
        """The first common node that must come after a block: a reader, else what follows it."""
        readers = {reader for reader, _, _ in block.readers}
        if readers:
            followers = (node for node in self._evaluation if node in readers)
        else:
            after = self._training.index(block.training[-1])
            followers = (self._same[n] for n in self._training[after:] if n in self._same)
        first: fx.Node = next(followers)
        return first


def _joined(spans: list[_Span], one: int, other: int) -> list[_Span]:
    """``spans`` with those from ``one`` to ``other`` as one."""
    first, last = min(one, other), max(one, other)
    start, end = spans[first], spans[last]
    return [*spans[:first], _Span(start[0], end[1], start[2], end[3]), *spans[last + 1 :]]


def _name_of(block: _Block, paths: Mapping[fx.Node, str]) -> str:
    """After what it gives; after what it does last, where it gives nothing."""
    own = set(block.nodes)
    given = [node for pair in block.outputs for node in pair if node in own]
    return paths[(given or [*reversed(block.training)])[0]]


def _unused(root: nn.Module, name: str) -> str:
    names = {path for path, _ in root.named_modules()}
    candidates = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(1)))
    return next(candidate for candidate in candidates if candidate not in names)


def without_prefix(target: str) -> str:
    """What a person calls a module of a graph, be it a :class:`ByMode`.

    Example:
        >>> without_prefix("by_mode.block1.noise"), without_prefix("block1.conv")
        ('block1.noise', 'block1.conv')
    """
    return target.removeprefix(f"{_NAME}.")
