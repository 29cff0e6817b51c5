"""How long a battery lasts: inferences, sleep between them, what keeps the link, what the cell loses itself.

A day of n inferences, each of ``energy`` joules during ``latency`` seconds, takes

    daily = n energy + max(day - n latency, 0) sleep power + day keepalive power + battery self-discharge

joules of a battery, which lasts ``battery / daily`` days, but no longer than its cell's shelf life. The
self-discharge of a day is a constant share of the full battery. A point that sends nothing keeps no link.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explorer.costs.latency import SECONDS_PER_DAY
from explorer.devices import Cell, Setting

JOULES_PER_WH = 3600.0
DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, kw_only=True)
class BatteryUse:
    """A battery and what is asked of it.

    Attributes:
        battery_wh: Energy of the full battery.
        samples_per_day: Inferences a day.
        cell: Its kind.

    Example:
        >>> from explorer.devices import CELLS
        >>> BatteryUse(battery_wh=10, samples_per_day=1000, cell=CELLS["li-ion"]).shelf_days
        1095.75
    """

    battery_wh: float
    samples_per_day: float
    cell: Cell

    @property
    def shelf_days(self) -> float:
        """Shelf life of the cell in days."""
        return self.cell.shelf_life_years * DAYS_PER_YEAR


def energy_days(point: Mapping[Any, Any], setting: Setting, use: BatteryUse) -> float:
    """Days until the battery is empty, however long its cell may lie.

    Args:
        point: Columns ``energy_model_j``, ``latency_model_s`` and ``exit_rate`` of an operating point.
        setting: Where it runs.
        use: The battery and how often it is used.

    Returns:
        Days; NaN where the energy, the power of sleeping or that of keeping the link is not known.

    Example:
        >>> from explorer.devices import CELLS
        >>> setting = Setting.load(edge="stm32l4r5", server="xeon_8124m", link="lorawan_sf7")
        >>> point = {"energy_model_j": 0.036, "latency_model_s": 1.0, "exit_rate": 0.0}
        >>> use = BatteryUse(battery_wh=1.0, samples_per_day=1000, cell=CELLS["li-socl2"])
        >>> round(energy_days(point, setting, use), 1)  # 36 J a day, sleep 0.18 J, self-discharge 0.1 J
        99.2
    """
    sleep_w = setting.edge.sleep_w
    keepalive_w = 0.0 if point["exit_rate"] == 1.0 else setting.link.keepalive_w
    if sleep_w is None or keepalive_w is None:
        return math.nan
    battery_j = use.battery_wh * JOULES_PER_WH
    asleep_s = max(SECONDS_PER_DAY - use.samples_per_day * point["latency_model_s"], 0.0)
    daily_j = use.samples_per_day * point["energy_model_j"] + asleep_s * sleep_w
    daily_j += SECONDS_PER_DAY * keepalive_w
    daily_j += battery_j * use.cell.self_discharge_per_year / DAYS_PER_YEAR
    return float(battery_j / daily_j)


def battery_days(point: Mapping[Any, Any], setting: Setting, use: BatteryUse) -> float:
    """:func:`energy_days`, but no more than the cell's shelf life.

    Example:
        >>> from explorer.devices import CELLS
        >>> setting = Setting.load(edge="stm32l4r5", server="xeon_8124m", link="lorawan_sf7")
        >>> point = {"energy_model_j": 1e-4, "latency_model_s": 0.01, "exit_rate": 1.0}
        >>> use = BatteryUse(battery_wh=10, samples_per_day=100, cell=CELLS["li-socl2"])
        >>> battery_days(point, setting, use), energy_days(point, setting, use) > 29_000
        (3652.5, True)
    """
    days = energy_days(point, setting, use)
    return days if math.isnan(days) else min(days, use.shelf_days)


def battery_text(point: Mapping[Any, Any], setting: Setting, use: BatteryUse) -> str:
    """What to tell a person: days, what limits them, or what is not known.

    Example:
        >>> from explorer.devices import CELLS
        >>> use = BatteryUse(battery_wh=10, samples_per_day=100, cell=CELLS["li-mno2"])
        >>> point = {"energy_model_j": 0.1, "latency_model_s": 0.1, "exit_rate": 1.0}
        >>> point["max_samples_per_day"] = 864_000.0
        >>> print(battery_text(point, Setting.load("stm32l4r5", "xeon_8124m", "lorawan_sf7"), use))
        battery: 3,086.1 days at 100 samples a day, sleep and self-discharge (li-mno2) counted
        >>> print(battery_text(point, Setting.load("stm32h7a3", "xeon_8124m", "lorawan_sf7"), use))
        battery: unknown, since the profiles lack sleep_w of edge stm32h7a3
    """
    days = energy_days(point, setting, use)
    asked = f"at {use.samples_per_day:g} samples a day"
    if math.isnan(days):
        return f"battery: unknown, since the profiles lack {' and '.join(_unknown(point, setting))}"
    text = f"battery: {days:,.1f} days {asked}, sleep and self-discharge ({use.cell.name}) counted"
    if days > use.shelf_days:
        text = (
            f"battery: {use.shelf_days:,.1f} days {asked}, the shelf life of {use.cell.name}; "
            f"its energy alone would last {days:,.1f} days"
        )
    if point["max_samples_per_day"] < use.samples_per_day:
        allowed = f"{math.floor(point['max_samples_per_day']):,} samples a day"
        text += f"; but the duty cycle of {setting.link.name} allows {allowed}"
    return text


def _unknown(point: Mapping[Any, Any], setting: Setting) -> list[str]:
    """Which numbers are missing, with the profiles that lack them."""
    lacking = []
    if math.isnan(point["energy_model_j"]):
        lacking.append("an energy per sample")
    if setting.edge.sleep_w is None:
        lacking.append(f"sleep_w of edge {setting.edge.name}")
    if point["exit_rate"] != 1.0 and setting.link.keepalive_w is None:
        lacking.append(f"keepalive_j with keepalive_s of link {setting.link.name}")
    return lacking
