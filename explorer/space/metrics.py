"""What can be optimised, constrained and read off an operating point: names, units, directions."""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from explorer.core.quality import CREDIT_OF, MARGINS, QualityName
from explorer.errors import UserError
from explorer.utils.units import scale_of, unit_scales

Direction = Literal["maximize", "minimize"]
Kind = Literal["learned", "counted", "modelled", "measured"]


@dataclass(frozen=True)
class Metric:
    """One numeric column of an operating point, and all that tables, fronts and the page must know of it.

    Attributes:
        name: Column name, with its unit as suffix where it has one.
        unit: SI unit, empty for a plain number.
        direction: Which way is better.
        kind: ``learned``: known after training only; ``counted``: follows from the network's structure;
            ``modelled``: from structure, devices and link; ``measured``: on this host, after a search.
        short_label: For narrow tables and sliders.
        note: What the short label leaves open, in parentheses after it in :attr:`label`.
        is_share: A number in [0, 1], shown in percent.
        credit: Column of the sweep whose mean over samples it is, see :mod:`explorer.core.credits`.
        bounds: Column of the sweep of whose mean it is an end of the 95 % interval.
        margin: Column of the sweep that says how far that end lies from the mean; empty for Wilson's.
        needs: Quantities of the profiles, by role, without which the column is empty.
        in_front: Whether ``front.csv`` has the column.
        slider: Whether the page offers a limit on it from the start.
        everywhere: Whether every operating point has a value, as an objective must.

    Example:
        >>> METRICS["edge_macs"].label
        'Edge MACs'
        >>> METRICS["accuracy"].label, METRICS["accuracy"].known_before_training
        ('Accuracy (validation)', False)
    """

    name: str
    unit: str
    direction: Direction
    kind: Kind
    short_label: str
    note: str = ""
    is_share: bool = False
    credit: str = ""
    bounds: str = ""
    margin: str = ""
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    in_front: bool = True
    slider: bool = False
    everywhere: bool = True

    @property
    def label(self) -> str:
        """For axes and tables."""
        return f"{self.short_label} ({self.note})" if self.note else self.short_label

    @property
    def known_before_training(self) -> bool:
        """Whether its bounds follow from structure, devices and link alone."""
        return self.kind in ("counted", "modelled")

    @property
    def ideal(self) -> float:
        """The best value there can be: 1 for a share to maximise, 0 for a cost."""
        return 1.0 if self.direction == "maximize" else 0.0


_LATENCY_NEEDS = {
    **dict.fromkeys(("edge", "server"), ("compute_times",)),
    "link": ("uplink_bits_per_s", "rtt_s"),
}
_ENERGY_NEEDS = _LATENCY_NEEDS | {
    "edge": ("compute_times", "active_w", "idle_w"),
    "link": ("uplink_bits_per_s", "rtt_s", "joules_per_bit", "joules_per_message"),
}
_DUTY_NEEDS = _LATENCY_NEEDS | {"link": ("uplink_bits_per_s", "rtt_s", "duty_cycle")}


