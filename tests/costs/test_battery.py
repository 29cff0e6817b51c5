"""Battery life by its written formula, and what may not be said where numbers are missing."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.costs.battery import BatteryUse, battery_days, battery_text, energy_days
from explorer.devices import CELLS, DeviceProfile, LinkProfile, Setting

POINT = {"energy_model_j": 0.5, "latency_model_s": 2.0, "exit_rate": 0.25, "max_samples_per_day": math.nan}


def setting(sleep_w: float | None = 1e-3, **link: float) -> Setting:
    edge = DeviceProfile(name="e", kind="device", description="", sleep_w=sleep_w)
    radio = {"keepalive_j": 0.25, "keepalive_s": 2.0} | link
    return Setting(edge, edge, LinkProfile(name="l", kind="link", description="", **radio))


def use(cell: str = "li-socl2", **changes: float) -> BatteryUse:
    asked: dict[str, Any] = {"battery_wh": 1000.0, "samples_per_day": 1000.0} | changes
    return BatteryUse(**asked, cell=CELLS[cell])


def test_a_day_is_inferences_sleep_keeping_the_link_and_what_the_cell_loses() -> None:
    battery_j = 1000 * 3600
    daily = 1000 * 0.5 + (86_400 - 1000 * 2.0) * 1e-3 + 86_400 * 0.25 / 2.0 + battery_j * 0.01 / 365.25
    assert energy_days(POINT, setting(), use()) == pytest.approx(battery_j / daily)


def test_what_sends_nothing_keeps_no_link() -> None:
    alone = POINT | {"exit_rate": 1.0}
    battery_j = 1000 * 3600
    daily = 1000 * 0.5 + (86_400 - 1000 * 2.0) * 1e-3 + battery_j * 0.01 / 365.25
    assert energy_days(alone, setting(), use()) == pytest.approx(battery_j / daily)
    unknown = setting().link.model_copy(update={"keepalive_j": None})
    without = Setting(setting().edge, setting().server, unknown)
    assert energy_days(alone, without, use()) == pytest.approx(battery_j / daily)
    assert math.isnan(energy_days(POINT, without, use()))


def test_a_device_that_never_rests_does_not_sleep() -> None:
    busy = energy_days(POINT, setting(), use(samples_per_day=1e6))
    assert busy == pytest.approx(3.6e6 / (1e6 * 0.5 + 10_800 + 36_000 / 365.25))


@pytest.mark.parametrize(("sleep_w", "energy"), [(None, 0.5), (1e-3, math.nan)])
def test_unknown_stays_unknown(sleep_w: float | None, energy: float) -> None:
    point = POINT | {"energy_model_j": energy}
    assert math.isnan(battery_days(point, setting(sleep_w), use()))
    text = battery_text(point, setting(sleep_w), use())
    assert text.startswith("battery: unknown, since the profiles lack ")
    assert ("sleep_w of edge e" in text) == (sleep_w is None)
    assert ("an energy per sample" in text) == math.isnan(energy)


def test_no_answer_beyond_the_shelf_life_without_saying_so() -> None:
    frugal = POINT | {"energy_model_j": 1e-6, "exit_rate": 1.0}
    where, how = setting(sleep_w=1e-6), use()
    assert energy_days(frugal, where, how) > 30_000
    assert battery_days(frugal, where, how) == how.shelf_days == 10 * 365.25
    text = battery_text(frugal, where, how)
    assert "3,652.5 days" in text
    assert "the shelf life of li-socl2; its energy alone would last" in text


def test_more_samples_than_the_duty_cycle_allows_are_named() -> None:
    text = battery_text(POINT | {"max_samples_per_day": 412.9}, setting(), use())
    assert text.endswith("but the duty cycle of l allows 412 samples a day")
    assert "duty" not in battery_text(POINT, setting(), use())


@pytest.mark.parametrize("cell", CELLS.values(), ids=lambda cell: cell.name)
def test_every_number_of_a_cell_has_a_source(cell: Any) -> None:
    assert set(cell.sources) == {"self_discharge_per_year", "shelf_life_years"}
    assert min(map(len, cell.sources.values())) > 20


@given(
    st.floats(1e-6, 10),
    st.floats(0, 100),
    st.floats(1, 1e6),
    st.floats(0.1, 1e3),
    st.sampled_from(list(CELLS)),
)
def test_a_battery_never_outlives_its_own_self_discharge(
    energy: float, latency: float, samples: float, wh: float, cell: str
) -> None:
    point = POINT | {"energy_model_j": energy, "latency_model_s": latency}
    asked = use(cell, samples_per_day=samples, battery_wh=wh)
    days = energy_days(point, setting(), asked)
    assert 0 < days <= 365.25 / CELLS[cell].self_discharge_per_year
    assert battery_days(point, setting(), asked) <= min(days, asked.shelf_days)
