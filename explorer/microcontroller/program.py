"""An edge part as a list of operations on tensors, between PyTorch and C.

Tensors hold one sample, pixel by pixel with the channels of a pixel side by side; a vector is one pixel, a
window of a 1-D network one row of them. Shape suffixes: O/I output/input channels, Y/X taps of a kernel.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from explorer.microcontroller.forms import Blocks, Clamp, Floats, Form, Shape, Window

INPUT = "input"


@dataclass(frozen=True, eq=False)
class Op:
    """What all operations have.

    Attributes:
        name: Where it comes from: a module's path, or a node's name.
        inputs: Tensors that it reads.
        output: The one that it writes.

    Example:
        >>> Op("relu1", ("conv1",), "relu1").output
        'relu1'
    """

    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, eq=False)
class Normalise(Op):
    """Raw samples, channel by channel, to ``(x - mean) / std``; the first operation.

    Attributes:
        mean, std: One per channel, float64 where that is needed to keep digits.
        raw: Type of raw values.

    Example:
        >>> Normalise("input", (), "input", np.zeros(1), np.ones(1), "uint8").raw
        'uint8'
    """

    mean: NDArray[np.floating]
    std: NDArray[np.floating]
    raw: Literal["uint8", "float32"]


@dataclass(frozen=True, eq=False)
class Weighted(Op):
    """A Linear layer or a convolution, batch normalisation folded, activation fused.

    Attributes:
        weight_OIYX: Zero where nothing is kept; (channels, 1, Y, X) where it is depthwise.
        bias_O: One per output.
        window: Where the kernel lies; a Linear layer has one tap.
        form: Which weights are kept.
        clamp: The activation.
        shuffle: Output u is written to place ``(u % shuffle) * (outputs / shuffle) + u // shuffle``.

    Example:
        >>> weight = np.ones((2, 3, 1, 1), np.float32)
        >>> Weighted("fc", ("input",), "fc", weight, np.zeros(2, np.float32)).outputs
        2
    """

    weight_OIYX: Floats
    bias_O: Floats
    window: Window = field(default_factory=Window)
    form: Form = field(default_factory=Blocks)
    clamp: Clamp = field(default_factory=Clamp)
    shuffle: int = 1

    @property
    def outputs(self) -> int:
        """Output channels."""
        return len(self.bias_O)

    @property
    def places(self) -> NDArray[np.int64]:
        """Where each output is written, (outputs,)."""
        units = np.arange(self.outputs)
        return (units % self.shuffle) * (self.outputs // self.shuffle) + units // self.shuffle


@dataclass(frozen=True, eq=False)
class Pool(Op):
    """The largest or the mean value under a window, for each channel.

    Example:
        >>> Pool("pool", ("x",), "pool", "max", Window((2, 2), (2, 2))).kind
        'max'
    """

    kind: Literal["max", "average"]
    window: Window


@dataclass(frozen=True, eq=False)
class Add(Op):
    """The sum of two tensors, activation fused.

    Example:
        >>> Add("add", ("x", "y"), "add").clamp.nothing
        True
    """

    clamp: Clamp = field(default_factory=Clamp)


@dataclass(frozen=True, eq=False)
class Concat(Op):
    """Channels side by side.

    Example:
        >>> Concat("cat", ("x", "y"), "cat").inputs
        ('x', 'y')
    """


@dataclass(frozen=True, eq=False)
class Thin(Op):
    """Every so many pixels, with channels of zero before and behind.

    Example:
        >>> Thin("pad", ("x",), "pad", stride=(2, 2), before=0).stride
        (2, 2)
    """

    stride: tuple[int, int] = (1, 1)
    before: int = 0


@dataclass(frozen=True, eq=False)
class Map(Op):
    """An activation that stands alone.

    Attributes:
        function: Which one.
        clamp: What ``clamp`` cuts off.

    Example:
        >>> Map("act", ("x",), "act", "sigmoid").function
        'sigmoid'
    """

    function: Literal["clamp", "hard_swish", "sigmoid"]
    clamp: Clamp = field(default_factory=Clamp)


@dataclass(frozen=True, eq=False)
class Transpose(Op):
    """Each of so many tables of rows and columns to its columns and rows: another order of the same values.

    Flattening is one table of pixels and channels; interleaving one table for each pixel.

    Example:
        >>> Transpose("flatten", ("x",), "flatten", tables=1, rows=16, columns=8).trivial
        False
    """

    tables: int
    rows: int
    columns: int

    @property
    def trivial(self) -> bool:
        """Whether the order stays."""
        return self.rows == 1 or self.columns == 1


@dataclass(frozen=True, eq=False)
class Program:
    """An edge part.

    Attributes:
        ops: In the order in which they run; the first normalises the input.
        shapes: Of all tensors by name.
        crossing: Tensor that is sent.
        logits: Of the exit; the crossing tensor itself where the edge computes all; None where there
            are none.

    Example:
        >>> start = Normalise("input", (), "input", np.zeros(1), np.ones(1), "float32")
        >>> Program((start,), {"input": Shape(1, 1, 4)}, "input", None).outputs
        ('input',)
    """

    ops: tuple[Op, ...]
    shapes: Mapping[str, Shape]
    crossing: str
    logits: str | None

    @property
    def sends(self) -> bool:
        """Whether anything is ever sent."""
        return self.crossing != self.logits

    @property
    def outputs(self) -> tuple[str, ...]:
        """Tensors that are needed when all is done."""
        return (self.crossing,) if self.logits is None else (self.crossing, self.logits)

    def readers(self, tensor: str) -> list[Op]:
        """Operations that read a tensor."""
        return [op for op in self.ops if tensor in op.inputs]

    def producer(self, tensor: str) -> Op:
        """The operation that writes a tensor."""
        return next(op for op in self.ops if op.output == tensor)

    def only_reader(self, tensor: str) -> Op | None:
        """What alone reads a tensor, once; None where several do, or it is needed when all is done."""
        readers = self.readers(tensor)
        alone = len(readers) == 1 and readers[0].inputs.count(tensor) == 1 and tensor not in self.outputs
        return readers[0] if alone else None

    def with_ops(self, ops: Sequence[Op]) -> "Program":
        """The same with other operations, less those whose output nobody needs."""
        needed, kept = set(self.outputs), list[Op]()
        for op in reversed(ops):
            if op.output in needed:
                needed |= set(op.inputs)
                kept.append(op)
        return replace(self, ops=tuple(reversed(kept)))

    def weighted(self) -> Iterator[Weighted]:
        """Its layers with weights."""
        return (op for op in self.ops if isinstance(op, Weighted))
