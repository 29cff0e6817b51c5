"""How a network is run, to a table's row and back."""

import numpy as np
import pandas as pd
import pytest

from explorer.core.run_point import RunPoint


@pytest.mark.parametrize(
    "point",
    [RunPoint("conv1", 0.5, 8), RunPoint("input", None, 32), RunPoint.at_output(), RunPoint("a", 0.0, 2)],
)
def test_there_and_back(point: RunPoint) -> None:
    assert RunPoint.from_row(point.to_row()) == point
    table = pd.DataFrame([point.to_row()]).astype({"payload_bits": "Int64", "confidence_threshold": float})
    assert RunPoint.from_row(table.iloc[0]) == point


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_whatever_is_missing_is_none(missing: object) -> None:
    row = {"split_point": "fc1", "confidence_threshold": missing, "payload_bits": missing}
    assert RunPoint.from_row(row) == RunPoint("fc1", None, None)
