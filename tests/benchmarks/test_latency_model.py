"""The latency benchmark, without timing."""

from fractions import Fraction

import numpy as np
import pytest

from benchmarks.latency_model.__main__ import FITTED, divided, fitted, judged, left_out, predicted, shortfalls
from benchmarks.latency_model.__main__ import slower_than_dense as compared
from benchmarks.latency_model.parts import ARCHITECTURES, Part, parts_of
from explorer.devices.calibration import Check
from explorer.devices.fitting import FittedTimes
from explorer.devices.operators import Operator
from explorer.devices.profiles import OperatorTimes

TRUE = FittedTimes(
    {
        "other": OperatorTimes(s_per_call=1e-5),
        "linear": OperatorTimes(s_per_call=2e-6, s_per_mac=1e-9),
        "block_linear": OperatorTimes(s_per_call=2e-5, s_per_mac=1e-9),
    },
    part_overhead_s=5e-5,
)


def made_up_parts() -> list[Part]:
    """Sparse layers pay more for a call than they save, unless they are large."""
    rng, parts = np.random.default_rng(0), list[Part]()
    for own in ARCHITECTURES[:4]:
        for place in range(6):
            macs = int(rng.integers(1_000, 100_000))
            for density in (Fraction(1), Fraction(1, 4)):
                kind = "linear" if density == 1 else "block_linear"
                operators = (Operator(int(macs * density), 0, kind),) * (1 + place % 3)
                parts.append(Part(own, density, "edge", place, operators, b"", ()))
    return parts


def test_parts_that_follow_the_formula_are_predicted() -> None:
    parts = made_up_parts()
    seconds = {part.name: TRUE.predicted_s(part.operators) for part in parts}
    known, rest = divided(parts, 20)
    assert {part.name for part in known}.isdisjoint(part.name for part in rest)
    check = judged(rest, predicted(fitted([], known, seconds), rest), seconds)
    assert check.median_error < 1e-6
    assert check.spearman["all"] == pytest.approx(1.0)
    assert judged(parts, left_out([], parts, seconds), seconds).median_error < 1e-6
    assert FITTED == 40


def test_sparse_parts_that_are_slower_are_counted() -> None:
    parts = made_up_parts()
    seconds = {part.name: TRUE.predicted_s(part.operators) for part in parts}
    dense = {part.place: part for part in parts[:12] if part.density == 1}
    slower = sum(
        seconds[part.name] > seconds[dense[part.place].name] for part in parts[:12] if part.density < 1
    )
    assert compared(parts[:12], seconds, seconds) == {"pairs": 6, "measured": slower, "said": slower}


def test_what_falls_short_is_said() -> None:
    good = Check(9, 0.08, 0.75, 0.95, {"all": 0.95, "mlp": 0.85, "cnn": 0.85})
    assert shortfalls("parts", good) == []
    bad = Check(9, 0.2, 0.75, 0.9, {"all": 0.95, "mlp": 0.5, "cnn": 0.85})
    assert len(shortfalls("parts", bad)) == 3


def test_parts_of_a_network_are_both_halves_at_two_cuts() -> None:
    parts = list(parts_of(ARCHITECTURES[0], Fraction(1, 4)))
    assert [(part.half, part.place) for part in parts] == [
        ("edge", 0),
        ("server", 0),
        ("edge", 1),
        ("server", 1),
    ]
    kinds = [own.kind for own in parts[0].operators]
    assert kinds == ["block_linear", "linear", "softmax"]  # the layer, and the exit with its confidence
    assert [own.kind for own in parts[1].operators] == ["block_linear", "linear"]
