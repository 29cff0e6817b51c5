"""Run a traced backbone once and write down every value in it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from math import prod
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, _FlopCounterMode, sdpa_flop_count

from explorer.core.graph.dataflow import FLOAT_BYTES, Value
from explorer.core.graph.dispatch import without_compiler
from explorer.core.graph.folding import with_foldable_norms
from explorer.core.graph.module_state import evaluating
from explorer.core.graph.operator_kinds import execution_of, is_activation
from explorer.core.sparsity.layers import SparseLayer


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))


def _bilinear_flops(first: Sequence[int], weight: Sequence[int], *_: Any, **__: Any) -> int:
    return 2 * bilinear_macs(prod(first[:-1]), weight)


def bilinear_macs(rows: int, weight: Sequence[int]) -> int:
    """Multiply-accumulates of ``torch.nn.Bilinear``, y_o = x1' A_o x2 + b_o as its documentation has it.

    Each x1' A_o takes in1 x in2, its product with x2 another in2.

    Args:
        rows: Samples, times all positions of each.
        weight: Shape of A, (outputs, in1, in2).

    Example:
        >>> bilinear_macs(rows=1, weight=(5, 3, 4))  # 5 * 3 * 4 + 5 * 4
        80
    """
    return rows * (prod(weight) + weight[0] * weight[2])


# What torch's counter leaves out: attention as the CPU executes it, and what nn.Bilinear executes.
_EXTRA_FLOPS = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
    torch.ops.aten._trilinear: _bilinear_flops,
}


# Element-wise too, though torch does not tag it so.
_UNTAGGED = {torch.ops.aten.hardswish}


class _ElementWise(TorchDispatchMode):
    """Whether every operator executed since :meth:`begin` was element-wise, and there was one.

    A view among them, such as a transposed operand, moves elements to other places.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._seen: list[bool] = []

    def begin(self) -> None:
        self._seen = []

    def holds(self) -> bool:
        return bool(self._seen) and all(self._seen)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._seen.append(torch.Tag.pointwise in func.tags or func.overloadpacket in _UNTAGGED)
        return func(*args, **(kwargs or {}))


class _Recorder(fx.Interpreter):
    """Sparse layers state their kept connections; everything else is what is seen being executed."""

    def __init__(self, graph_module: fx.GraphModule, paths: Mapping[str, str], can_cross: set[str]) -> None:
        super().__init__(graph_module)
        self.values: dict[str, Value] = {}
        self.state_bytes: dict[str, int] = {}
        self._paths, self._can_cross = paths, can_cross
        self._counter = FlopCounterMode(display=False, custom_mapping=_EXTRA_FLOPS)
        self._operators = _ElementWise()
        self._correction = 0  # of the executed MACs inside sparse layers
        self._state_names: dict[int, str] = {}

    def record(self, sample: Tensor) -> None:
        with (
            without_compiler(_FlopCounterMode),
            without_compiler(_ElementWise),
            self._counter,
            self._operators,
            _stated_macs(self.module, self),
        ):
            self.run(sample)

    def executed_macs(self) -> int:
        return self._counter.get_total_flops() // 2  # it counts 2 per MAC

    def correct(self, macs: int) -> None:
        self._correction += macs

    def run_node(self, n: fx.Node) -> Any:
        before = self.executed_macs() + self._correction
        self._operators.begin()
        result = super().run_node(n)
        tensors = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if tensors and n.op not in ("get_attr", "output"):
            macs = self.executed_macs() + self._correction - before
            self.values[n.name] = self._value(n, result, tensors, macs)
        return result

    def _value(self, n: fx.Node, result: Any, tensors: list[Tensor], macs: int) -> Value:
        inputs = tuple(source.name for source in n.all_input_nodes if source.name in self.values)
        memory = {_memory(tensor) for tensor in tensors}
        view_of = next((s for s in inputs if memory <= self._memory_of(n, s)), "")
        size = sum(map(_float_bytes, tensors))
        parameter_bytes, state = self._state(n)
        moved = size + parameter_bytes + sum(self.values[source].size_bytes for source in inputs)
        crosses = n.name in self._can_cross
        shape = tuple(result.shape[crosses:]) if isinstance(result, Tensor) else ()
        has_own = n.op != "placeholder" and not view_of
        value = Value(
            n.name,
            self._paths.get(n.name, n.name),
            inputs,
            shape,
            crosses,
            macs,
            size,
            moved if has_own else 0,
            view_of,
            state,
            self._indices(n),
            has_own and self._operators.holds(),
        )
        module: nn.Module | None = self.fetch_attr(str(n.target)) if n.op == "call_module" else None
        called = function_name(n.target) if module is None else type(module).__name__
        execution = execution_of(module, called, value, moved - size - parameter_bytes)
        return replace(value, execution=execution, fusible=is_activation(called))

    def _memory_of(self, n: fx.Node, source: str) -> set[int]:
        node = next(node for node in n.all_input_nodes if node.name == source)
        return {_memory(leaf) for leaf in tree_leaves(self.env[node]) if isinstance(leaf, Tensor)}

    def _state(self, n: fx.Node) -> tuple[int, tuple[str, ...]]:
        """Bytes of the parameters read by a node, and its parameters and buffers by name.

        Tables that are made anew at loading (positions, rotations: buffers that are not persistent) take
        memory like others. Integers do not count: an index belongs to how a layer executes here.
        """
        read = {s.target: self.fetch_attr(str(s.target)) for s in n.all_input_nodes if s.op == "get_attr"}
        if n.op == "call_module":
            layer: nn.Module = self.fetch_attr(str(n.target))
            held = chain(layer.named_parameters(), layer.named_buffers())
            read |= {f"{n.target}.{name}": tensor for name, tensor in held}
        unique = {
            self._state_names.setdefault(tensor.data_ptr(), str(name)): tensor
            for name, tensor in read.items()
            if isinstance(tensor, Tensor) and not _is_integer(tensor) and tensor.numel()
        }
        self.state_bytes |= {name: t.numel() * t.element_size() for name, t in unique.items()}
        parameters = [t for t in unique.values() if isinstance(t, nn.Parameter)]
        return sum(map(_float_bytes, parameters)), tuple(unique)

    def _indices(self, n: fx.Node) -> tuple[tuple[str, int], ...]:
        """What sparse layers store beside their weights, by name of these; tied weights have one table."""
        layers = self.fetch_attr(str(n.target)).modules() if n.op == "call_module" else ()
        held = [layer for layer in layers if isinstance(layer, SparseLayer) and layer.index_bytes]
        return tuple((self._state_names[getattr(own, own.kept).data_ptr()], own.index_bytes) for own in held)


