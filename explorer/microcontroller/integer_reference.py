"""What the int8 program computes, in numpy: every integer as the C has it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.microcontroller.forms import Floats, Shape
from explorer.microcontroller.program import Add, Map, Normalise, Op, Pool, Weighted
from explorer.microcontroller.quantise import HIGHEST, LOWEST, Integers
from explorer.microcontroller.reference import moved, products, torch_order, windows
from explorer.microcontroller.sharing import origin

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


def integer_results(integers: Integers, raw: Floats, known: dict[Any, Array] | None = None) -> IntegerResults:
    """Codes of the crossing tensor and logits of a batch of raw samples, exactly as the C computes them.

    Args:
        integers: Quantised program.
        raw: Samples (N, ...) as they come, with PyTorch's axes.
        known: Tensors of the same samples, which other edge parts of the network may share; see
            :func:`run_integers`.

    Example:
        >>> from explorer.microcontroller.program import Program
        >>> from explorer.microcontroller.quantise import quantised
        >>> start = Normalise("input", (), "input", np.zeros(1), np.ones(1), "float32")
        >>> program = Program((start,), {"input": Shape(1, 1, 1)}, "input", None)
        >>> integers = quantised(program, np.array([[0.0], [255.0]], np.float32))
        >>> integer_results(integers, np.array([[2.5]], np.float32)).codes.tolist()
        [[-126]]
    """
    found, program = run_integers(integers, raw, known), integers.program
    name = program.crossing
    codes = torch_order(found[name], program.shapes[name])
    crossing = integers.scales[name].floats(codes)
    if program.logits is None:
        return IntegerResults(codes, crossing, None, 1.0)
    logits, step = found[program.logits].reshape(len(raw), -1), integers.wide_step(program.logits)
    if not program.sends:
        crossing = (codes * step).astype(np.float32)
    return IntegerResults(codes, crossing, logits, step)


def run_integers(integers: Integers, raw: Floats, known: dict[Any, Array] | None = None) -> dict[str, Array]:
    """Every tensor of the program as integers, (N, height, width, channels).

    Args:
        integers: Quantised program.
        raw: Samples (N, ...) as they come, with PyTorch's axes.
        known: Tensors by all that they follow from; what is there is not computed again, what is computed is
            put there. For the programs of one network and the same samples only.

    Example:
        >>> from explorer.microcontroller.program import Program
        >>> from explorer.microcontroller.quantise import quantised
        >>> start = Normalise("input", (), "input", np.zeros(1), np.ones(1), "float32")
        >>> program = Program((start,), {"input": Shape(1, 1, 1)}, "input", None)
        >>> integers = quantised(program, np.array([[0.0], [255.0]], np.float32))
        >>> run_integers(integers, np.array([[7.0]], np.float32))["input"].ravel().tolist()
        [-121]
    """
    known = {} if known is None else known
    found, origins = dict[str, Array](), dict[str, Any]()
    for op in integers.program.ops:
        own = _origin(integers, op, origins)
        if own not in known:
            known[own] = _computed(integers, op, [found[name] for name in op.inputs], raw)
        found[op.output], origins[op.output] = known[own], own
    return found


def _origin(integers: Integers, op: Op, origins: Mapping[str, str]) -> str:
    """A digest of all that a tensor follows from, but for the samples."""
    arrays, about = list[Array](), list[Any]([integers.scales[op.output]])
    if isinstance(op, Normalise):
        arrays = [integers.input_factor, integers.input_shift]
    elif isinstance(op, Weighted):
        own = integers.layers[op.output]
        arrays = [own.weight_OIYX, own.factor_O, own.bias_O]
        about += [own.bias_shift, own.shift, own.offset, own.low, own.high, own.wide]
    shape = integers.program.shapes[op.output]
    return origin(op, shape, [origins[name] for name in op.inputs], arrays, about)


def _computed(integers: Integers, op: Op, inputs: list[Array], raw: Floats) -> Array:
    """The tensor that an operation writes."""
    shape = integers.program.shapes[op.output]
    if isinstance(op, Normalise):
        return _input(integers, raw, shape)
    if isinstance(op, Weighted):
        return _weighted(integers, op, inputs[0], shape)
    if isinstance(op, Pool):
        return _pooled(op, inputs[0], shape)
    if isinstance(op, Add):
        own = integers.sums[op.output]
        total = inputs[0] * own.factor_a + inputs[1] * own.factor_b + own.offset
        return np.asarray(np.clip(total >> own.shift, own.low, own.high))
    if isinstance(op, Map):
        return np.asarray(integers.tables[op.output][inputs[0] - LOWEST].astype(np.int64))
    return moved(op, inputs, shape, zero=integers.scales[op.output].zero)


def _input(integers: Integers, raw: Floats, shape: Shape) -> Array:
    pixels = raw.reshape(len(raw), shape.channels, shape.pixels).transpose(0, 2, 1).astype(np.float32)
    values = pixels * integers.input_factor + integers.input_shift
    return np.asarray(np.rint(values.clip(LOWEST, HIGHEST)).astype(np.int64)).reshape(len(raw), *shape)


def _weighted(integers: Integers, op: Weighted, values: Array, shape: Shape) -> Array:
    """Sums in floats, since that is fast: of 32 bits where these hold every sum there can be, else of 64."""
    own = integers.layers[op.output]
    as_integers = replace(op, weight_OIYX=own.weight_OIYX.astype(np.float32))
    largest = -LOWEST * np.abs(own.weight_OIYX.astype(np.int64)).reshape(op.outputs, -1).sum(axis=1).max()
    kind = np.float32 if largest <= 2**24 else np.float64
    zero = integers.scales[op.inputs[0]].zero
    sums = products(as_integers, values.astype(kind), shape, zero).astype(np.int64)
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
