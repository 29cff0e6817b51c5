"""Numbers in C: read back they are the same, and packed weights hold every kept weight in its place."""

import re
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from explorer.core.sparsity.patterns import adjacency
from explorer.microcontroller.forms import Blocks, Shape
from explorer.microcontroller.int8_numbers import Int8Numbers
from explorer.microcontroller.numbers import Constants, FloatNumbers, literal
from explorer.microcontroller.packing import TOGETHER, packed_blocks
from explorer.microcontroller.program import Program, Weighted


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_literal_is_the_float(value: float) -> None:
    text = literal(value)
    assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?f", text)
    assert np.float32(text.removesuffix("f")) == np.float32(value)


def test_arrays_have_their_type_and_length() -> None:
    constants = Constants()
    constants.add("bias", np.array([-3, 4, 5], np.int16))
    assert constants.text() == "static const int16_t bias[3] = {\n    -3, 4, 5};"
    assert constants.bytes == 8  # six, up to a multiple of four


def unpacked(words: np.ndarray, op: Weighted, lanes: int) -> np.ndarray:
    """The dense weight (O, I) that packed weights hold, one output and run of inputs after another."""
    form, values = op.form, iter(words.tolist())
    assert isinstance(form, Blocks)
    outputs, inputs = op.weight_OIYX.shape[:2]
    rows, each = outputs // form.groups, inputs // form.groups
    weight = np.zeros((outputs, inputs))
    for block in range(form.groups):
        row = block * rows
        while row < (block + 1) * rows:
            together = next(n for n in TOGETHER if row + n <= (block + 1) * rows)
            for first, number in form.runs(block):
                for start in range(0, number * each, lanes):
                    for own in range(together):
                        word = next(values)
                        for lane in range(lanes):
                            value = word if lanes == 1 else (word >> (8 * lane) & 0xFF ^ 0x80) - 0x80
                            if start + lane < number * each:
                                weight[row + own, first * each + start + lane] = value
                            else:
                                assert value == 0
            row += together
    assert next(values, None) is None
    return weight


@given(st.sampled_from([(8, 8), (12, 4), (6, 9), (16, 10)]), st.integers(1, 12), st.integers(0, 9))
def test_packed_weights_are_those_that_are_kept(shape: tuple[int, int], steps: int, seed: int) -> None:
    outputs, inputs = shape
    groups = int(np.gcd(outputs, inputs))
    density = Fraction(1 + steps % groups, groups)
    kept = adjacency("block", inputs, outputs, density, seed=0)
    weight = np.random.default_rng(seed).integers(-127, 128, shape) * kept
    form = Blocks(density.denominator, density.numerator)
    floats = weight.astype(np.float32)[:, :, None, None]
    op = Weighted("fc", ("x",), "fc", floats, np.zeros(outputs, np.float32), form=form)
    numbers = FloatNumbers(Program((op,), {"x": Shape(1, 1, inputs)}, "fc", None))
    assert np.array_equal(unpacked(packed_blocks(numbers, op), op, lanes=1), weight)

    class Words(FloatNumbers):
        packed = Int8Numbers.packed

        def dense_weight(self, op: Weighted) -> np.ndarray:
            return op.weight_OIYX.astype(np.int8)

    words = packed_blocks(Words(numbers.program), op)
    assert np.array_equal(unpacked(words, op, lanes=4), weight)


def test_kept_connections_are_those_of_the_pattern() -> None:
    for density in (Fraction(1, 4), Fraction(3, 4), Fraction(1)):
        form = Blocks(density.denominator, density.numerator)
        reads = np.zeros((form.groups, form.groups), bool)
        for block in range(form.groups):
            for first, number in form.runs(block):
                reads[block, first : first + number] = True
        expected = adjacency("block", form.groups, form.groups, density, seed=0)
        assert np.array_equal(reads, expected)