@contextmanager
def _stated_macs(module: nn.Module, recorder: _Recorder) -> Iterator[None]:
    """While this lasts, a sparse layer counts what it states, wherever it is called, not what it executes."""
    before: dict[nn.Module, int] = {}

    def enter(layer: nn.Module, _: Any) -> None:
        before[layer] = recorder.executed_macs()

    def leave(layer: SparseLayer, _: Any, result: Tensor) -> None:
        recorder.correct(layer.macs(result.shape) - (recorder.executed_macs() - before[layer]))

    handles: list[torch.utils.hooks.RemovableHandle] = []
    for layer in module.modules():
        if isinstance(layer, SparseLayer):
            handles += [layer.register_forward_pre_hook(enter), layer.register_forward_hook(leave)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Shapes(fx.Interpreter):
    """Shape of every floating-point tensor with more than the batch axis."""

    def __init__(self, graph_module: fx.GraphModule) -> None:
        super().__init__(graph_module)
        self.shapes: dict[str, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor) and result.is_floating_point() and result.dim() > 1:
            self.shapes[n.name] = tuple(result.shape)
        return result


def _tensors_by_batch(graph_module: fx.GraphModule, sample: Tensor) -> set[str]:
    """Tensors whose first axis is the batch: the only one that grows with it."""
    one, two = _Shapes(graph_module), _Shapes(graph_module)
    one.run(sample)
    two.run(batch_of(sample, 2))
    return {
        name
        for name, shape in two.shapes.items()
        if shape[0] == 2 and one.shapes[name][0] == 1 and one.shapes[name][1:] == shape[1:]
    }


def function_name(target: Any) -> str:
    """What a node of a graph calls: a function, an operator, or a method or module by name.

    Example:
        >>> function_name(torch.relu), function_name(torch.ops.aten.add.Tensor), function_name("flatten")
        ('relu', 'add', 'flatten')
    """
    if isinstance(target, torch._ops.OpOverload):
        return str(target.overloadpacket.__name__)
    return target if isinstance(target, str) else str(getattr(target, "__name__", target))


def batch_of(sample: Tensor, samples: int) -> Tensor:
    """``sample``, a batch of one, repeated.

    Example:
        >>> batch_of(torch.zeros(1, 3, 8, 8), 2).shape
        torch.Size([2, 3, 8, 8])
    """
    return sample.repeat(samples, *[1] * (sample.dim() - 1))


def _float_bytes(tensor: Tensor) -> int:
    """As float32, a complex number as two."""
    return FLOAT_BYTES * tensor.numel() * (2 if tensor.is_complex() else 1)


def _is_integer(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() and not tensor.is_complex()


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


@contextmanager
def _countable_operators() -> Iterator[None]:
    """No operator that hides its products: torch's fast attention layers, oneDNN's recurrent layers."""
    fast_path, onednn = torch.backends.mha.get_fastpath_enabled(), torch._C._get_mkldnn_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        torch._C._set_mkldnn_enabled(onednn)


def record_values(
    graph_module: fx.GraphModule, sample: Tensor, paths: Mapping[str, str]
) -> tuple[dict[str, Value], dict[str, int]]:
    """Run ``sample`` (batch of one) through a traced module and describe every value in it.

    Args:
        graph_module: One node per value.
        sample: Batch of one.
        paths: What a person calls each node.

    Returns:
        The values by name in execution order, and bytes per parameter and buffer that they read.

    Example:
        >>> graph_module = fx.symbolic_trace(nn.Sequential(nn.Linear(4, 3), nn.ReLU()))
        >>> values, state_bytes = record_values(graph_module, torch.zeros(1, 4), {"_0": "fc"})
        >>> [(value.path, value.macs, value.moved_bytes) for value in values.values()], state_bytes
        ([('input_1', 0, 0), ('fc', 12, 88), ('_1', 0, 24)], {'0.weight': 48, '0.bias': 12})
    """
    with evaluating(graph_module), _countable_operators():
        recorder = _Recorder(graph_module, paths, _tensors_by_batch(graph_module, sample))
        recorder.record(sample)
    return with_foldable_norms(graph_module, recorder.values), recorder.state_bytes
