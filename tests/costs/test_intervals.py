"""Learned columns: shares, and the ends of their intervals."""

import numpy as np
import pytest

from explorer.core.credits import earned
from explorer.core.quality import Quality
from explorer.costs.intervals import learned_columns
from explorer.space.metrics import METRICS, QUALITY_METRICS


def test_learned_columns_are_the_metrics_that_name_a_column_of_the_sweep() -> None:
    columns = learned_columns({"correct": np.array([90.0, 50.0])}, np.array([100, 100]))
    assert set(columns) == {name for name, own in METRICS.items() if own.credit or own.bounds}
    assert (columns["accuracy_ci95_low"] < columns["accuracy"]).all()
    assert (columns["accuracy_ci95_high"] > columns["accuracy"]).all()


@pytest.mark.parametrize("name", ["balanced_accuracy", "weighted_accuracy"])
def test_a_quality_has_columns_of_its_own(name: str) -> None:
    right, labels = np.array([True, True, True, False, True]), np.array([0, 0, 0, 1, 1])
    quality = Quality(name, ((1, 4.0),) if name == "weighted_accuracy" else ())  # type: ignore[arg-type]
    own = {column: np.array([value]) for column, value in earned(right, labels, quality).items()}
    columns = learned_columns(own, np.array([5]))
    expected = {"balanced_accuracy": (1 + 1 / 2) / 2, "weighted_accuracy": (3 + 4) / (3 + 8)}
    assert columns[name][0] == pytest.approx(expected[name])
    assert columns["accuracy"][0] == pytest.approx(4 / 5)
    found = {column for column in columns if column in QUALITY_METRICS}
    assert found == {name, f"{name}_ci95_low", f"{name}_ci95_high"}
    assert 0 < columns[f"{name}_ci95_low"][0] < columns[name][0] < columns[f"{name}_ci95_high"][0] <= 1
