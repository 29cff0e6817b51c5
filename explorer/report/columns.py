"""Which columns of an operating point people see, under which heading, in which unit."""

import json
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import pandas as pd

from explorer.objectives import ALL_METRICS, MEASURED_METRICS
from explorer.report.axes import known_numbers, zero_slot

CONFIGURATION_GROUP = "configuration"
VALIDATION_GROUP = "on validation data"
COUNTED_GROUP = "counted"
MODELLED_GROUP = "modelled"
MEASURED_GROUP = "measured on host"
METRIC_GROUPS = (VALIDATION_GROUP, COUNTED_GROUP, MODELLED_GROUP, MEASURED_GROUP)

MISSING_TEXT = "n/a"

_CONFIGURATION = {
    "backbone": "Backbone",
    "pattern": "Pattern",
    "epochs": "Epochs trained",
    "split_point": "Split point",
    "confidence_threshold": "Confidence threshold",
    "payload_bits": "Payload bits",
    "mean_density": "Mean density",
    "densities_text": "Densities",
    "network_key": "Network",
}
DETAILS = (
    "densities_text",
    "network_key",
    "accuracy_interval",
)  # for a point's card; nobody plots or tabulates them
_NUMERIC_CONFIGURATION = ("epochs", "confidence_threshold", "payload_bits", "mean_density")
_PERCENT = ("accuracy", "exit_rate")
_PREFIXES: dict[str, tuple[tuple[float, str], ...]] = {
    "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")),
    "MAC": ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")),
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "J": ((1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ")),
}


class Column(NamedTuple):
    """How one column is shown.

    Attributes:
        name: Column of the points table, in SI units.
        label: What people read.
        group: The list it belongs to; modelled and measured values never share one.
        unit: Unit of the shown number, empty for a plain one.
        scale: Shown number = value / scale.
        numeric: False for text such as the backbone.
        direction: "maximize", "minimize", or "" where neither end is better.
        zero_slot: Shown number at whose place 0 is drawn on a logarithmic axis; None where there is no 0.
    """

    name: str
    label: str
    group: str
    unit: str = ""
    scale: float = 1.0
    numeric: bool = True
    direction: str = ""
    zero_slot: float | None = None

    @property
    def title(self) -> str:
        """Label and unit, for an axis or a table heading."""
        label = f"{self.label}, {self.group}" if self.needs_group else self.label
        return f"{label} [{self.unit}]" if self.unit else label

    @property
    def needs_group(self) -> bool:
        """Whether the label alone does not tell that the value is modelled or measured."""
        return self.group in (MODELLED_GROUP, MEASURED_GROUP) and self.group.split()[0] not in self.label

    def text(self, value: Any) -> str:
        """The value as a person reads it, with its unit."""
        if _is_missing(value):
            return MISSING_TEXT
        if not self.numeric:
            return str(value)
        return f"{number_text(float(value) / self.scale)} {self.unit}".rstrip()


def number_text(value: float) -> str:
    """At most four significant digits, thousands separated."""
    if not math.isfinite(value):
        return MISSING_TEXT
    return format(float(f"{value:.4g}"), ",.10g")


def quantity_text(value: float | None, unit: str) -> str:
    """One value with the prefix that suits it: ``quantity_text(1500, "B")`` is ``1.5 kB``."""
    if value is None or math.isnan(value):
        return MISSING_TEXT
    scale, shown_unit = _prefix([value], unit)
    return f"{number_text(value / scale)} {shown_unit}".rstrip()


def metric_text(name: str, value: float) -> str:
    """One value of a metric: ``metric_text("accuracy", 0.953)`` is ``95.3 %``."""
    if name in _PERCENT and not math.isnan(value):
        return f"{number_text(value * 100)} %"
    return quantity_text(value, ALL_METRICS[name].unit)


def catalogue(points: pd.DataFrame) -> dict[str, Column]:
    """The columns that have at least one value in ``points``, by name, in reading order.

    Every column gets one unit for all its values, so that numbers below each other compare.

    Args:
        points: Operating points with what :func:`derived_columns` gives added.
    """
    columns = [
        Column(name, label, CONFIGURATION_GROUP, numeric=name in _NUMERIC_CONFIGURATION)
        for name, label in _CONFIGURATION.items()
    ]
    for name, metric in ALL_METRICS.items():
        values = known_numbers(points[name])
        scale, unit = (0.01, "%") if name in _PERCENT else _prefix(values, metric.unit)
        slot = zero_slot(value / scale for value in values)
        columns.append(Column(name, metric.label, _group(name), unit, scale, True, metric.direction, slot))
        if name == "accuracy":
            columns.append(Column("accuracy_interval", "95 % interval", VALIDATION_GROUP, numeric=False))
    return {column.name: column for column in columns if points[column.name].notna().any()}


def missing_columns(points: pd.DataFrame) -> list[str]:
    """Labels of the metrics for which no point has a value."""
    return [metric.label for name, metric in ALL_METRICS.items() if not points[name].notna().any()]


def derived_columns(points: pd.DataFrame) -> pd.DataFrame:
    """What people read that no column of the run says directly.

    Returns:
        ``mean_density`` over the junctions (1 where none is listed), ``densities_text`` with all of them, and
        ``accuracy_interval``, the 95 % interval as text.
    """
    means, texts = {}, {}
    for text in points["densities"].unique():
        by_junction = json.loads(text)
        means[text] = sum(by_junction.values()) / len(by_junction) if by_junction else 1.0
        texts[text] = ", ".join(f"{junction} {density:.4g}" for junction, density in by_junction.items())
    ends = zip(points["accuracy_ci95_low"], points["accuracy_ci95_high"], strict=True)
    return pd.DataFrame(
        {
            "mean_density": points["densities"].map(means).astype(float),
            "densities_text": points["densities"].map(texts).replace("", "no sparse junction"),
            "accuracy_interval": [" to ".join(metric_text("accuracy", end) for end in pair) for pair in ends],
        },
        index=points.index,
    )


def _group(name: str) -> str:
    if name in _PERCENT:
        return VALIDATION_GROUP
    if name in MEASURED_METRICS:
        return MEASURED_GROUP
    return MODELLED_GROUP if "_model_" in name else COUNTED_GROUP


def _prefix(values: Iterable[float], unit: str) -> tuple[float, str]:
    """Scale and unit in which the median magnitude of ``values`` reads as a number of 1 to 999."""
    prefixes = _PREFIXES.get(unit, ((1.0, unit),))
    magnitudes = sorted(abs(float(value)) for value in values if value)
    typical = magnitudes[len(magnitudes) // 2] if magnitudes else 0.0
    default = next(prefix for prefix in prefixes if prefix[0] == 1.0)
    if not typical:
        return default
    return next((prefix for prefix in prefixes if typical >= prefix[0]), prefixes[-1])


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
