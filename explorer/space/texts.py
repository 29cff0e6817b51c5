"""Numbers and metrics as a person reads them, in words and tables made in Python."""

import math
from collections.abc import Iterable, Sequence

import pandas as pd

from explorer.space.metrics import ALL_METRICS, OF_A_QUALITY
from explorer.utils.units import PREFIXES

MISSING_TEXT = "n/a"


def number_text(value: float) -> str:
    """At most four significant digits, thousands separated.

    Example:
        >>> number_text(1234567.0), number_text(0.123456), number_text(float("nan"))
        ('1,235,000', '0.1235', 'n/a')
    """
    if not math.isfinite(value):
        return MISSING_TEXT
    return format(float(f"{value:.4g}"), ",.10g")


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


def metric_text(name: str, value: float) -> str:
    """One value of a metric: ``metric_text("accuracy", 0.953)`` is ``95.3 %``.

    Example:
        >>> metric_text("accuracy", 0.953), metric_text("edge_macs", 12_300)
        ('95.3 %', '12.3 k MACs')
    """
    if ALL_METRICS[name].is_share and not math.isnan(value):
        return f"{number_text(value * 100)} %"
    return quantity_text(value, ALL_METRICS[name].unit)


def metric_texts(name: str, values: Sequence[float]) -> tuple[str, list[str]]:
    """Values of a metric side by side: the unit that they share, and a number each.

    Example:
        >>> metric_texts("edge_ram_bytes", [1500, 20_000, float("nan")])
        ('kB', ['1.5', '20', 'n/a'])
        >>> metric_texts("accuracy", [0.953]), metric_texts("edge_macs", [640])
        (('%', ['95.3']), ('MACs', ['640']))
    """
    metric = ALL_METRICS[name]
    known = [value for value in values if math.isfinite(value)]
    scale, unit = (0.01, "%") if metric.is_share else _prefix(known, metric.unit)
    return unit, [number_text(value / scale) for value in values]


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
    prefixes = PREFIXES.get(unit, ((1.0, unit),))
    magnitudes = sorted(abs(float(value)) for value in values if value)
    typical = magnitudes[len(magnitudes) // 2] if magnitudes else 0.0
    default = next(prefix for prefix in prefixes if prefix[0] == 1.0)
    if not typical:
        return default
    return next((prefix for prefix in prefixes if typical >= prefix[0]), prefixes[-1])
