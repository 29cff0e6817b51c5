"""What the comparison of searches counts, by hand, and how it judges."""

from dataclasses import replace

import pandas as pd

from benchmarks.microcontroller.int8_sweep import _compared, shortfalls

POINTS = pd.DataFrame(
    {
        "network_key": ["a"] * 4,
        "split_point": ["relu1", "output", "relu1", "output"],
        "payload_bits": [8, None, 8, None],
        "edge_weight_bits": [32, 32, 8, 8],
        "accuracy": [0.90, 0.80, 0.90, 0.79],
        "edge_flash_bytes": [40_000.0, 50_000.0, 10_000.0, 20_000.0],
        "payload_bytes": [30.0, 0.0, 30.0, 0.0],
    }
)


def test_fronts_and_drops_are_those_of_the_points() -> None:
    found = _compared(POINTS, float_s=[10.0, 10.0, 8.0], both_s=[12.0, 11.0, 16.0])
    assert (found.networks, found.float_front, found.both_front) == (1, 2, 3)
    assert found.dominated == 0.5  # the whole network in float32 is more accurate than in int8
    assert abs(found.largest_drop - 0.01) < 1e-9
    assert found.time_ratio == 1.2
    assert found.both_hypervolume > found.float_hypervolume


def test_what_falls_short_is_named() -> None:
    found = replace(_compared(POINTS, [10.0], [12.0]), largest_drop=0.0)
    assert shortfalls(found) == []
    worse = replace(found, both_s=(14.0,), both_hypervolume=found.float_hypervolume, largest_drop=0.02)
    assert len(shortfalls(worse)) == 3
