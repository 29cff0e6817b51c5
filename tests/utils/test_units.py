"""One table of units: what is written can be read."""

import pytest

from explorer.space.metrics import ALL_METRICS
from explorer.utils.units import PREFIXES, scale_of, unit_scales


@pytest.mark.parametrize("unit", sorted(PREFIXES))
def test_prefixes_fall_from_the_largest(unit: str) -> None:
    scales = [scale for scale, _ in PREFIXES[unit]]
    assert scales == sorted(scales, reverse=True)


@pytest.mark.parametrize("unit", sorted({metric.unit for metric in ALL_METRICS.values()}))
def test_what_is_shown_without_a_space_is_read_as_the_same(unit: str) -> None:
    for text, scale in unit_scales(unit).items():
        assert scale_of(text, unit) == scale
    assert scale_of("", unit) == 1.0
    assert scale_of("parsec", unit) is None


@pytest.mark.parametrize(
    ("text", "unit", "scale"),
    [("kib", "B", 1024.0), ("MS", "s", 1e-3), ("mmac", "MAC", 1e6), ("mJ", "J", 1e-3), ("%", "", 0.01)],
)
def test_case_decides_only_where_it_must(text: str, unit: str, scale: float) -> None:
    assert scale_of(text, unit) == scale
    assert scale_of("MJ", "J") is None
