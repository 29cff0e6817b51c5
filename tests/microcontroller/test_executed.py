"""How often loops run: by hand for small layers, and for every call of a run."""

from collections import Counter

import numpy as np
import pytest
from deployable import source_of
from edge_parts import CNN1D, DIGEST, DS_CNN, EIGHT, RESNET, part_of
from hypothesis import given
from hypothesis import strategies as st

from explorer.microcontroller.executed import executed
from explorer.microcontroller.forms import Blocks, Depthwise, Shape, Window
from explorer.microcontroller.numbers import FloatNumbers
from explorer.microcontroller.packing import together
from explorer.microcontroller.program import Op, Pool, Program, Weighted


def _counts(op: Op, before: Shape, after: Shape) -> Counter[str]:
    program = Program((op,), {"x": before, op.output: after}, op.output, None)
    (found,) = executed(FloatNumbers(program))
    return found


def _layer(outputs: int, inputs: int, window: Window, form: Blocks | Depthwise) -> Weighted:
    weight = np.ones((outputs, inputs, *window.kernel), np.float32)
    return Weighted("layer", ("x",), "layer", weight, np.zeros(outputs, np.float32), window, form)


def test_a_linear_layer_takes_its_outputs_by_four_then_two_then_one() -> None:
    found = _counts(_layer(7, 10, Window(), Blocks()), Shape(1, 1, 10), Shape(1, 1, 7))
    assert found == {
        **{"blocks_1": 1, "blocks_1.groups": 1, "blocks_1.rows": 3, "write": 1, "write.outputs": 7},
        **{f"dot_{rows}x1": 1 for rows in (4, 2, 1)},
        **{f"dot_{rows}x1.steps": 10 for rows in (4, 2, 1)},
    }


def test_a_convolution_takes_pixels_in_pairs_and_fills_what_lies_beyond_the_edge() -> None:
    window = Window((3, 3), padding=(1, 1))
    found = _counts(_layer(4, 2, window, Blocks()), Shape(3, 3, 2), Shape(3, 3, 4))
    assert (found["convolve.pairs"], found["blocks_1"], found["dot_2x2"]) == (4, 1, 8)
    assert found["patch.inside"] == 49  # of 9 windows of 9 taps: (2 + 3 + 2)^2
    assert found["patch.zeros"] == (81 - 49) * 2
    assert found["dot_2x2.steps"] * 4 + found["dot_4x1.steps"] * 4 == 9 * 9 * 2 * 4  # the layer's MACs


def test_a_depthwise_layer_takes_channels_by_four() -> None:
    found = _counts(_layer(6, 1, Window((1, 3)), Depthwise()), Shape(1, 5, 6), Shape(1, 3, 6))
    assert (found["depthwise.fours"], found["depthwise.ones"]) == (3, 6)
    assert found["depthwise.four_taps"] * 4 + found["depthwise.one_taps"] == 3 * 3 * 6


def test_a_pool_looks_at_every_tap() -> None:
    window = Window((3, 3), (2, 2), (1, 1))
    found = _counts(Pool("pool", ("x",), "pool", "max", window), Shape(4, 4, 2), Shape(2, 2, 2))
    assert found["max_pool.inside"] == 2 * (2 + 3) ** 2
    assert found["max_pool.inside"] + found["max_pool.outside"] == 2 * 2 * 2 * 9


@given(st.integers(1, 100))
def test_outputs_that_lie_together_are_all_there_are(outputs: int) -> None:
    found = together(outputs)
    assert sum(found) == outputs
    assert found == sorted(found, reverse=True)
    assert set(found) <= {4, 2, 1}


@pytest.mark.parametrize("weights", ["float", "int8"])
@pytest.mark.parametrize("zoo", [RESNET, DS_CNN, CNN1D], ids=["resnet", "ds_cnn", "cnn1d"])
@pytest.mark.parametrize("pattern", ["block", "random"])
def test_there_is_an_entry_for_every_call(zoo, weights, pattern) -> None:  # type: ignore[no-untyped-def]
    part = part_of(source_of(*zoo, config=EIGHT, pattern=pattern), "output", weights)
    assert len(executed(part.numbers)) == part.code(DIGEST).calls
