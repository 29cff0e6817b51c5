"""Numbers and metrics as a person reads them, in words and tables made in Python."""

import math
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Context

import pandas as pd

from explorer.space.constraints import Constraint
from explorer.space.metrics import ALL_METRICS, OF_A_QUALITY, Metric
from explorer.utils.units import PREFIXES

MISSING_TEXT = "n/a"
_FOUR_DIGITS = Context(prec=4, rounding=ROUND_HALF_UP)
_BINARY = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))  # which people and vendors write for memory


def number_text(value: float) -> str:
    """At most four significant digits, thousands separated.

    A half is rounded up, of the number as it is written: 90.125 is 90.13, as a browser has it on the page.

    Example:
        >>> number_text(1234567.0), number_text(90.125), number_text(float("nan"))
        ('1,235,000', '90.13', 'n/a')
    """
    if not math.isfinite(value):
        return MISSING_TEXT
    return f"{_FOUR_DIGITS.create_decimal(repr(float(value))).normalize():,f}"


def quantity_text(value: float | None, unit: str) -> str:
    """One value with the prefix that suits it: ``quantity_text(1500, "B")`` is ``1.5 kB``.

    Example:
        >>> quantity_text(1500, "B"), quantity_text(0.0042, "s"), quantity_text(None, "J")
        ('1.5 kB', '4.2 ms', 'n/a')
    """
    if value is None or math.isnan(value):
        return MISSING_TEXT
    scale, shown_unit = _prefix([value], unit)
    return f"{number_text(value / scale)} {shown_unit}".rstrip()


def bound_text(bound: float, unit: str) -> str:
    """A bound with the prefix that suits it, binary where only that makes it a whole number.

    Example:
        >>> bound_text(131_072, "B"), bound_text(180_000, "B"), bound_text(0.95, "%")
        ('128 KiB', '180 kB', '95 %')
    """
    if unit == "B" and bound % 1000:
        for scale, name in _BINARY:
            if bound >= scale and bound % scale == 0:
                return f"{number_text(bound / scale)} {name}"
    return quantity_text(bound, unit)


def limit_text(limit: Constraint) -> str:
    """The bound of a constraint, with its sign.

    Example:
        >>> limit_text(Constraint("edge_memory_bytes", "<=", 65536.0))
        '≤ 64 KiB'
    """
    sign = "≤" if limit.operator == "<=" else "≥"
    return f"{sign} {bound_text(limit.bound, unit_of(ALL_METRICS[limit.column]))}"


def metric_text(name: str, value: float) -> str:
    """One value of a metric: ``metric_text("accuracy", 0.953)`` is ``95.3 %``.

    Example:
        >>> metric_text("accuracy", 0.953), metric_text("edge_macs", 12_300)
        ('95.3 %', '12.3 k MACs')
    """
    return quantity_text(value, unit_of(ALL_METRICS[name]))


def metric_texts(name: str, values: Sequence[float]) -> tuple[str, list[str]]:
    """Values of a metric side by side: the unit that they share, and a number each.

    Example:
        >>> metric_texts("edge_ram_bytes", [1500, 20_000, float("nan")])
        ('kB', ['1.5', '20', 'n/a'])
        >>> metric_texts("accuracy", [0.953]), metric_texts("edge_macs", [640])
        (('%', ['95.3']), ('MACs', ['640']))
    """
    known = [value for value in values if math.isfinite(value)]
    scale, unit = _prefix(known, unit_of(ALL_METRICS[name]))
    return unit, [number_text(value / scale) for value in values]


def unit_of(metric: Metric) -> str:
    """What values of a metric are shown in: its SI unit, shares in per cent.

    Example:
        >>> unit_of(ALL_METRICS["accuracy"]), unit_of(ALL_METRICS["edge_macs"])
        ('%', 'MAC')
    """
    return "%" if metric.is_share else metric.unit


def share_text(value: float) -> str:
    """A share of at most hundreds of samples, in percent with as many digits as it has.

    Example:
        >>> share_text(0.9775), share_text(0.5), share_text(float("nan"))
        ('97.75 %', '50.00 %', 'n/a')
    """
    return MISSING_TEXT if math.isnan(value) else f"{100 * value:.2f} %"


def missing_columns(points: pd.DataFrame) -> list[str]:
    """Labels of the metrics for which no point has a value, but those of another quality than the run's.

    Example:
        >>> missing = missing_columns(pd.DataFrame({"accuracy": [0.9], "energy_model_j": [None]}))
        >>> "Accuracy (validation)" in missing, "Exit rate" in missing
        (False, True)
    """
    known = set(points.columns[points.notna().any()])
    asked = [name for name in ALL_METRICS if name not in OF_A_QUALITY or name in points]
    return [ALL_METRICS[name].label for name in asked if name not in known]


def _prefix(values: Iterable[float], unit: str) -> tuple[float, str]:
    """Scale and unit in which the median magnitude of ``values`` reads as a number of 1 to 999."""
    if unit == "%":
        return 0.01, unit
    prefixes = PREFIXES.get(unit, ((1.0, unit),))
    magnitudes = sorted(abs(float(value)) for value in values if value)
    typical = magnitudes[len(magnitudes) // 2] if magnitudes else 0.0
    default = next(prefix for prefix in prefixes if prefix[0] == 1.0)
    if not typical:
        return default
    return next((prefix for prefix in prefixes if typical >= prefix[0]), prefixes[-1])
