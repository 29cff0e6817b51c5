"""Ranges that programs share: those of each alone, and nothing taken for the same that is not."""

from dataclasses import replace

import numpy as np
import pytest
from deployable import source_of
from edge_parts import CNN1D, EIGHT, RESNET

from explorer.microcontroller.forms import Shape, Window
from explorer.microcontroller.int8_edge import lowered_edges
from explorer.microcontroller.program import Op, Pool, Weighted
from explorer.microcontroller.reference import run_floats
from explorer.microcontroller.sharing import SharedRanges, origin


@pytest.mark.parametrize("zoo", [RESNET, CNN1D])
def test_ranges_are_those_of_each_program_alone(zoo: object) -> None:
    source = source_of(*zoo, config=EIGHT, pattern="random")  # type: ignore[misc]
    raw = source.data.raw(source.data.train.first(16))
    shared, tensors = SharedRanges(raw), 0
    for edge in lowered_edges(source.restore(), source.data, source.calibration):
        alone = run_floats(edge.program, raw)
        expected = {name: (float(own.min()), float(own.max())) for name, own in alone.items()}
        assert shared.of(edge.program) == expected
        tensors += len(expected)
    assert len(shared._known) < tensors


def key(op: Op) -> str:
    arrays = [op.weight_OIYX] if isinstance(op, Weighted) else []
    return origin(op, Shape(1, 1, 2), ["before"], arrays)


def test_what_differs_has_another_origin() -> None:
    weight = np.ones((2, 2, 1, 1), np.float32)
    layer = Weighted("a", ("x",), "y", weight, np.zeros(2, np.float32))
    assert key(layer) == key(replace(layer, name="b", output="z"))
    pool = Pool("a", ("x",), "y", "max", Window((2, 2), (2, 2)))
    others = [
        replace(layer, weight_OIYX=2 * weight),
        replace(layer, shuffle=2),
        pool,
        replace(pool, kind="average"),
        replace(pool, window=Window((2, 2), (1, 1))),
    ]
    assert len({key(own) for own in [layer, *others]}) == 1 + len(others)
    assert origin(layer, Shape(1, 1, 2), ["before"], []) != origin(layer, Shape(1, 1, 2), ["other"], [])
    assert origin(layer, Shape(1, 1, 2), ["before"], []) != origin(layer, Shape(1, 2, 1), ["before"], [])
