"""What tables in C cannot hold is said before anything is trained; what they can is computed right."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deployable import source_of
from edge_parts import DIGEST, EIGHT, check_rows, on_host, part_of
from torch import nn

from explorer.deploy.edge_part import Weights
from explorer.microcontroller.forms import Shape, Window
from explorer.microcontroller.int8_edge import refusals
from explorer.microcontroller.limits import beyond_tables
from explorer.microcontroller.program import Add, Pool, Thin, Weighted

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


@pytest.mark.parametrize("weights", ["float", "int8"])
def test_a_mean_of_all_steps_needs_no_stride(weights: Weights, tmp_path: Path) -> None:
    source = source_of(averaged, {}, SERIES, config=EIGHT)
    assert refusals(source.restore(), source.data, source.calibration) == {}
    part = part_of(source, "output", weights)
    rows: Any = on_host(part.code(DIGEST).files, part.samples, tmp_path)
    check_rows(part, part.samples, rows, (4,))
    assert part.agreement < (1e-5 if weights == "float" else 0.1)
