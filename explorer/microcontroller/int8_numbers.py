"""How an int8 program stands in C."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.microcontroller.integer_reference import average_factor
from explorer.microcontroller.numbers import Constants, Numbers, shared
from explorer.microcontroller.program import Add, Map, Normalise, Pool, Weighted
from explorer.microcontroller.quantise import HIGHEST, LOWEST, Integers

LANES = 4  # weights in a word


class Int8Numbers(Numbers):
    """Int8 values, int32 sums.

    Example:
        >>> rows = np.array([[1, 2, 3, 4, 5]], np.int8)
        >>> [hex(word) for word in Int8Numbers.packed(None, rows)]
        ['0x4030201', '0x5']
    """

    source, value_bytes = "int8.c", 1

    def __init__(self, integers: Integers) -> None:
        self.integers, self.program = integers, integers.program

    def size(self, tensor: str) -> int:
        """Logits have 4 bytes for a value."""
        layer = self.integers.layers.get(tensor)
        return self.program.shapes[tensor].size * (4 if layer is not None and layer.wide else 1)

    def patch(self, values: int) -> int:
        """Dot products read whole words."""
        return -(-values // LANES) * LANES + LANES

    def zero(self, tensor: str) -> str:
        """The tensor's zero point."""
        return str(self.integers.scales[tensor].zero)

    def finish(self, op: Weighted, place: int, constants: Constants) -> str:
        """Bias, factor, and what both are shifted by."""
        own = self.integers.layers[op.output]
        bias = constants.add(f"bias_{place}", own.bias_O)
        factor = constants.add(f"factor_{place}", own.factor_O)
        offset, shift = (0, 0) if own.wide else (own.offset, own.shift)
        rest = (offset, 1 << own.bias_shift, shift, self.kind(op), own.low, own.high)
        return f"{{{bias}, {factor}, {', '.join(map(str, rest))}}}"

    def kind(self, op: Weighted) -> str:
        """Of 32 bits, of 8 bits, or cut off or exchanged."""
        own = self.integers.layers[op.output]
        plain = op.shuffle == 1 and (own.low, own.high) == (LOWEST, HIGHEST)
        return "WIDE" if own.wide else "PLAIN" if plain else "CUT"

    def dense_weight(self, op: Weighted) -> NDArray[Any]:
        """Integers."""
        return self.integers.layers[op.output].weight_OIYX

    def packed(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Four weights to a word, the first in its lowest byte; words of the rows by turns."""
        *before, length = rows.shape
        padded = np.zeros((*before, -(-length // LANES) * LANES), np.int8)
        padded[..., :length] = rows
        words = padded.view("<u4").swapaxes(-1, -2)
        return words.reshape(*before[:-1], words.shape[-2] * words.shape[-1])

    def normalise(self, op: Normalise, place: int, constants: Constants) -> tuple[str, ...]:
        """Factor and shift of raw values."""
        integers = self.integers
        return shared(
            constants, {f"factor_{place}": integers.input_factor, f"shift_{place}": integers.input_shift}
        )

    def average(self, op: Pool) -> str:
        """One over the number of values, in units of 2^-16."""
        return str(average_factor(op))

    def add(self, op: Add, place: int) -> tuple[str, str]:
        """Factors of both inputs."""
        own = self.integers.sums[op.output]
        numbers = (own.factor_a, own.factor_b, own.offset, own.shift, own.low, own.high)
        return ", ".join(map(str, numbers)), f"&op_{place}"

    def map(self, op: Map, place: int, constants: Constants) -> tuple[str, str]:
        """A table of all integers."""
        return "table", f", {constants.add(f'table_{place}', self.integers.tables[op.output])}"
