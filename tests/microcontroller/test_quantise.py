"""Quantisation: scales hold what they must, and integers are as near to floats as their steps allow."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.core.fake_quantisation import rounded_weight
from explorer.errors import UserError
from explorer.microcontroller.forms import Blocks, Clamp, Shape, Window
from explorer.microcontroller.integer_reference import integer_results, run_integers
from explorer.microcontroller.program import INPUT, Add, Concat, Map, Normalise, Op, Pool, Program, Weighted
from explorer.microcontroller.quantise import FACTOR_MAX, MOST_SHIFT, Scale, quantised
from explorer.microcontroller.reference import run_floats
from explorer.runtime.codec import Codec, to_codes

START = Normalise(INPUT, (), INPUT, np.zeros(1, np.float32), np.ones(1, np.float32), "float32")


def linear(weight: np.ndarray, bias: np.ndarray, clamp: Clamp = Clamp()) -> Program:  # noqa: B008
    outputs, inputs = weight.shape
    layer = Weighted("fc", (INPUT,), "fc", weight[:, :, None, None], bias, Window(), Blocks(), clamp)
    return Program((START, layer), {INPUT: Shape(1, 1, inputs), "fc": Shape(1, 1, outputs)}, "fc", None)


@given(st.floats(-1e4, 1e4), st.floats(0, 1e4))
def test_a_scale_holds_its_range_and_zero_exactly(low: float, width: float) -> None:
    scale = Scale.of(low, low + width)
    assert -128 <= scale.zero <= 127
    ends = scale.floats(np.array([-128, scale.zero, 127]))
    assert ends[1] == 0
    assert ends[0] <= min(low, 0) + 0.51 * scale.step + 1e-3
    assert ends[2] >= max(low + width, 0) - 0.51 * scale.step - 1e-3


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_a_layer_is_off_by_its_steps_and_no_more(inputs: int, outputs: int, seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(outputs, inputs)) * size, rng.normal(size=outputs)
    program = linear(weight.astype(np.float32), bias.astype(np.float32), Clamp(0.0))
    raw = rng.normal(size=(30, inputs)).astype(np.float32)
    integers = quantised(program, raw)
    layer, before, after = integers.layers["fc"], integers.scales[INPUT], integers.scales["fc"]
    assert 0 <= layer.shift <= MOST_SHIFT
    assert layer.factor_O.max() <= FACTOR_MAX
    expected = run_floats(program, raw)["fc"].reshape(30, -1)
    found = after.floats(run_integers(integers, raw)["fc"].reshape(30, -1))
    steps = np.abs(weight).max(axis=1) / 127
    # half a step of each input times each weight, half a step of each weight times each input
    most = 0.5 * before.step * np.abs(weight).sum(axis=1) + 0.5 * steps * np.abs(raw).sum(axis=1).max()
    assert (np.abs(found - expected) <= most + 2 * after.step).all()


def test_training_rounds_weights_as_the_integers_do() -> None:
    weight = np.random.default_rng(0).normal(size=(5, 30)).astype(np.float32)
    layer = quantised(linear(weight, np.zeros(5, np.float32)), weight).layers["fc"]
    steps = np.abs(weight).max(axis=1, keepdims=True) / 127
    expected = torch.from_numpy(layer.weight_OIYX.reshape(5, 30) * steps)
    torch.testing.assert_close(rounded_weight(torch.from_numpy(weight), torch.arange(5)), expected)


def test_an_input_is_rounded_half_to_even_and_cut_off() -> None:
    program = Program((START,), {INPUT: Shape(1, 1, 1)}, INPUT, None)
    integers = quantised(program, np.array([[0.0], [255.0]], np.float32))
    raw = np.array([[0.5], [1.5], [-9.0], [300.0]], np.float32)
    assert (integer_results(integers, raw).codes + 128).ravel().tolist() == [0, 2, 0, 255]


def test_integers_are_the_codes_of_a_calibrated_payload() -> None:
    rng = np.random.default_rng(0)
    program = linear(rng.normal(size=(6, 5)).astype(np.float32), np.zeros(6, np.float32), Clamp(0.0))
    raw = rng.normal(size=(50, 5)).astype(np.float32)
    most = run_floats(program, raw)["fc"].max()
    codec = Codec(8, "tensor", low=np.zeros(1, np.float32), step=np.array([most / 255], np.float32))
    results = integer_results(quantised(program, raw, codec), raw)
    codes, _, _ = to_codes(results.crossing, codec)
    assert np.array_equal(codes, results.codes + 128)


def test_tensors_side_by_side_have_one_scale() -> None:
    weight = np.eye(2, dtype=np.float32)[:, :, None, None]
    large = Weighted("large", (INPUT,), "large", 9 * weight, np.zeros(2, np.float32))
    ops = (START, large, Concat("cat", (INPUT, "large"), "cat"))
    shapes = {INPUT: Shape(1, 1, 2), "large": Shape(1, 1, 2), "cat": Shape(1, 1, 4)}
    integers = quantised(Program(ops, shapes, "cat", None), np.array([[0.0, 1.0]], np.float32))
    assert len({integers.scales[name] for name in shapes}) == 1


def test_sums_and_activations_are_off_by_two_steps_at_most() -> None:
    rng = np.random.default_rng(3)
    ops: tuple[Op, ...] = (
        START,
        Map("act", (INPUT,), "act", "hard_swish"),
        Add("add", (INPUT, "act"), "add", Clamp(0.0, 6.0)),
        Map("sigmoid", ("add",), "sigmoid", "sigmoid"),
        Pool("pool", ("sigmoid",), "pool", "average", Window((4, 4), (4, 4))),
    )
    shapes = dict.fromkeys((INPUT, "act", "add", "sigmoid"), Shape(4, 4, 3)) | {"pool": Shape(1, 1, 3)}
    program = Program(ops, shapes, "pool", None)
    raw = rng.normal(size=(20, 3, 4, 4)).astype(np.float32) * 3
    integers = quantised(program, raw)
    floats, found = run_floats(program, raw), run_integers(integers, raw)
    for name in ("act", "add", "sigmoid"):
        off = np.abs(integers.scales[name].floats(found[name]) - floats[name]).max()
        assert off <= 2 * integers.scales[name].step + integers.scales[INPUT].step


def test_a_channel_of_zeros_and_a_dead_layer_are_no_trouble() -> None:
    program = linear(np.zeros((2, 3), np.float32), np.array([0.0, -1.0], np.float32), Clamp(0.0))
    raw = np.ones((4, 3), np.float32)
    found = run_integers(quantised(program, raw), raw)["fc"]
    assert (found == -128).all()


def test_a_layer_of_too_many_terms_is_refused() -> None:
    program = linear(np.zeros((1, 2**16), np.float32), np.zeros(1, np.float32))
    with pytest.raises(UserError, match=r"fc: an output may have 65,535 terms, got 65,536"):
        quantised(program, np.ones((1, 2**16), np.float32))
