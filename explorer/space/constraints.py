"""Limits on the columns of operating points, such as ``accuracy >= 95 %``: read, and held against values."""

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from explorer.core.quality import CREDIT_OF
from explorer.errors import UserError
from explorer.space.metrics import ALL_METRICS
from explorer.utils.units import scale_of, unit_scales

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
