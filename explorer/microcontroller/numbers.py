"""How numbers and constants of one kind, float32 or int8, stand in C."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.microcontroller.forms import Clamp, Floats
from explorer.microcontroller.program import Add, Map, Normalise, Pool, Program, Weighted

Array = NDArray[Any]
_C_TYPES = {
    "f4": "float",
    "f8": "double",
    "u1": "uint8_t",
    "u2": "uint16_t",
    "u4": "uint32_t",
    "i1": "int8_t",
    "i2": "int16_t",
}


@dataclass
class Constants:
    """The arrays of ``weights.h``, in the order in which they were named.

    Attributes:
        arrays: By name.

    Example:
        >>> constants = Constants()
        >>> constants.add("bias_1", np.array([0.5], np.float32)), constants.bytes
        ('bias_1', 4)
    """

    arrays: dict[str, Array] = field(default_factory=dict)

    def add(self, name: str, values: Array) -> str:
        """Take up an array; returns its name."""
        self.arrays[name] = values
        return name

    @property
    def bytes(self) -> int:
        """Of all, each up to a multiple of 4."""
        return sum(-(-own.nbytes // 4) * 4 for own in self.arrays.values())

    def text(self) -> str:
        """Definitions in C."""
        return "\n\n".join(map(_definition, self.arrays, self.arrays.values()))


def _definition(name: str, values: Array) -> str:
    kind = _C_TYPES[values.dtype.str[1:]]
    number = {"f4": literal, "f8": repr, "u4": "0x{:08x}u".format}.get(values.dtype.str[1:], str)
    texts = [number(value) for value in values.ravel().tolist()]
    lines, line = list[str](), ""
    for text in texts:
        if len(line) + len(text) > 108:
            lines.append(line.rstrip())
            line = ""
        line += f"{text}, "
    lines.append(line.rstrip(", "))
    rows = "\n    ".join(lines)
    return f"static const {kind} {name}[{len(texts)}] = {{\n    {rows}}};"


def literal(value: float) -> str:
    """A float32 in C, exactly.

    Example:
        >>> literal(1.0), literal(float(np.float32(0.1)))
        ('1.0f', '0.1f')
    """
    text = str(np.float32(value))
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


class Numbers:
    """What differs between a float32 and an int8 program.

    Attributes:
        program: Whose numbers they are.
        source: Name of the C file with its own functions.
        value_bytes: Of a value of a tensor.

    Example:
        >>> issubclass(FloatNumbers, Numbers)
        True
    """

    source: str
    value_bytes: int
    program: Program

    def size(self, tensor: str) -> int:
        """Bytes of a tensor."""
        return self.program.shapes[tensor].size * self.value_bytes

    @abstractmethod
    def patch(self, values: int) -> int:
        """Values of a patch with what is read beyond its end."""

    @abstractmethod
    def zero(self, tensor: str) -> str:
        """What a value of zero is in a tensor."""

    @abstractmethod
    def finish(self, op: Weighted, place: int, constants: Constants) -> str:
        """Initialiser of ``finish_t``."""

    @abstractmethod
    def kind(self, op: Weighted) -> str:
        """How outputs are written: a name in C, or nothing where there is one way only."""

    @abstractmethod
    def dense_weight(self, op: Weighted) -> Array:
        """The layer's weights (O, I, Y, X)."""

    @abstractmethod
    def packed(self, rows: Array) -> Array:
        """Rows of weights (..., rows, length) as the dot products read them: interleaved, (..., packed)."""

    @abstractmethod
    def normalise(self, op: Normalise, place: int, constants: Constants) -> tuple[str, ...]:
        """The last three arguments of ``normalise``."""

    @abstractmethod
    def average(self, op: Pool) -> str:
        """The last argument of ``average_pool``."""

    @abstractmethod
    def add(self, op: Add, place: int) -> tuple[str, str]:
        """Initialiser of a table, if one is needed, and the last arguments of ``add``."""

    @abstractmethod
    def map(self, op: Map, place: int, constants: Constants) -> tuple[str, str]:
        """The function of an activation, and its last arguments with a comma before them."""


class FloatNumbers(Numbers):
    """Float32 throughout.

    Example:
        >>> start = Normalise("input", (), "input", np.zeros(1), np.ones(1), "float32")
        >>> from explorer.microcontroller.forms import Shape
        >>> FloatNumbers(Program((start,), {"input": Shape(1, 1, 3)}, "input", None)).size("input")
        12
    """

    source, value_bytes = "float.c", 4

    def __init__(self, program: Program) -> None:
        self.program = program

    def patch(self, values: int) -> int:
        """As many as there are."""
        return values

    def zero(self, tensor: str) -> str:
        """Zero."""
        return "0.0f"

    def finish(self, op: Weighted, place: int, constants: Constants) -> str:
        """Bias and activation."""
        bias = constants.add(f"bias_{place}", op.bias_O)
        return f"{{{bias}, {_limits(op.clamp)}}}"

    def kind(self, op: Weighted) -> str:
        """There is one way."""
        return ""

    def dense_weight(self, op: Weighted) -> Floats:
        """As they are."""
        return op.weight_OIYX

    def packed(self, rows: Array) -> Array:
        """Element by element."""
        return rows.swapaxes(-1, -2).reshape(*rows.shape[:-2], rows.shape[-2] * rows.shape[-1])

    def normalise(self, op: Normalise, place: int, constants: Constants) -> tuple[str, ...]:
        """Mean and deviation."""
        return shared(constants, {f"mean_{place}": op.mean, f"std_{place}": op.std})

    def average(self, op: Pool) -> str:
        """One over the number of values."""
        return literal(1 / op.window.taps)

    def add(self, op: Add, place: int) -> tuple[str, str]:
        """The activation."""
        return "", _limits(op.clamp)

    def map(self, op: Map, place: int, constants: Constants) -> tuple[str, str]:
        """A function of its own."""
        return op.function, f", {_limits(op.clamp)}" if op.function == "clamp" else ""


def shared(constants: Constants, arrays: Mapping[str, Array]) -> tuple[str, ...]:
    """Take up arrays with a number for each channel, or one where all have the same.

    Returns:
        Their names, and whether there is one for each channel.

    Example:
        >>> constants = Constants()
        >>> shared(constants, {"mean": np.zeros(3), "std": np.ones(3)}), constants.arrays["mean"].shape
        (('mean', 'std', '0'), (1,))
    """
    same = all((values == values[0]).all() for values in arrays.values())
    names = [constants.add(name, values[:1] if same else values) for name, values in arrays.items()]
    return (*names, str(int(not same)))


def _limits(clamp: Clamp) -> str:
    return f"{literal(clamp.low)}, {literal(clamp.high)}"
