"""From the graph of a network to operations of a program: one for what each node computes."""

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from explorer.core.chain import UINT8, Normalise
from explorer.core.sparsity.base import SparseLayer
from explorer.errors import UserError
from explorer.microcontroller import program as ir
from explorer.microcontroller.forms import Clamp, Shape
from explorer.microcontroller.layers import lowered_layer, lowered_norm, pair, pool_window
from explorer.microcontroller.limits import beyond_tables
from explorer.microcontroller.walks import Walk, walked

_SAME = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, "contiguous")
_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)
_CLAMPS: dict[Any, Clamp] = {
    **dict.fromkeys((nn.ReLU, F.relu, torch.relu, "relu"), Clamp(0.0)),
    **dict.fromkeys((nn.ReLU6, F.relu6), Clamp(0.0, 6.0)),
}
_MAPS: dict[Any, Any] = {
    **dict.fromkeys((nn.Hardswish, F.hardswish), "hard_swish"),
    **dict.fromkeys((nn.Sigmoid, torch.sigmoid, F.sigmoid, "sigmoid"), "sigmoid"),
}
_ADDS = (operator.add, operator.iadd, torch.add, "add")
_RESHAPES = (nn.Flatten, torch.flatten, torch.reshape, "flatten", "view", "reshape", "unflatten")


def shape_of(logical: Sequence[int]) -> Shape:
    """Of a tensor that PyTorch has with these axes, without batch.

    Example:
        >>> shape_of((16, 8, 4)), shape_of((3, 32)), shape_of((10,))
        (Shape(height=8, width=4, channels=16), Shape(height=1, width=32, channels=3),
         Shape(height=1, width=1, channels=10))
    """
    channels, *extents = logical
    height, width = (1,) * (2 - len(extents)) + tuple(extents)
    return Shape(height, width, channels)


class Lowering:
    """Collects operations while graphs are walked.

    Args:
        input_shape: Of a raw sample, without batch.
        normalise: What is done to it first.
        dtype: Of raw samples: ``uint8`` or ``float32``.

    Example:
        >>> own = Lowering((4,), Normalise([0.0], [1.0], (4,), "float32"), "float32")
        >>> own.exit(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), "input", torch.zeros(1, 4))
        'exit._1'
        >>> [op.name for op in own.ops]
        ['input', 'exit.0', 'exit.0', 'exit.1']
    """

    def __init__(self, input_shape: tuple[int, ...], normalise: Normalise, dtype: str) -> None:
        self.shapes = {ir.INPUT: shape_of(input_shape)}
        mean, std = (
            np.broadcast_to(normalise.get_buffer(name).numpy().ravel(), (input_shape[0],)).copy()
            for name in ("mean", "std")
        )
        raw: Any = UINT8 if dtype == UINT8 else "float32"
        self.ops: list[ir.Op] = [ir.Normalise(ir.INPUT, (), ir.INPUT, mean, std, raw)]

    def exit(self, classifier: nn.Module, crossing: str, sample: Tensor) -> str:
        """Lower an exit classifier, which reads the crossing tensor; returns its logits."""
        graph = fx.Graph()
        node = graph.placeholder("x")
        for name, _ in classifier.named_children():
            node = graph.call_module(name, (node,))
        graph.output(node)
        return self.walk(graph, classifier, crossing, sample, prefix="exit.").end[0]

    def walk(self, graph: fx.Graph, root: nn.Module, source: str, sample: Tensor, prefix: str = "") -> Walk:
        """Lower every node that there is C for.

        Args:
            graph: With one input.
            root: Whose modules it calls.
            source: Tensor that goes into it.
            sample: Its value.
            prefix: Of what its nodes are called.
        """
        return walked(graph, root, source, sample, partial(self.fitting, prefix))

    def fitting(
        self,
        prefix: str,
        node: fx.Node,
        module: nn.Module | None,
        values: Mapping[fx.Node, Any],
        names: Mapping[fx.Node, str],
    ) -> str:
        """:meth:`node`, where tables in C can hold it."""
        start = len(self.ops)
        output = self.node(prefix, node, module, values, names)
        for op in self.ops[start:]:
            if why := beyond_tables(op, self.shapes[op.inputs[0]], self.shapes[op.output]):
                kind = kind_of(node.target if module is None else module)
                raise UserError(f"--c-code: {op.name}: {kind} is too large for C: {why}")
        return output

    def node(
        self,
        prefix: str,
        node: fx.Node,
        module: nn.Module | None,
        values: Mapping[fx.Node, Any],
        names: Mapping[fx.Node, str],
    ) -> str:
        """Lower one operation; returns the tensor that it writes."""
        where = prefix + (str(node.target) if module is not None else node.name)
        kind = node.target if module is None else type(module)
        if node.op == "get_attr":
            raise refused(node.name, "a constant tensor")
        if not node.all_input_nodes:
            raise refused(where, kind)
        sources = tuple(names[own] for own in node.all_input_nodes if own in names)
        before, after = values[node.all_input_nodes[0]], values[node]
        output = prefix + node.name

        def add(op: Callable[..., ir.Op], *rest: Any, **more: Any) -> str:
            return self.add(op(where, sources, output, *rest, **more), after.shape[1:])

        if kind in _SAME:
            return sources[0]
        if kind in _LAYERS or isinstance(module, SparseLayer):
            assert module is not None
            return self.layer(where, sources[0], output, module, before, after)
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            return add(ir.Weighted, *lowered_norm(module))
        if kind in _CLAMPS:
            return add(ir.Map, "clamp", _CLAMPS[kind])
        if kind in _MAPS:
            return add(ir.Map, _MAPS[kind])
        if kind in _ADDS:
            terms = _terms(node, values)
            if terms is not None:
                return self.add(ir.Add(where, tuple(names[own] for own in terms), output), after.shape[1:])
        window = pool_window(where, node, module, before, after)
        if window is not None:
            return add(ir.Pool, *window)
        if kind in _RESHAPES and before.shape[0] == after.shape[0]:
            return self.reshape(where, sources[0], output, before.shape[1:], after.shape[1:])
        if kind in (torch.cat, torch.concat) and _axis(node) == 1:
            joined: Any = node.args[0]
            inputs = tuple(names[own] for own in joined)
            return self.add(ir.Concat(where, inputs, output), after.shape[1:])
        thinned = _thinned(node, before)
        if thinned is not None:
            return add(ir.Thin, *thinned)
        raise refused(where, module if module is not None else node.target)

    def add(self, op: ir.Op, logical: Sequence[int]) -> str:
        """Take up an operation whose result has these axes."""
        self.ops.append(op)
        self.shapes[op.output] = shape_of(logical)
        return op.output

    def layer(
        self, where: str, source: str, output: str, module: nn.Module, before: Tensor, after: Tensor
    ) -> str:
        """A layer, behind an exchange of its input channels where it interleaves them."""
        of_vectors = isinstance(module, nn.Linear) or (getattr(module, "taps", 0) == 1 and before.dim() == 2)
        if of_vectors and before.dim() != 2:
            raise refused(where, module, " of more than one vector")
        interleave, weight, bias, window, form = lowered_layer(where, module)
        if interleave > 1:
            shape, shuffled = shape_of(before.shape[1:]), f"{output}.shuffled"
            rows = shape.channels // interleave
            order = ir.Transpose(where, (source,), shuffled, shape.pixels, rows, interleave)
            source = self.add(order, before.shape[1:])
        op = ir.Weighted(where, (source,), output, weight, bias, window, form)
        return self.add(op, after.shape[1:])

    def reshape(
        self, where: str, source: str, output: str, before: Sequence[int], after: Sequence[int]
    ) -> str:
        """The same values, in PyTorch's order, with other axes."""
        flat, old, new = f"{output}.flat", shape_of(before), shape_of(after)
        self.add(ir.Transpose(where, (source,), flat, 1, old.pixels, old.channels), (prod(before),))
        return self.add(ir.Transpose(where, (flat,), output, 1, new.channels, new.pixels), after)


