"""What the int8 program computes, in numpy: every integer as the C has it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.microcontroller.forms import Floats, Shape
from explorer.microcontroller.program import Add, Map, Normalise, Pool, Weighted
from explorer.microcontroller.quantise import HIGHEST, LOWEST, Integers
from explorer.microcontroller.reference import moved, products, torch_order, windows

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class IntegerResults:
    """What an int8 edge part makes of samples.

    Attributes:
        codes: Of the crossing tensor, in PyTorch's order, (N, elements).
        crossing: The same as float32, which the payload's codec encodes.
        logits: Of the exit, 32 bits wide, (N, classes); None where there is none.
        logit_step: Real value of one unit of these.

    Example:
        >>> codes = np.zeros((1, 2), np.int64)
        >>> IntegerResults(codes, codes.astype(np.float32), None, 1.0).codes.shape
        (1, 2)
    """

    codes: NDArray[np.int64]
    crossing: Floats
    logits: NDArray[np.int64] | None
    logit_step: float

    @property
    def real_logits(self) -> Floats | None:
        """Logits as float32."""
        return None if self.logits is None else (self.logits * self.logit_step).astype(np.float32)


def integer_results(integers: Integers, raw: Floats) -> IntegerResults:
    """Codes of the crossing tensor and logits of a batch of raw samples, exactly as the C computes them.

    Args:
        integers: Quantised program.
        raw: Samples (N, ...) as they come, with PyTorch's axes.

    Example:
        >>> from explorer.microcontroller.program import Program
        >>> from explorer.microcontroller.quantise import quantised
        >>> start = Normalise("input", (), "input", np.zeros(1), np.ones(1), "float32")
        >>> program = Program((start,), {"input": Shape(1, 1, 1)}, "input", None)
        >>> integers = quantised(program, np.array([[0.0], [255.0]], np.float32))
        >>> integer_results(integers, np.array([[2.5]], np.float32)).codes.tolist()
        [[-126]]
    """
    found, program = run_integers(integers, raw), integers.program
    name = program.crossing
    codes = torch_order(found[name], program.shapes[name])
    crossing = integers.scales[name].floats(codes)
    if program.logits is None:
        return IntegerResults(codes, crossing, None, 1.0)
    logits, step = found[program.logits].reshape(len(raw), -1), integers.wide_step(program.logits)
    if not program.sends:
        crossing = (codes * step).astype(np.float32)
    return IntegerResults(codes, crossing, logits, step)


def run_integers(integers: Integers, raw: Floats) -> dict[str, Array]:
    """Every tensor of the program as integers, (N, height, width, channels).

    Example:
        >>> from explorer.microcontroller.program import Program
        >>> from explorer.microcontroller.quantise import quantised
        >>> start = Normalise("input", (), "input", np.zeros(1), np.ones(1), "float32")
        >>> program = Program((start,), {"input": Shape(1, 1, 1)}, "input", None)
        >>> integers = quantised(program, np.array([[0.0], [255.0]], np.float32))
        >>> run_integers(integers, np.array([[7.0]], np.float32))["input"].ravel().tolist()
        [-121]
    """
    found, program = dict[str, Array](), integers.program
    for op in program.ops:
        inputs = [found[name] for name in op.inputs]
        shape = program.shapes[op.output]
        if isinstance(op, Normalise):
            found[op.output] = _input(integers, raw, shape)
        elif isinstance(op, Weighted):
            found[op.output] = _weighted(integers, op, inputs[0], shape)
        elif isinstance(op, Pool):
            found[op.output] = _pooled(op, inputs[0], shape)
        elif isinstance(op, Add):
            own = integers.sums[op.output]
            total = inputs[0] * own.factor_a + inputs[1] * own.factor_b + own.offset
            found[op.output] = np.clip(total >> own.shift, own.low, own.high)
        elif isinstance(op, Map):
            found[op.output] = integers.tables[op.output][inputs[0] - LOWEST].astype(np.int64)
        else:
            found[op.output] = moved(op, inputs, shape, zero=integers.scales[op.output].zero)
    return found


def _input(integers: Integers, raw: Floats, shape: Shape) -> Array:
    pixels = raw.reshape(len(raw), shape.channels, shape.pixels).transpose(0, 2, 1).astype(np.float32)
    values = pixels * integers.input_factor + integers.input_shift
    return np.asarray(np.rint(values.clip(LOWEST, HIGHEST)).astype(np.int64)).reshape(len(raw), *shape)


def _weighted(integers: Integers, op: Weighted, values: Array, shape: Shape) -> Array:
    """Sums in float64, which holds every integer of 32 bits, since that is fast."""
    own = integers.layers[op.output]
    as_integers = replace(op, weight_OIYX=own.weight_OIYX.astype(np.float32))
    zero = integers.scales[op.inputs[0]].zero
    sums = products(as_integers, values.astype(np.float64), shape, zero).astype(np.int64)
    scaled = (sums * own.factor_O.astype(np.int64) >> 16) + (own.bias_O.astype(np.int64) << own.bias_shift)
    if not own.wide:
        scaled = np.clip((scaled + own.offset) >> own.shift, own.low, own.high)
    return np.take(scaled, np.argsort(op.places), axis=-1)


def _pooled(op: Pool, values: Array, shape: Shape) -> Array:
    if op.kind == "max":
        return np.asarray(windows(values, op.window, shape, zero=LOWEST).max(axis=(3, 4)))
    sums = windows(values, op.window, shape, zero=0).sum(axis=(3, 4))
    return np.asarray((sums * average_factor(op) + 2**15) >> 16)


def average_factor(op: Pool) -> int:
    """One over the number of values, in units of 2^-16.

    Example:
        >>> from explorer.microcontroller.forms import Window
        >>> average_factor(Pool("pool", ("x",), "pool", "average", Window((2, 2))))
        16384
    """
    return round(2**16 / op.window.taps)
