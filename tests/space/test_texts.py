import pandas as pd
import pytest

from explorer.space.texts import metric_text, missing_columns, number_text, quantity_text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.12345, "0.1235"), (1234.5, "1,235"), (98765.0, "98,770"), (float("inf"), "n/a")],
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
        (2e6, "MAC", "2 M MACs"),
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


def test_columns_without_a_value_are_missing() -> None:
    points = pd.DataFrame({"accuracy": [0.5], "edge_macs": [1.0]})
    missing = missing_columns(points)
    assert "Latency (modelled, expected)" in missing
    assert "Edge MACs" not in missing
