"""Cells of CSV files: numbers and harmless texts as they are, formulas disarmed."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.utils.csv_files import csv_text

FORMULAS = ("=", "+", "-", "@", "\t", "\r")


@pytest.mark.parametrize("start", FORMULAS)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(start: str) -> None:
    formula = f'{start}HYPERLINK("http://example.org","x")'
    (header, (cell,)) = csv.reader(io.StringIO(csv_text(pd.DataFrame({"=name": [formula]})), newline=""))
    assert (header, cell) == (["'=name"], f"'{formula}")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1))
def test_no_text_begins_as_a_formula_and_none_is_lost(texts: list[str]) -> None:
    table = pd.DataFrame({"key": "x", "text": texts})
    rows = list(csv.reader(io.StringIO(csv_text(table), newline="")))[1:]
    for text, (_, cell) in zip(texts, rows, strict=True):
        assert cell == (f"'{text}" if text.startswith(FORMULAS) else text)


@given(st.lists(st.floats(allow_infinity=False), min_size=1))
def test_numbers_stay_numbers_and_what_is_unknown_is_empty(numbers: list[float]) -> None:
    rows = csv_text(pd.DataFrame({"key": "x", "number": numbers})).splitlines()[1:]
    assert [cell == "x," for cell in rows] == np.isnan(numbers).tolist()
    read = [float(cell.removeprefix("x,") or "nan") for cell in rows]
    np.testing.assert_array_equal(read, numbers)