def _by_name(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


def _share(name: str, label: str, note: str, **more: Any) -> Metric:
    return Metric(name, "", "maximize", "learned", label, note, is_share=True, **more)


def _with_interval(name: QualityName, label: str) -> tuple[Metric, ...]:
    """A learned share of the sweep, and the ends of its interval."""
    credit, (below, above) = CREDIT_OF[name], ("", "") if name == "accuracy" else MARGINS
    low, high = "lower end of the 95 % interval", "upper end of the interval"
    return (
        _share(name, label, "validation", credit=credit, slider=True),
        _share(f"{name}_ci95_low", f"{label}, assured", low, bounds=credit, margin=below, slider=True),
        _share(f"{name}_ci95_high", f"{label}, at best", high, bounds=credit, margin=above),
    )


def _corrected(name: QualityName, label: str) -> tuple[Metric, ...]:
    """The same without what being chosen adds."""
    return (
        _share(f"{name}_corrected", f"{label}, corrected", "for having been chosen"),
        _share(f"{name}_corrected_ci95_low", f"{label}, corrected, assured", "lower end"),
        _share(f"{name}_corrected_ci95_high", f"{label}, corrected, at best", "upper end"),
    )


METRICS = _by_name(  # of every run
    *_with_interval("accuracy", "Accuracy"),
    Metric("exit_rate", "", "maximize", "learned", "Exit rate", is_share=True),
    Metric("edge_macs", "MAC", "minimize", "counted", "Edge MACs", slider=True),
    Metric("edge_macs_dense", "MAC", "minimize", "counted", "Edge MACs, dense counterpart"),
    Metric("server_macs", "MAC", "minimize", "counted", "Server MACs", "expected"),
    Metric("edge_param_bytes", "B", "minimize", "counted", "Edge parameters"),
    Metric("edge_flash_bytes", "B", "minimize", "counted", "Edge flash", "stored"),
    Metric("edge_ram_bytes", "B", "minimize", "counted", "Edge RAM", "peak of activations"),
    Metric("edge_memory_bytes", "B", "minimize", "counted", "Edge memory", "flash and RAM", slider=True),
    Metric("payload_bytes", "B", "minimize", "counted", "Payload", "expected", slider=True),
    Metric("wire_bytes", "B", "minimize", "modelled", "On the wire", "sent, expected"),
    Metric(
        *("latency_model_s", "s", "minimize", "modelled", "Latency", "modelled, expected"),
        needs=_LATENCY_NEEDS,
        slider=True,
    ),
    Metric(
        *("latency_exit_s", "s", "minimize", "modelled", "Latency of an exit", "modelled"),
        needs={"edge": ("macs_per_s",)},
        everywhere=False,
    ),
    Metric(
        *("latency_offload_s", "s", "minimize", "modelled", "Latency of a sent sample", "modelled"),
        needs=_LATENCY_NEEDS,
        everywhere=False,
    ),
    Metric(
        *(
            "deadline_missed",
            "",
            "minimize",
            "modelled",
            "Late samples",
            "modelled, share after the deadline",
        ),
        is_share=True,
        needs=_LATENCY_NEEDS,
        slider=True,
    ),
    Metric(
        *("max_samples_per_day", "", "maximize", "modelled", "Samples a day", "allowed by the duty cycle"),
        needs=_DUTY_NEEDS,
    ),
    Metric(
        *("energy_model_j", "J", "minimize", "modelled", "Edge energy", "modelled, expected"),
        needs=_ENERGY_NEEDS,
        slider=True,
    ),
)
QUALITY_METRICS = _by_name(  # of runs whose quality they are, see explorer/core/quality.py
    *_with_interval("balanced_accuracy", "Balanced accuracy"),
    *_with_interval("weighted_accuracy", "Weighted accuracy"),
)
SEARCHED_METRICS = METRICS | QUALITY_METRICS  # what may be optimised
CORRECTED_METRICS = _by_name(  # known after a search only, see explorer/front/optimism.py
    *_corrected("accuracy", "Accuracy"),
)
CORRECTED_QUALITY_METRICS = _by_name(
    *_corrected("balanced_accuracy", "Balanced accuracy"),
    *_corrected("weighted_accuracy", "Weighted accuracy"),
)
MEASURED_METRICS = _by_name(
    Metric("edge_latency_host_s", "s", "minimize", "measured", "Edge part on this host", "measured"),
    Metric("server_latency_host_s", "s", "minimize", "measured", "Server part on this host", "measured"),
    Metric("encode_latency_host_s", "s", "minimize", "measured", "Encoder on this host", "measured"),
    Metric("decode_latency_host_s", "s", "minimize", "measured", "Decoder on this host", "measured"),
    Metric("edge_energy_host_j", "J", "minimize", "measured", "Edge part on this host", "codecarbon"),
)
OF_A_QUALITY = QUALITY_METRICS | CORRECTED_QUALITY_METRICS
ALL_METRICS = SEARCHED_METRICS | CORRECTED_METRICS | CORRECTED_QUALITY_METRICS | MEASURED_METRICS

_CONSTRAINT = re.compile(
    r"^\s*(?P<column>\w+)\s*(?P<operator><=|>=)\s*(?P<value>[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)\s*(?P<unit>[A-Za-zµ%]*)\s*$"
)


@dataclass(frozen=True)
class Constraint:
    """``column <= bound`` or ``column >= bound``, the bound in SI units.

    Example:
        >>> limit = Constraint("edge_macs", "<=", 1000.0)
        >>> limit.violation(1500.0), limit.satisfied(pd.DataFrame({"edge_macs": [900, 1500]})).tolist()
        (0.5, [True, False])
    """

    column: str
    operator: str
    bound: float

    def __str__(self) -> str:
        return f"{self.column} {self.operator} {self.bound:g}"

    @property
    def text(self) -> str:
        """For a sentence, shares in percent; :func:`parse_constraint` reads it, too.

        Example:
            >>> Constraint("accuracy", ">=", 0.95).text
            'accuracy >= 95 %'
        """
        if ALL_METRICS[self.column].is_share:
            return f"{self.column} {self.operator} {100 * self.bound:g} %"
        return str(self)

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

    Example:
        >>> parse_constraint("edge_memory_bytes <= 64 KiB", "--where")
        Constraint(column='edge_memory_bytes', operator='<=', bound=65536.0)
    """
    match = _CONSTRAINT.match(text)
    if match is None:
        raise UserError(
            f"{where}: must read `column <= number [unit]` or `column >= number [unit]`, got {text!r}"
        )
    column, unit = match["column"], match["unit"]
    if column not in ALL_METRICS:
        raise UserError(f"{where}: unknown column {column!r}; known: {', '.join(ALL_METRICS)}")
    scale = scale_of(unit, ALL_METRICS[column].unit)
    if scale is None:
        known = " ".join(unit_scales(ALL_METRICS[column].unit))
        raise UserError(f"{where}: unknown unit {unit!r} for {column}; known: {known}")
    # 57 % is 0.57, as the page has it, and not 0.5700000000000001
    if not math.isfinite(bound := float(f"{float(match['value']) * scale:.15g}")):
        raise UserError(f"{where}: must name a finite number, got {text!r}")
    return Constraint(column, match["operator"], bound)


def check_possible(constraints: Sequence[Constraint]) -> None:
    """Refuse what no operating point can satisfy, whatever is searched: shares above 1, bounds that cross.

    Raises:
        UserError: Names the constraints.

    Example:
        >>> check_possible([Constraint("accuracy", ">=", 95.0)])
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: accuracy is a share of at most 1, got accuracy >= 95; write 95 %
    """
    for own in constraints:
        if own.operator == ">=" and own.bound > 1 and ALL_METRICS[own.column].is_share:
            advice = f"; write {own.bound:g} %" if own.bound <= 100 else ""
            raise UserError(f"{own.column} is a share of at most 1, got {own}{advice}")
        if own.operator == "<=" and own.bound < 0:
            raise UserError(f"{own.column} is never below 0, got {own}")
        for other in constraints:
            crossing = own.operator == ">=" and other.operator == "<=" and own.bound > other.bound
            if crossing and own.column == other.column:
                raise UserError(f"constraints must leave something, got {own} and {other}")


def assured(constraint: Constraint, known: Collection[str] = ()) -> Constraint:
    """The constraint on the lower end of the interval, where it asks for an accuracy of any kind.

    Args:
        constraint: Any.
        known: Columns that have values: the corrected lower end is taken where it is one of them.

    Example:
        >>> str(assured(parse_constraint("accuracy >= 95 %", "--where")))
        'accuracy_ci95_low >= 0.95'
        >>> str(assured(parse_constraint("accuracy >= 95 %", "--where"), ["accuracy_corrected_ci95_low"]))
        'accuracy_corrected_ci95_low >= 0.95'
        >>> str(assured(parse_constraint("edge_macs <= 5000", "--where")))
        'edge_macs <= 5000'
    """
    if constraint.column not in CREDIT_OF or constraint.operator != ">=":
        return constraint
    corrected, plain = assured_columns(constraint.column)
    return replace(constraint, column=corrected if corrected in known else plain)


def assured_columns(name: str) -> tuple[str, str]:
    """Lower ends of the interval of an accuracy: corrected, and as validated.

    Example:
        >>> assured_columns("balanced_accuracy")
        ('balanced_accuracy_corrected_ci95_low', 'balanced_accuracy_ci95_low')
    """
    return f"{name}_corrected_ci95_low", f"{name}_ci95_low"


def loss_values(points: pd.DataFrame, metrics: Iterable[Metric]) -> pd.DataFrame:
    """The objective columns with directions folded in: every column is to be minimised.

    Returns:
        Frame of shape (n_points, n_objectives); maximised columns are negated.

    Example:
        >>> points = pd.DataFrame({"accuracy": [0.9, 0.8], "edge_macs": [5000, 1000]})
        >>> loss_values(points, [METRICS["accuracy"], METRICS["edge_macs"]]).to_numpy().tolist()
        [[-0.9, 5000.0], [-0.8, 1000.0]]
    """
    chosen = tuple(metrics)
    values = np.empty((len(points), len(chosen)))
    for column, metric in enumerate(chosen):
        values[:, column] = points[metric.name]
        if metric.direction == "maximize":
            values[:, column] *= -1.0
    return pd.DataFrame(values, index=points.index, columns=[metric.name for metric in chosen])
