"""What can be optimised, constrained and read off an operating point: names, units, directions."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from explorer.errors import UserError

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Metric:
    """One numeric column of an operating point.

    Attributes:
        name: Column name, with its unit as suffix where it has one.
        unit: SI unit, empty for a plain number.
        direction: Which way is better.
        label: For axes and tables.
    """

    name: str
    unit: str
    direction: Direction
    label: str


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "", "maximize", "Accuracy (validation)"),
        Metric("exit_rate", "", "maximize", "Exit rate"),
        Metric("edge_macs", "MAC", "minimize", "Edge MACs"),
        Metric("edge_macs_dense", "MAC", "minimize", "Edge MACs, dense twin"),
        Metric("server_macs", "MAC", "minimize", "Server MACs (expected)"),
        Metric("edge_param_bytes", "B", "minimize", "Edge parameters"),
        Metric("edge_memory_bytes", "B", "minimize", "Edge memory"),
        Metric("payload_bytes", "B", "minimize", "Payload (expected)"),
        Metric("latency_model_s", "s", "minimize", "Latency (modelled, expected)"),
        Metric("energy_model_j", "J", "minimize", "Edge energy (modelled, expected)"),
    )
}
MEASURED_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("edge_latency_host_s", "s", "minimize", "Edge part on this host (measured)"),
        Metric("server_latency_host_s", "s", "minimize", "Server part on this host (measured)"),
        Metric("encode_latency_host_s", "s", "minimize", "Encoder on this host (measured)"),
        Metric("decode_latency_host_s", "s", "minimize", "Decoder on this host (measured)"),
        Metric("edge_energy_host_j", "J", "minimize", "Edge part on this host (codecarbon)"),
    )
}
ALL_METRICS = METRICS | MEASURED_METRICS

_SCALES: dict[str, dict[str, float]] = {  # by a column's unit; "5 MJ" is not "5 mJ"
    "": {"%": 0.01},
    "B": {"b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30},
    "s": {"s": 1.0, "ms": 1e-3, "us": 1e-6},
    "J": {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6},
    "MAC": {"mac": 1.0, "kmac": 1e3, "mmac": 1e6, "gmac": 1e9},
}
_CONSTRAINT = re.compile(
    r"^\s*(?P<column>\w+)\s*(?P<operator><=|>=)\s*(?P<value>[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)\s*(?P<unit>[A-Za-z%]*)\s*$"
)


@dataclass(frozen=True)
class Constraint:
    """``column <= bound`` or ``column >= bound``, the bound in SI units."""

    column: str
    operator: str
    bound: float

    def __str__(self) -> str:
        return f"{self.column} {self.operator} {self.bound:g}"

    def violation(self, value: float) -> float:
        """How far ``value`` misses the bound, relative to it; <= 0 is feasible (Optuna's convention).

        A missing value (NaN) violates: what is not known cannot be promised.
        """
        if math.isnan(value):
            return math.inf
        excess = value - self.bound if self.operator == "<=" else self.bound - value
        return excess / abs(self.bound) if self.bound else excess

    def satisfied(self, points: pd.DataFrame) -> "pd.Series[bool]":
        """Which rows of ``points`` satisfy the constraint; missing values do not."""
        values = points[self.column]
        return values <= self.bound if self.operator == "<=" else values >= self.bound


def parse_constraint(text: str, where: str) -> Constraint:
    """Read ``edge_memory_bytes <= 64 KiB``.

    Args:
        text: Column, ``<=`` or ``>=``, number, optional unit (B kB MB KiB MiB s ms us J mJ uJ MMAC %).
        where: File and key or option, for the message.

    Raises:
        UserError: Unknown column, operator or form, or a unit that the column does not have.
    """
    match = _CONSTRAINT.match(text)
    if match is None:
        raise UserError(
            f"{where}: must read `column <= number [unit]` or `column >= number [unit]`, got {text!r}"
        )
    column, unit = match["column"], match["unit"]
    if column not in ALL_METRICS:
        raise UserError(f"{where}: unknown column {column!r}; known: {', '.join(ALL_METRICS)}")
    scales = {"": 1.0} | _SCALES[ALL_METRICS[column].unit]
    scale = scales.get(unit, scales.get(unit.lower()))
    if scale is None:
        raise UserError(f"{where}: unknown unit {unit!r} for {column}; known: {' '.join(scales).strip()}")
    return Constraint(column, match["operator"], float(match["value"]) * scale)


def loss_values(points: pd.DataFrame, metrics: Iterable[Metric]) -> pd.DataFrame:
    """The objective columns with directions folded in: every column is to be minimised.

    Returns:
        Frame of shape (n_points, n_objectives); maximised columns are negated.
    """
    chosen = tuple(metrics)
    values = np.empty((len(points), len(chosen)))
    for column, metric in enumerate(chosen):
        values[:, column] = points[metric.name]
        if metric.direction == "maximize":
            values[:, column] *= -1.0
    return pd.DataFrame(values, index=points.index, columns=[metric.name for metric in chosen])
