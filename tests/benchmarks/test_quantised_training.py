"""The benchmark of training for int8: what it compares, by hand, and one network of each kind."""

from dataclasses import replace

import pytest

from benchmarks.quantised_training import CASES, data_of, gains, measured, shortfalls


def rows(case: str, plain: tuple[float, ...], quantised: tuple[float, ...]) -> list[dict[str, object]]:
    return [
        {"case": case, "seed": seed, "quantised": way, "int8": value}
        for way, values in ((False, plain), (True, quantised))
        for seed, value in enumerate(values)
    ]


def test_ways_are_compared_seed_by_seed() -> None:
    found = rows("outliers", (0.6, 0.7), (0.9, 0.8))
    assert gains(found, "outliers", "int8") == pytest.approx([0.3, 0.1])
    assert shortfalls(found) == []
    assert shortfalls(rows("outliers", (0.6, 0.7), (0.9, 0.7))) == [
        "outliers: int8 changes by +0.0000 to +0.3000"
    ]
    assert shortfalls(rows("MLP", (0.9,), (0.895,))) == []
    assert len(shortfalls(rows("MLP", (0.9,), (0.92,)))) == 1


@pytest.mark.parametrize("case", [CASES[0], CASES[-1]], ids=lambda case: case.name)
def test_networks_answer_in_float32_and_int8(case: object) -> None:
    short = replace(case, epochs=1)  # type: ignore[type-var]
    data = data_of(short)  # type: ignore[arg-type]
    plain, quantised = (measured(short, data, 0, way) for way in (False, True))  # type: ignore[arg-type]
    assert 0 < plain["int8"] <= 1
    assert plain["float32"] != quantised["float32"]
