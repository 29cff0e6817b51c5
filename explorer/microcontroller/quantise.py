"""A float32 program in integers of 8 bits: post-training quantisation by calibrated ranges.

Weights are symmetric, with a step of their own for each output; tensors are affine, with one step and one
zero point (Jacob et al., CVPR 2018, arXiv 1712.05877). Sums have 32 bits. A sum becomes an output by one
multiplication with 16 bits for each output and one shift for all, which keeps four bytes for an output
beside its weights: bias and factor.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log2

import numpy as np
from numpy.typing import NDArray

from explorer.errors import UserError
from explorer.microcontroller.forms import Clamp, Depthwise, Floats
from explorer.microcontroller.program import (
    Add,
    Concat,
    Map,
    Normalise,
    Pool,
    Program,
    Thin,
    Transpose,
    Weighted,
)
from explorer.microcontroller.reference import mapped
from explorer.microcontroller.sharing import Range, SharedRanges
from explorer.runtime.codec import Codec

LOWEST, HIGHEST = -128, 127
FACTOR_MAX = 2**15 - 1
MOST_SHIFT = 20
_STEPS = HIGHEST - LOWEST
_KEEP_SCALE = (Pool, Transpose, Concat, Thin)


@dataclass(frozen=True)
class Scale:
    """Real values of a tensor's integers: ``(integer - zero) * step``.

    Attributes:
        step: Of neighbouring integers; a float32.
        zero: Integer that stands for 0, in [-128, 127].

    Example:
        >>> Scale.of(0.0, 51.0)
        Scale(step=0.2, zero=-128)
    """

    step: float
    zero: int

    @classmethod
    def of(cls, low: float, high: float) -> "Scale":
        """The scale of a range, which is widened to hold 0."""
        low, high = min(low, 0.0), max(high, 0.0)
        step = (high - low) / _STEPS or 1.0
        return cls(step, round(LOWEST - low / step))

    def floats(self, integers: NDArray[np.int64]) -> Floats:
        """Real values, as the device computes them."""
        return (integers - self.zero).astype(np.float32) * np.float32(self.step)

    def limits(self, clamp: Clamp) -> tuple[int, int]:
        """Integers at which an activation cuts off.

        Example:
            >>> Scale(0.1, -28).limits(Clamp(0.0, 6.0))
            (-28, 32)
        """
        low, high = (
            int(min(HIGHEST, max(LOWEST, round(max(-1e6, min(1e6, end / self.step))) + self.zero)))
            for end in clamp
        )
        return low, high


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """Integers of a layer: ``((sum * factor >> 16) + bias * 2^bias_shift + offset) >> shift``, cut off.

    Attributes:
        weight_OIYX: Int8, in [-127, 127].
        factor_O, bias_O: Int16, one per output.
        bias_shift, shift: See above.
        offset: Rounding, and the output's zero point.
        low, high: Where outputs are cut off.
        wide: Outputs stay 32 bits wide, in units of the output's step / 2^shift, neither shifted nor cut off.

    Example:
        >>> IntegerLayer.__name__
        'IntegerLayer'
    """

    weight_OIYX: NDArray[np.int8]
    factor_O: NDArray[np.int16]
    bias_O: NDArray[np.int16]
    bias_shift: int
    shift: int
    offset: int
    low: int
    high: int
    wide: bool


@dataclass(frozen=True)
class IntegerSum:
    """Integers of an addition: ``(a * factor_a + b * factor_b + offset) >> shift``, cut off.

    Example:
        >>> IntegerSum(1, 1, 0, 0, -128, 127).high
        127
    """

    factor_a: int
    factor_b: int
    offset: int
    shift: int
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class Integers:
    """A quantised program.

    Attributes:
        program: In floats.
        scales: Of every tensor.
        layers, sums, tables: Of the operations that have such, by the tensor that they write.
        input_factor, input_shift: Float32, one per channel of raw samples: ``raw * factor + shift``.

    Example:
        >>> Integers.__name__
        'Integers'
    """

    program: Program
    scales: Mapping[str, Scale]
    layers: Mapping[str, IntegerLayer]
    sums: Mapping[str, IntegerSum]
    tables: Mapping[str, NDArray[np.int8]]
    input_factor: Floats
    input_shift: Floats

    def wide_step(self, tensor: str) -> float:
        """Step of a tensor that is 32 bits wide; its zero is 0."""
        return self.scales[tensor].step / float(2 ** self.layers[tensor].shift)


def quantised(program: Program, samples: Floats | SharedRanges, codec: Codec | None = None) -> Integers:
    """Quantise a program.

    Args:
        program: In floats.
        samples: Raw training samples (N, ...), from which ranges are taken, or those ranges, which edge parts
            of one network share.
        codec: With which the crossing tensor is sent. Where it has 8 bits and one calibrated range, the
            tensor takes that range, so that its integers are the codes.

    Raises:
        UserError: A layer is too wide for sums of 32 bits, or logits come of something else than a layer.

    Example:
        >>> from explorer.microcontroller.forms import Shape
        >>> start = Normalise("input", (), "input", np.zeros(2), np.ones(2), "float32")
        >>> weight = np.eye(2, dtype=np.float32)[:, :, None, None]
        >>> layer = Weighted("fc", ("input",), "fc", weight, np.ones(2))
        >>> program = Program((start, layer), {"input": Shape(1, 1, 2), "fc": Shape(1, 1, 2)}, "fc", None)
        >>> integers = quantised(program, np.array([[0, 255.0]], np.float32))
        >>> integers.scales["input"], integers.layers["fc"].weight_OIYX.ravel().tolist()
        (Scale(step=1.0, zero=-128), [127, 0, 0, 127])
    """
    _check_means(program)
    wide = _wide(program)
    shared = samples if isinstance(samples, SharedRanges) else SharedRanges(samples)
    scales = _scales(program, shared.of(program), codec)
    layers = {
        op.output: _layer(op, scales[op.inputs[0]], scales[op.output], op.output in wide)
        for op in program.weighted()
    }
    sums = {
        op.output: _sum(op, *(scales[name] for name in (*op.inputs, op.output)))
        for op in program.ops
        if isinstance(op, Add)
    }
    tables = {
        op.output: _table(op, scales[op.inputs[0]], scales[op.output])
        for op in program.ops
        if isinstance(op, Map)
    }
    start = program.ops[0]
    assert isinstance(start, Normalise)
    own, std, mean = scales[start.output], start.std.astype(np.float64), start.mean.astype(np.float64)
    factor, shift = 1 / (std * own.step), own.zero - mean / (std * own.step)
    return Integers(
        program, scales, layers, sums, tables, factor.astype(np.float32), shift.astype(np.float32)
    )


def _wide(program: Program) -> set[str]:
    """Logits, which stay 32 bits wide: those of the exit, or of the network where the edge computes all."""
    if program.logits is None:
        return set()
    producer = program.producer(program.logits)
    if not isinstance(producer, Weighted) or isinstance(producer.form, Depthwise):
        raise UserError("--c-code int8: logits must come of a Linear layer or a convolution")
    return {program.logits}


def _check_means(program: Program) -> None:
    """One over the number of values must be a unit of 2^-16 at least."""
    for op in program.ops:
        if isinstance(op, Pool) and op.kind == "average" and op.window.taps > 2**16:
            raise UserError(
                f"--c-code int8: {op.name}: a mean may have at most 65,536 values, got {op.window.taps:,}"
            )


def _scales(program: Program, found: Mapping[str, Range], codec: Codec | None) -> dict[str, Scale]:
    """A scale for every tensor; operations that move values only have one for all of theirs."""
    groups = {name: {name} for name in found}
    for op in program.ops:
        if isinstance(op, _KEEP_SCALE):
            joined = set().union(*(groups[name] for name in (*op.inputs, op.output)))
            groups |= dict.fromkeys(joined, joined)
    scales = dict[str, Scale]()
    for name, group in groups.items():
        low = min(found[other][0] for other in group)
        high = max(found[other][1] for other in group)
        scales[name] = Scale.of(low, high)
        sent = _codec_scale(codec)
        if sent is not None and program.crossing in group and low >= 0 and high <= 255 * sent.step * 1.001:
            scales[name] = sent
    return _coarse_enough(program, scales, groups)


def _codec_scale(codec: Codec | None) -> Scale | None:
    """That of a codec's codes, where integers can be these: 8 bits, one range, from 0 on."""
    if codec is None or codec.bits != 8 or codec.ranges != "tensor":
        return None
    assert codec.low is not None
    assert codec.step is not None
    return Scale(float(codec.step[0]), LOWEST) if codec.low[0] == 0 and codec.step[0] > 0 else None


