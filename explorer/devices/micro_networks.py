"""Small networks that are timed to calibrate a device: operators alone and in chains, as bundles hold them.

Each is written as the exporter writes such layers (the tests compare), so ONNX Runtime treats them alike.
"""

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.devices.operators import Operator

OPSET, _IR_VERSION = 20, 10
_FLOAT = 4


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
        >>> networks = micro_networks()
        >>> networks[0].name, networks[0].operators[0].kind
        ('1x28x28 conv 8 k3 s1 g1 r0', 'conv')
    """

    name: str
    operators: tuple[Operator, ...]
    shape: tuple[int, ...] = ()
    model: bytes = b""
    codec: tuple[int, int] | None = None


@dataclass
class _Chain:
    """A network in the making: operators one after another."""

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
    ) -> "_Chain":
        moved = _FLOAT * (prod(self.shape) + prod(shape) + weights)
        self.operators.append(Operator(macs, moved, kind, groups, 0, added_bytes))
        self.shape = shape
        return self

    def conv(self, outputs: int, taps: int, stride: int = 1, groups: int = 1, reads: int = 0) -> "_Chain":
        """With ReLU; ``reads`` input groups are gathered for each group where it is not 0."""
        inputs, height, width = self.shape
        fan_in, added = max(reads, 1) * inputs // groups, 0
        if reads:
            places = np.arange(inputs).reshape(-1, groups).T[np.arange(groups * reads) % groups]
            self._add("Gather", self._constant(places.reshape(-1).astype(np.int64)), axis=1)
            added = 2 * reads * _FLOAT * prod(self.shape)
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

    def linear(self, outputs: int, relu: bool = True) -> "_Chain":
        """Flattens first."""
        inputs = prod(self.shape)
        if len(self.shape) > 1:
            self._reshape(1, inputs)
        self._add("Gemm", self._weight(outputs, inputs), self._weight(outputs), transB=1)
        if relu:
            self._add("Relu")
        self.name += f" linear {outputs}"
        return self._done("linear", (outputs,), inputs * outputs, (inputs + 1) * outputs)

    def block_linear(self, outputs: int, groups: int, reads: int = 1, interleaved: bool = True) -> "_Chain":
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
            added = 2 * reads * _FLOAT * prod(self.shape)
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

    def matmul(self, outputs: int) -> "_Chain":
        """Linear layer of every token."""
        tokens, inputs = self.shape
        self._add("MatMul", self._weight(inputs, outputs))
        self._add("Add", self._weight(outputs))
        self.name += f" matmul {outputs}"
        return self._done("matmul", (tokens, outputs), tokens * inputs * outputs, (inputs + 1) * outputs)

    def pool(self, size: int, kind: str = "MaxPool") -> "_Chain":
        """Windows beside each other."""
        channels, height, width = self.shape
        self._add(kind, kernel_shape=[size, size], strides=[size, size])
        self.name += f" pool {size}"
        return self._done("pool", (channels, height // size, width // size), 0, 0)

    def relu(self) -> "_Chain":
        """Of its own: behind no layer."""
        self._add("Relu")
        self.name += " relu"
        return self._done("elementwise", self.shape, 0, 0)

    def add(self) -> "_Chain":
        """The value to the input of the network, which must have its shape."""
        self._add("Add", "input")
        self.name += " add"
        size = prod(self.shape)
        return self._done("elementwise", self.shape, 0, size)

    def gelu(self) -> "_Chain":
        """Of its own."""
        self._add("Gelu")
        self.name += " gelu"
        return self._done("elementwise", self.shape, 0, 0)

    def norm(self) -> "_Chain":
        """Over the last axis."""
        weights = (self._weight(self.shape[-1]), self._weight(self.shape[-1]))
        self._add("LayerNormalization", *weights, axis=-1)
        self.name += " norm"
        return self._done("norm", self.shape, 0, 2 * self.shape[-1])

    def confidence(self) -> "_Chain":
        """Softmax and its maximum, as exits end."""
        self._add("Softmax", axis=-1)
        self._add("ReduceMax", self._constant(np.array([-1], np.int64)), keepdims=1)
        self.name += " confidence"
        return self._done("softmax", self.shape, 0, prod(self.shape))

    def transpose(self) -> "_Chain":
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
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)
        return MicroNetwork(self.name, tuple(self.operators), self.first, model.SerializeToString())


def micro_networks() -> list[MicroNetwork]:
    """Networks of every kind of operator, from small to as large as edge devices run; about a hundred.

    Example:
        >>> [network.name for network in micro_networks()[:2]]
        ['1x28x28 conv 8 k3 s1 g1 r0', '3x32x32 conv 16 k3 s1 g1 r0']
    """
    return [
        *(chain.finished() for chain in (*_convolutions(), *_products(), *_others(), *_mixed())),
        *_codecs(),
    ]


def _convolutions() -> list[_Chain]:
    dense = [(1, 28, 8, 3), (3, 32, 16, 3), (8, 16, 16, 3), (16, 8, 32, 3), (16, 16, 16, 3), (32, 8, 64, 3)]
    dense += [(32, 16, 32, 3), (64, 8, 64, 3), (1, 28, 6, 5), (16, 8, 16, 3), (1, 8, 16, 3), (64, 4, 128, 3)]
    dense += [
        (16, 16, 32, 1),
        (32, 8, 64, 1),
        (64, 8, 64, 1),
        (64, 16, 128, 1),
        (8, 28, 16, 1),
        (16, 4, 16, 1),
    ]
    chains = [_Chain((i, e, e)).conv(o, k) for i, e, o, k in dense]
    chains += [_Chain((c, e, e)).conv(c, 3, groups=c) for c, e in ((16, 16), (32, 8), (64, 8), (64, 16))]
    for inputs, extent, outputs, groups in (
        *((16, 8, 32, 4), (32, 16, 32, 8), (64, 8, 64, 16), (32, 8, 64, 2), (64, 8, 64, 4), (16, 8, 32, 16)),
        *((16, 16, 16, 8), (64, 4, 64, 32)),
    ):
        chains += [_Chain((inputs, extent, extent)).conv(outputs, 3, groups=groups, reads=r) for r in (0, 1)]
    wide = ((16, 8, 32, 8, 3), (32, 16, 32, 8, 3), (64, 8, 64, 16, 5), (64, 4, 64, 4, 3))
    return chains + [_Chain((i, e, e)).conv(o, 3, groups=g, reads=r) for i, e, o, g, r in wide]


def _products() -> list[_Chain]:
    dense = ((64, 10), (64, 32), (256, 64), (784, 128), (800, 800), (128, 128), (1024, 256), (32, 10))
    chains = [_Chain((i,)).linear(o) for i, o in dense]
    blocks = [(64, 32, 4, 1), (64, 32, 16, 1), (256, 64, 8, 1), (784, 112, 16, 1), (800, 800, 16, 1)]
    blocks += [(128, 128, 2, 1), (800, 800, 4, 1), (64, 64, 8, 3), (800, 800, 16, 5), (256, 64, 8, 3)]
    blocks += [(128, 64, 16, 3), (784, 112, 8, 3)]
    chains += [_Chain((i,)).block_linear(o, g, r) for i, o, g, r in blocks]
    chains += [
        _Chain((t, i)).matmul(o) for t, i, o in ((16, 32, 32), (16, 64, 128), (64, 32, 64), (4, 32, 64))
    ]
    return chains + [
        _Chain((t, i)).block_linear(o, g)
        for t, i, o, g in ((16, 32, 32, 4), (16, 64, 128, 8), (64, 32, 64, 2))
    ]


def _others() -> list[_Chain]:
    chains = [_Chain((c, e, e)).pool(s) for c, e, s in ((16, 16, 2), (32, 8, 2), (8, 28, 2), (64, 16, 2))]
    chains += [_Chain((c, e, e)).pool(e, "AveragePool") for c, e in ((64, 4), (32, 8))]
    shapes = ((32,), (16, 16, 16), (64, 16, 16), (64, 8, 8))
    chains += [_Chain(shape).relu() for shape in shapes] + [_Chain(shape).add() for shape in shapes]
    chains += [_Chain(shape).relu().add().relu() for shape in shapes[:2]]
    chains += [_Chain(s).gelu() for s in ((16, 64), (64, 128))] + [
        _Chain(s).norm() for s in ((16, 32), (64, 64))
    ]
    chains += [_Chain(shape).confidence() for shape in ((10,), (100,), (16, 16))]
    return chains + [_Chain(shape).transpose() for shape in ((16, 32), (16, 16, 16), (64, 64))]


def _mixed() -> list[_Chain]:
    """Chains, in which what two operators share is not counted twice."""
    chains = [
        _Chain((64,)).linear(32).linear(16).linear(10),
        _Chain((64,)).linear(128).linear(64).linear(10).confidence(),
        _Chain((784,)).linear(100).linear(100).linear(10),
        _Chain((784,)).block_linear(112, 16).block_linear(112, 8).linear(10),
        _Chain((64,)).block_linear(32, 8).block_linear(32, 4).linear(10),
        _Chain((64,)).block_linear(64, 16, 3).block_linear(64, 8, 3).linear(10),
        _Chain((1, 8, 8)).conv(16, 3).pool(2).conv(32, 3).pool(2).linear(10),
        _Chain((1, 8, 8)).conv(16, 3).pool(2).conv(32, 3, groups=8).pool(2).linear(10),
        _Chain((1, 28, 28)).conv(8, 3).pool(2).conv(16, 3).pool(2).linear(32).linear(10),
        _Chain((3, 32, 32)).conv(16, 3).conv(16, 3).conv(32, 3, stride=2).conv(32, 3).pool(16).linear(10),
        _Chain((16, 16, 16)).conv(16, 3).conv(16, 3).add().relu(),
        _Chain((16, 16, 16)).conv(16, 3, groups=4, reads=1).conv(16, 3, groups=4, reads=1).add().relu(),
        _Chain((64, 8, 8)).conv(64, 3, groups=64).conv(64, 1).conv(64, 3, groups=64).conv(64, 1),
        _Chain((16, 32)).norm().matmul(64).gelu().matmul(32).add(),
    ]
    return chains


def _codecs() -> list[MicroNetwork]:
    """Encoder and decoder; MACs and bytes as :mod:`explorer.costs.model` counts them."""
    found = []
    for elements in (16, 256, 4096):
        for bits in (4, 8, 32):
            moved = _FLOAT * elements + elements * bits // 8
            for name in ("encode", "decode"):
                coded = bits < 32
                own = Operator(elements * coded, moved, name if coded else f"{name}_floats")
                found.append(
                    MicroNetwork(f"{name} {elements} at {bits} bits", (own,), codec=(elements, bits))
                )
    return found
