"""benchmarks.sparse_layers: what is asked of a layer, and where the time of a step goes."""

from fractions import Fraction
from typing import Any

import pytest
import torch

from benchmarks.sparse_layers.__main__ import LEAST_OVERLAPPING, least_speedup, shortfalls
from benchmarks.sparse_layers.cases import Shape
from benchmarks.sparse_layers.measure import measure
from benchmarks.sparse_layers.shares import KINDS, kind_of, shares_of

STEP: dict[str, Any] = {
    "shape": "linear 1024x1024",
    "density": "1/4",
    "case": "training step",
    "contestant": "block k=1",
    "speedup": 9.0,
    "bytes_ratio": 0.25,
}


@pytest.mark.parametrize(
    ("changed", "least"),
    [
        ({}, 0.6 * 4),
        ({"density": "1/8"}, 0.5 * 8),
        ({"shape": "linear 1008x1008", "density": "2/7", "contestant": "block k=2"}, 0.6 * 3.5),
        ({"shape": "conv 240->240 8x8", "density": "2/15", "contestant": "block k=2"}, 0.5 * 7.5),
        ({"density": "1/2"}, 1.0),  # as fast as dense
        ({"shape": "conv 32->64 28x28"}, 1.0),
        ({"shape": "conv 16->32 8x8", "density": "5/16", "contestant": "block k=5"}, LEAST_OVERLAPPING),
        ({"contestant": "random"}, 0.0),
        ({"case": "inference 1"}, 0.0),
        ({"case": "onnx 1"}, 2.4),
    ],
)
def test_what_is_asked_of_a_layer(changed: dict[str, str], least: float) -> None:
    assert least_speedup(STEP | changed) == pytest.approx(least)


def test_shortfalls_are_named() -> None:
    assert shortfalls([STEP]) == []
    (line,) = shortfalls([STEP | {"speedup": 2.3}])
    assert line == "linear 1024x1024, 1/4, training step, block k=1: 2.30x, at least 2.40x"


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        ("aten::mm", "products"),
        ("aten::baddbmm_", "products"),
        ("aten::convolution_backward", "products"),
        ("aten::copy_", "copies"),
        ("aten::index_add_", "copies"),
        ("aten::_fused_adamw_", "optimiser"),
        ("Optimizer.step#AdamW.step", "optimiser"),
        ("aten::sum", "rest"),
    ],
)
def test_kinds_of_operators(operator: str, kind: str) -> None:
    assert kind_of(operator) == kind


def test_shares_add_up() -> None:
    x = torch.randn(64, 64)
    shares = shares_of(lambda: x.mm(x).clone())  # type: ignore[arg-type, return-value]
    assert tuple(shares) == KINDS
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["products"] > 0
    assert shares["optimiser"] == 0


@pytest.mark.slow
def test_rows_of_a_small_shape() -> None:
    threads = torch.get_num_threads()
    rows = list(measure(Shape(16, 16), Fraction(1, 4), "cpu", 0.0, 1, with_onnx=False, bfloat16=False))
    assert torch.get_num_threads() == threads
    profiled = [row["contestant"] for row in rows if "shares" in row]
    assert profiled == ["dense", "block k=1"]
    assert {row["case"] for row in rows} == {"inference 1", "inference batch", "training step"}