def _coarse_enough(
    program: Program, scales: dict[str, Scale], groups: Mapping[str, set[str]]
) -> dict[str, Scale]:
    """Factors of outputs must stay below 1/4: steps of outputs that are too fine are made coarser."""
    changed = True
    while changed:
        changed = False
        for op in program.weighted():
            least = scales[op.inputs[0]].step * float(_weight_steps(op).max()) / (FACTOR_MAX / 2**17)
            own = scales[op.output]
            if own.step < least:
                low, high = (own.step * (end - own.zero) for end in (LOWEST, HIGHEST))
                wider = 1.01 * least / own.step
                for name in groups[op.output]:
                    scales[name] = Scale.of(low * wider, high * wider)
                changed = True
    return scales


def _weight_steps(op: Weighted) -> NDArray[np.float64]:
    largest = np.abs(op.weight_OIYX.astype(np.float64)).reshape(op.outputs, -1).max(axis=1)
    return np.where(largest > 0, largest, 1.0) / HIGHEST


def _layer(op: Weighted, before: Scale, after: Scale, wide: bool) -> IntegerLayer:
    terms = op.weight_OIYX[0].size
    if terms >= 2**16:
        raise UserError(f"--c-code int8: {op.name}: an output may have 65,535 terms, got {terms:,}")
    steps = _weight_steps(op)
    weight = np.rint(op.weight_OIYX / steps[:, None, None, None]).astype(np.int64)
    ratios = before.step * steps / after.step
    shift = min(MOST_SHIFT, floor(log2(FACTOR_MAX / (float(ratios.max()) * 2**16))))
    factor = np.rint(ratios * 2.0 ** (16 + shift))
    at_zero = weight.reshape(op.outputs, -1).sum(axis=1) * before.zero
    bias = (op.bias_O.astype(np.float64) / after.step - ratios * at_zero) * 2.0**shift
    bias_shift = max(0, int(np.ceil(np.log2(max(1.0, float(np.abs(bias).max())) / FACTOR_MAX))))
    small = np.rint(bias / 2.0**bias_shift).clip(-FACTOR_MAX, FACTOR_MAX)
    offset = (1 << shift >> 1) + after.zero * (1 << shift)
    return IntegerLayer(
        weight.astype(np.int8),
        factor.astype(np.int16),
        small.astype(np.int16),
        bias_shift,
        shift,
        offset,
        *after.limits(op.clamp),
        wide,
    )


def _sum(op: Add, a: Scale, b: Scale, after: Scale) -> IntegerSum:
    ratios = [own.step / after.step for own in (a, b)]
    shift = max(1, min(22, floor(log2(2**20 / max(ratios)))))
    factor_a, factor_b = (round(ratio * 2**shift) for ratio in ratios)
    offset = (after.zero << shift) - a.zero * factor_a - b.zero * factor_b + (1 << (shift - 1))
    return IntegerSum(factor_a, factor_b, offset, shift, *after.limits(op.clamp))


def _table(op: Map, before: Scale, after: Scale) -> NDArray[np.int8]:
    """What an activation makes of each of the 256 integers."""
    values = mapped(op, before.floats(np.arange(LOWEST, HIGHEST + 1)))
    return np.rint(values.astype(np.float64) / after.step + after.zero).clip(LOWEST, HIGHEST).astype(np.int8)