def refused(where: str, what: Any, why: str = "") -> UserError:
    """What is raised for a layer that there is no C for.

    Example:
        >>> str(refused("block1.attention", nn.Softmax()))
        '--c-code: block1.attention: there is no C for Softmax'
    """
    return UserError(f"--c-code: {where}: there is no C for {kind_of(what)}{why}")


def kind_of(what: Any) -> str:
    """What a layer or operation is called.

    Example:
        >>> kind_of(nn.Softmax()), kind_of(torch.sigmoid), kind_of("flatten")
        ('Softmax', 'sigmoid', 'flatten')
    """
    if isinstance(what, nn.Module):
        return type(what).__name__
    return what if isinstance(what, str) else getattr(what, "__name__", str(what))


def _terms(node: fx.Node, values: Mapping[fx.Node, Any]) -> list[fx.Node] | None:
    """The two tensors of one shape that are added; one may be added to itself."""
    terms = [own for own in node.args if isinstance(own, fx.Node)]
    alike = all(isinstance(values[own], Tensor) and values[own].shape == values[node].shape for own in terms)
    return terms if alike and len(terms) == len(node.args) == 2 and not node.kwargs else None


def _axis(node: fx.Node) -> Any:
    return node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)


def _thinned(node: fx.Node, before: Tensor) -> tuple[tuple[int, int], int] | None:
    """Strides and channels before, of slices ``x[:, :, ::s, ::s]`` and of channels of zero."""
    everything = slice(None, None, None)
    if node.target is operator.getitem and isinstance(node.args[1], tuple):
        batch, channels, *steps = node.args[1]
        whole = batch == channels == everything and len(steps) == before.dim() - 2
        if whole and all(isinstance(own, slice) and own.start is own.stop is None for own in steps):
            return pair([own.step or 1 for own in steps], 1), 0  # type: ignore[union-attr]
    if node.target is F.pad:
        widths: Any = node.args[1]
        value = node.kwargs.get("value") or (node.args[3] if len(node.args) > 3 else 0)
        own = 2 * (before.dim() - 2)
        constant = node.kwargs.get("mode", "constant") == "constant" and not value
        if constant and len(widths) == own + 2 and not any(widths[:own]) and min(widths) >= 0:
            return (1, 1), int(widths[own])
    return None
