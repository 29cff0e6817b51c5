import numpy as np
import pandas as pd
import pytest
from synthetic_results import make_points

from explorer.objectives import MEASURED_METRICS
from explorer.report.axes import linear_ticks, log_ticks, spans_decades, zero_slot
from explorer.report.columns import (
    MEASURED_GROUP,
    MODELLED_GROUP,
    Column,
    catalogue,
    derived_columns,
    metric_text,
    missing_columns,
    number_text,
    quantity_text,
)


def with_derived(points: pd.DataFrame) -> pd.DataFrame:
    return points.join(derived_columns(points))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.12345, "0.1235"), (1234.5, "1,234"), (98765.0, "98,760"), (float("inf"), "n/a")],
)
def test_number_text(value: float, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1500, "B", "1.5 kB"),
        (999, "B", "999 B"),
        (0, "B", "0 B"),
        (0.0025, "s", "2.5 ms"),
        (3e-7, "s", "0.3 µs"),
        (2e6, "MAC", "2 M"),
        (float("nan"), "J", "n/a"),
        (None, "J", "n/a"),
    ],
)
def test_quantity_text(value: float | None, unit: str, text: str) -> None:
    assert quantity_text(value, unit) == text


def test_metric_text_shows_shares_in_percent() -> None:
    assert metric_text("accuracy", 0.9534) == "95.34 %"
    assert metric_text("accuracy", float("nan")) == "n/a"
    assert metric_text("latency_model_s", 0.05) == "50 ms"


def test_catalogue_gives_one_unit_per_column_from_its_median() -> None:
    points = with_derived(make_points(3).assign(payload_bytes=[10.0, 2000.0, 900_000.0]))
    column = catalogue(points)["payload_bytes"]
    assert (column.unit, column.scale, column.text(10.0)) == ("kB", 1000.0, "0.01 kB")


def test_catalogue_keeps_modelled_and_measured_apart() -> None:
    points = with_derived(make_points(50))
    groups = {column.name: column.group for column in catalogue(points).values()}
    assert groups["latency_model_s"] == groups["energy_model_j"] == MODELLED_GROUP
    assert groups["edge_latency_host_s"] == MEASURED_GROUP


def test_columns_without_a_value_are_missing_not_shown() -> None:
    points = with_derived(make_points(20).assign(latency_model_s=np.nan))
    assert "latency_model_s" not in catalogue(points)
    assert "Latency (modelled, expected)" in missing_columns(points)
    assert MEASURED_METRICS["edge_energy_host_j"].label in missing_columns(points)


def test_measured_columns_say_so_in_their_title() -> None:
    points = with_derived(make_points(20).assign(edge_energy_host_j=0.001))
    assert catalogue(points)["edge_energy_host_j"].title.endswith("measured on host [mJ]")


def test_derived_columns() -> None:
    points = make_points(3).assign(
        densities=['{"a": 0.25, "b": 0.75}', "{}", '{"a": 1.0}'],
        accuracy_ci95_low=0.9,
        accuracy_ci95_high=0.95,
    )
    derived = derived_columns(points)
    assert derived["mean_density"].tolist() == [0.5, 1.0, 1.0]
    assert derived["densities_text"].tolist() == ["a 0.25, b 0.75", "no sparse junction", "a 1"]
    assert derived["accuracy_interval"].tolist() == ["90 % to 95 %"] * 3


def test_text_of_a_missing_value() -> None:
    column = Column("payload_bits", "Payload bits", "configuration")
    assert [column.text(value) for value in (pd.NA, float("nan"), None, 8)] == ["n/a", "n/a", "n/a", "8"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 10.0, [0, 2, 4, 6, 8, 10]),
        (91.0, 99.0, [90, 92, 94, 96, 98, 100]),
        (5.0, 5.0, [5.0, 5.5]),
        (0.0, 0.0, [0.0, 0.1]),
    ],
)
def test_linear_ticks_are_round_and_enclose(low: float, high: float, ticks: list[float]) -> None:
    assert linear_ticks(low, high) == pytest.approx(ticks)


def test_log_ticks_enclose() -> None:
    assert log_ticks(3, 70) == pytest.approx([2, 5, 10, 20, 50, 100])
    assert log_ticks(0.02, 7e4) == pytest.approx([0.01, 0.1, 1, 10, 100, 1e3, 1e4, 1e5])


def test_zero_slot_lies_below_every_positive_value() -> None:
    assert zero_slot([0.0, 20.0, 300.0]) == pytest.approx(10**0.5)
    assert zero_slot([20.0]) is None
    assert zero_slot([0.0]) is None


def test_spans_decades_ignores_zeros_and_refuses_negatives() -> None:
    assert spans_decades([0, 1, 51])
    assert not spans_decades([1, 50])
    assert not spans_decades([-1, 1, 100])
    assert not spans_decades([0, 0])
