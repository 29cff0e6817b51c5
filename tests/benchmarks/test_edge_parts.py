"""How the benchmark of edge parts judges, and one part of it in the emulator."""

from dataclasses import replace

import numpy as np
import pytest
from edge_parts import needs_emulator

from benchmarks.microcontroller import edge_parts
from benchmarks.microcontroller.edge_parts import PartRow, measured, shortfalls, summary

ROW = PartRow(
    *("MLP", "block", "relu1", "float", "m4"),
    off=1e-5,
    wrong_frames=0,
    flash=1000,
    ram=400,
    predicted_flash=1030,
    predicted_ram=400,
    stack=96,
    predicted_stack=100,
)


def test_what_falls_short_is_named() -> None:
    int8 = replace(ROW, weights="int8", off=0.0)
    assert shortfalls([ROW, int8]) == []
    worse = [
        replace(ROW, off=1.1e-5),
        replace(int8, off=1.0),
        replace(ROW, wrong_frames=1),
        replace(ROW, predicted_flash=969),
        replace(ROW, predicted_ram=396),
        replace(ROW, stack=104),
    ]
    found = shortfalls(worse)
    assert len(found) == len(worse)
    assert found[3] == "MLP, block, relu1, float, m4: flash 1000, predicted 969"


def test_the_summary_counts_parts_and_programs() -> None:
    rows = [ROW, replace(ROW, core="m7"), replace(ROW, weights="int8", off=2.0, split_point="output")]
    counted = "2 edge parts, 3 programs: floats off by 1.0e-05 at most, 1 programs of int8"
    assert summary(rows).startswith(counted)


@needs_emulator
@pytest.mark.slow
def test_a_trained_part_on_two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_parts, "BACKBONES", {"1-D CNN": edge_parts.BACKBONES["1-D CNN"]})
    monkeypatch.setattr(edge_parts, "PATTERNS", ("block", "random"))
    rows = list(measured(("m3", "m55")))
    assert [(row.pattern, row.weights, row.core) for row in rows] == [
        (pattern, weights, core)
        for pattern in ("block", "random")
        for weights in ("float", "int8")
        for core in ("m3", "m55")
    ]
    assert shortfalls(rows) == []
    assert np.unique([row.split_point for row in rows]).size == 2
