"""What tables in C cannot hold is said before anything is trained; what they can is computed right."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deployable import source_of
from edge_parts import DIGEST, EIGHT, check_rows, on_host, part_of
from torch import nn

from explorer.core.code_bytes import SIZES
from explorer.core.evidence import collect_evidence
from explorer.core.run_point import RunPoint
from explorer.deploy.edge_part import Weights
from explorer.errors import UserError
from explorer.microcontroller.forms import Shape, Window
from explorer.microcontroller.int8_edge import refusals
from explorer.microcontroller.int8_evidence import with_c_edges
from explorer.microcontroller.limits import beyond_tables
from explorer.microcontroller.program import Add, Normalise, Pool, Program, Thin, Weighted
from explorer.microcontroller.quantise import quantised

SERIES = (1, 900)


def pooled(input_shape: tuple[int, ...], num_classes: int, stride: int) -> nn.Module:
    """A convolution over a series, a pooling with a window of 300 steps, a layer."""
    count = (input_shape[1] - 300) // stride + 1
    return nn.Sequential(
        nn.Conv1d(1, 2, 3, padding=1),
        nn.MaxPool1d(300, stride),
        nn.Flatten(),
        nn.Linear(2 * count, num_classes),
    )


def averaged(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """A convolution over a series, and the mean of all of its steps."""
    pool = nn.AdaptiveAvgPool1d(1)
    return nn.Sequential(nn.Conv1d(1, 3, 3), nn.ReLU(), pool, nn.Flatten(), nn.Linear(3, num_classes))


def test_each_table_has_its_limits() -> None:
    before, after = Shape(1, 70, 1000), Shape(1, 1, 8)
    window = Window((1, 70))
    weight = np.zeros((8, 1, 1, 1), np.float32)
    layer = Weighted("conv", ("x",), "y", weight, np.zeros(8, np.float32), window)
    assert beyond_tables(layer, before, after) == "values under a window must be below 65,528, got 70,000"
    assert beyond_tables(Pool("pool", ("x",), "y", "max", window), before, after) == ""  # it has no patch
    assert "below 65,536, got 70,000" in beyond_tables(layer, Shape(1, 70_000, 1), after)
    assert "got 256" in beyond_tables(Thin("thin", ("x",), "y", (1, 256)), before, after)
    assert beyond_tables(Thin("thin", ("x",), "y", (1, 255)), before, after) == ""
    assert beyond_tables(Add("add", ("x", "x"), "y"), Shape(1, 1, 10**6), Shape(1, 1, 10**6)) == ""


@pytest.mark.parametrize("stride", [300, 200])
def test_a_pooling_that_is_too_large_is_named_with_its_type(stride: int) -> None:
    source = source_of(pooled, {"stride": stride}, SERIES, config=EIGHT)
    said = refusals(source.restore(), source.data, source.calibration)
    if stride < 256:
        assert said == {}
        return
    assert "input" not in said
    assert said["output"] == (
        "1: MaxPool1d is too large for C: strides, dilations and padding must be below 256, got 300"
    )


def test_a_network_with_such_a_pooling_is_evaluated_where_it_can_be() -> None:
    source = source_of(pooled, {"stride": 300}, SERIES, config=EIGHT)
    network, data = source.restore(), source.data
    float32 = collect_evidence(network, data.validation, source.calibration)
    float32, int8 = with_c_edges(network, data, float32, source.calibration)
    assert int8 is not None
    assert int8.split_points == ("input",)
    assert not int8.has(RunPoint.at_output(8))
    assert float32.has(RunPoint.at_output())
    unknown = float32.code_columns(RunPoint.at_output())
    assert np.isnan([unknown[name] for name in SIZES]).all()


def test_a_mean_of_too_many_values_is_refused_in_int8() -> None:
    start = Normalise("input", (), "input", np.zeros(1), np.ones(1), "float32")
    pool = Pool("pool", ("input",), "pool", "average", Window((257, 256)))
    shapes = {"input": Shape(257, 256, 1), "pool": Shape(1, 1, 1)}
    program = Program((start, pool), shapes, "pool", None)
    with pytest.raises(UserError, match="pool: a mean may have at most 65,536 values, got 65,792"):
        quantised(program, np.ones((1, 1, 257, 256), np.float32))


@pytest.mark.parametrize("weights", ["float", "int8"])
def test_a_mean_of_all_steps_needs_no_stride(weights: Weights, tmp_path: Path) -> None:
    source = source_of(averaged, {}, SERIES, config=EIGHT)
    assert refusals(source.restore(), source.data, source.calibration) == {}
    part = part_of(source, "output", weights)
    rows: Any = on_host(part.code(DIGEST).files, part.samples, tmp_path)
    check_rows(part, part.samples, rows, (4,))
    assert part.agreement < (1e-5 if weights == "float" else 0.1)
