"""What measuring may take: the share of the search, spread over the parts; and what is left out for it."""

from itertools import count

import pytest

from explorer import Run
from explorer.measure import budget
from explorer.measure.budget import LEAST_S, Budget, seconds_to_measure
from explorer.measure.parts import measure_parts, parts_to_measure
from explorer.runs.store import Store


def test_a_quarter_of_the_search_but_some_seconds_anyhow() -> None:
    assert seconds_to_measure(4 * LEAST_S) == LEAST_S
    assert seconds_to_measure(0.0) == LEAST_S
    assert seconds_to_measure(400.0) == 100.0


def test_extras_are_left_out_while_measuring_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count()  # a second passes at every look
    monkeypatch.setattr(budget.time, "perf_counter", lambda: float(next(clock)))
    own = Budget(seconds=4.0, parts=2)
    own.begin_part()
    assert [own.is_on_time for _ in range(3)] == [True, True, False]  # two seconds are due to the first part
    own.begin_part()
    assert own.is_on_time
    assert own.is_spent


def test_what_there_is_no_time_for_has_no_rows(digits_run: Run) -> None:
    parts, data = parts_to_measure(digits_run.points), digits_run.load_data()
    measured = measure_parts(parts, Store(digits_run.path), data, energy_seconds=0, budget_s=0.0)
    assert measured["parts"] == measured["codecs"] == []
    assert measured["conditions"]["unmeasured"] == len(parts) > 0
