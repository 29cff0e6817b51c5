"""The yardstick's networks are the published ones, and its judgement of rows is what it says."""

from dataclasses import replace

import pytest
import torch

from benchmarks.microcontroller.mlperf_tiny import SHAPES, TinyRow, measured, shortfalls
from tests.helpers.edge_parts import needs_emulator

ROW = TinyRow("ResNet-8", "int8", 1, 100, 1000, 990, 500, 500, 80, 185.0, 1.85, equal=True)
# Parameters and MACs by arithmetic from the reference models' shapes, mlcommons/tiny, benchmark/training
WEIGHTS = {"ResNet-8": 77_360, "DS-CNN": 22_016, "MobileNet 0.25": 208_112, "autoencoder": 264_192}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_each_network_has_the_reference_s_weights_and_answers(shape) -> None:  # type: ignore[no-untyped-def]
    module = shape.build().eval()
    weights = sum(
        own.weight.numel() for own in module.modules() if isinstance(own, torch.nn.Linear | torch.nn.Conv2d)
    )
    assert weights == WEIGHTS[shape.name]
    with torch.inference_mode():
        assert module(torch.zeros(2, *shape.input_shape)).shape == (2, shape.outputs)


def test_what_falls_short_is_named() -> None:
    assert shortfalls([ROW]) == []
    wrong = replace(ROW, equal=False, flash=1100, static_ram=501)
    assert len(shortfalls([wrong])) == 3


@needs_emulator
@pytest.mark.slow
def test_the_autoencoder_is_emitted_and_computes_what_numpy_does() -> None:
    rows = list(measured([shape for shape in SHAPES if shape.name == "autoencoder"]))
    assert [row.weights for row in rows] == ["float", "int8"]
    assert shortfalls(rows) == []
