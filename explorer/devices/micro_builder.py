"""Builds a small network operator by operator, as ONNX and as the operators that its time is modelled by.

Each operator is written as the exporter writes such layers (the tests compare), so ONNX Runtime treats both
alike.
"""

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.devices.operators import Operator

FLOAT_BYTES = 4
_OPSET, _IR_VERSION = 20, 10


@dataclass(frozen=True, eq=False)
class MicroNetwork:
    """A network and what it is made of.

    Attributes:
        name: Says what it holds.
        operators: As :class:`explorer.costs.split_costs.SplitCosts` would list them.
        shape: Of its input, without batch; empty for a codec.
        model: ONNX; empty for a codec.
        codec: For the encoder or decoder: elements and bits; else None.

    Example:
        >>> network = Builder((1, 28, 28)).conv(8, taps=3).finished()
        >>> network.name, network.operators[0].kind
        ('1x28x28 conv 8 k3 s1 g1 r0', 'conv')
    """

    name: str
    operators: tuple[Operator, ...]
    shape: tuple[int, ...] = ()
    model: bytes = b""
    codec: tuple[int, int] | None = None


@dataclass
class Builder:
    """A network in the making: each method adds one operator behind the last, and returns the builder.

    Attributes:
        shape: Of the last value, without batch; at first of the input.
        name: Says what it holds so far.
        nodes, constants: Of the ONNX graph.
        operators: As of :class:`MicroNetwork`.
        random: Draws the weights.

    Example:
        >>> built = Builder((64,)).linear(32).linear(10, relu=False)
        >>> built.name, built.shape, [own.macs for own in built.operators]
        ('64 linear 32 linear 10', (10,), [2048, 320])
    """

    shape: tuple[int, ...]
    name: str = ""
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def __post_init__(self) -> None:
        self.first, self.value, self.name = self.shape, "input", self.name or "x".join(map(str, self.shape))

    def _add(self, kind: str, *constants: str, **attributes: Any) -> None:
        from onnx import helper

        own = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.value, *constants], [own], **attributes))
        self.value = own

    def _constant(self, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def _weight(self, *shape: int) -> str:
        scale = 1 / np.sqrt(prod(shape[1:]) or 1)
        return self._constant((scale * self.random.standard_normal(shape)).astype(np.float32))

    def _reshape(self, *shape: int) -> None:
        self._add("Reshape", self._constant(np.array(shape, np.int64)))

    def _done(
        self,
        kind: str,
        shape: tuple[int, ...],
        macs: int,
        weights: int,
        groups: int = 1,
        added_bytes: int = 0,
    ) -> "Builder":
        moved = FLOAT_BYTES * (prod(self.shape) + prod(shape) + weights)
        self.operators.append(Operator(macs, moved, kind, groups, 0, added_bytes))
        self.shape = shape
        return self

    def conv(self, outputs: int, taps: int, stride: int = 1, groups: int = 1, reads: int = 0) -> "Builder":
        """With ReLU; ``reads`` input groups are gathered for each group where it is not 0."""
        inputs, height, width = self.shape
        fan_in, added = max(reads, 1) * inputs // groups, 0
        if reads:
            places = np.arange(inputs).reshape(-1, groups).T[np.arange(groups * reads) % groups]
            self._add("Gather", self._constant(places.reshape(-1).astype(np.int64)), axis=1)
            added = 2 * reads * FLOAT_BYTES * prod(self.shape)
        weights = (self._weight(outputs, fan_in, taps, taps), self._weight(outputs))
        pads = [taps // 2] * 4
        self._add("Conv", *weights, group=groups, strides=[stride, stride], pads=pads)
        self._add("Relu")
        shape = (outputs, -(-height // stride), -(-width // stride))
        num_weights = outputs * fan_in * taps**2
        kind = "conv" if taps > 1 else "pointwise_conv"
        if groups > 1:
            depthwise = groups == inputs == outputs
            kind = "gathered_conv" if reads else "depthwise_conv" if depthwise else "grouped_conv"
        self.name += f" {kind} {outputs} k{taps} s{stride} g{groups} r{reads}"
        return self._done(kind, shape, num_weights * prod(shape[1:]), num_weights + outputs, groups, added)

    def linear(self, outputs: int, relu: bool = True) -> "Builder":
        """Flattens first."""
        inputs = prod(self.shape)
        if len(self.shape) > 1:
            self._reshape(1, inputs)
        self._add("Gemm", self._weight(outputs, inputs), self._weight(outputs), transB=1)
        if relu:
            self._add("Relu")
        self.name += f" linear {outputs}"
        return self._done("linear", (outputs,), inputs * outputs, (inputs + 1) * outputs)

    def block_linear(self, outputs: int, groups: int, reads: int = 1, interleaved: bool = True) -> "Builder":
        """As :class:`explorer.core.sparsity.block.BlockLinear` computes one row, or each token; with ReLU."""
        *tokens, inputs = self.shape
        rows, size = prod(tokens), inputs // groups
        if interleaved:
            self._reshape(rows, size, groups)
            self._add("Transpose", perm=[0, 2, 1])
        else:
            self._reshape(rows, groups, size)
        kind, added = "block_matmul" if tokens else "block_linear", 0
        if reads > 1:
            sources = (np.arange(groups)[:, None] + np.arange(reads)) % groups
            self._add("Gather", self._constant(sources.reshape(-1).astype(np.int64)), axis=1)
            self._reshape(rows, groups, reads * size)
            kind = kind if tokens else "gathered_linear"
            added = 2 * reads * FLOAT_BYTES * prod(self.shape)
        self._add("Transpose", perm=[1, 0, 2])
        self._add("MatMul", self._weight(groups, reads * size, outputs // groups))
        self._add("Add", self._weight(groups, 1, outputs // groups))
        self._add("Transpose", perm=[1, 0, 2])
        self._reshape(1, *tokens, outputs)
        if not tokens:
            self._add("Relu")
        weights = reads * size * outputs
        self.name += f" {kind} {outputs} g{groups} r{reads}"
        shape = (*tokens, outputs)
        return self._done(kind, shape, rows * weights, weights + outputs, groups, added)

    def matmul(self, outputs: int) -> "Builder":
        """Linear layer of every token."""
        tokens, inputs = self.shape
        self._add("MatMul", self._weight(inputs, outputs))
        self._add("Add", self._weight(outputs))
        self.name += f" matmul {outputs}"
        return self._done("matmul", (tokens, outputs), tokens * inputs * outputs, (inputs + 1) * outputs)

    def pool(self, size: int, kind: str = "MaxPool") -> "Builder":
        """Windows beside each other."""
        channels, height, width = self.shape
        self._add(kind, kernel_shape=[size, size], strides=[size, size])
        self.name += f" pool {size}"
        return self._done("pool", (channels, height // size, width // size), 0, 0)

    def relu(self) -> "Builder":
        """Of its own: behind no layer."""
        self._add("Relu")
        self.name += " relu"
        return self._done("elementwise", self.shape, 0, 0)

    def add(self) -> "Builder":
        """The value to the input of the network, which must have its shape."""
        self._add("Add", "input")
        self.name += " add"
        size = prod(self.shape)
        return self._done("elementwise", self.shape, 0, size)

    def gelu(self) -> "Builder":
        """Of its own."""
        self._add("Gelu")
        self.name += " gelu"
        return self._done("elementwise", self.shape, 0, 0)

    def norm(self) -> "Builder":
        """Over the last axis."""
        weights = (self._weight(self.shape[-1]), self._weight(self.shape[-1]))
        self._add("LayerNormalization", *weights, axis=-1)
        self.name += " norm"
        return self._done("norm", self.shape, 0, 2 * self.shape[-1])

    def confidence(self) -> "Builder":
        """Softmax and its maximum, as exits end."""
        self._add("Softmax", axis=-1)
        self._add("ReduceMax", self._constant(np.array([-1], np.int64)), keepdims=1)
        self.name += " confidence"
        return self._done("softmax", self.shape, 0, prod(self.shape))

    def transpose(self) -> "Builder":
        """The last two axes."""
        axes = [*range(len(self.shape) - 1), len(self.shape), len(self.shape) - 1]
        self._add("Transpose", perm=axes)
        self.name += " transpose"
        return self._done("move", (*self.shape[:-2], self.shape[-1], self.shape[-2]), 0, 0)

    def finished(self) -> MicroNetwork:
        """As a file of a bundle would be."""
        from onnx import TensorProto, helper

        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (("input", [1, *self.first]), (self.value, [None] * (1 + len(self.shape))))
        ]
        graph = helper.make_graph(self.nodes, "micro", ends[:1], ends[1:], self.constants)
        opset = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)
        return MicroNetwork(self.name, tuple(self.operators), self.first, model.SerializeToString())
