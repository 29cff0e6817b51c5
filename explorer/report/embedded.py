"""The operating points a report carries: the front, every reference, a bounded sample of the rest."""

from dataclasses import dataclass

import pandas as pd

from explorer.errors import UserError
from explorer.objectives import loss_values, parse_constraint
from explorer.report.columns import Column, catalogue, derived_columns
from explorer.results import RunResults

MAX_OTHER_POINTS = 2000
NUM_LEAST_VIOLATING = 10
_SAMPLE_SEED = 0

FRONT = "front"
LEAST_VIOLATING = "least_violating"
DOMINATED = "dominated"
INFEASIBLE = "infeasible"


@dataclass(frozen=True)
class Embedded:
    """The points of a report.

    Attributes:
        points: Rows of the run's points, renumbered from 0, with columns added: ``role`` (front,
            least_violating, dominated or infeasible), ``reference_label`` (the name of a reference at its
            most accurate point, else "") and what ``derived_columns`` gives.
        columns: What can be shown about them, by name.
        counts: Per role: how many are carried, how many the run has.
    """

    points: pd.DataFrame
    columns: dict[str, Column]
    counts: dict[str, tuple[int, int]]

    @property
    def no_feasible_point(self) -> bool:
        """Whether the run has points, and none satisfies its constraints."""
        return len(self.points) > 0 and self.counts[FRONT][1] == 0

    @property
    def statement(self) -> str:
        """One sentence that says what is shown and what is left out."""
        carried = sum(shown for shown, _ in self.counts.values())
        total = sum(of for _, of in self.counts.values())
        if carried == total:
            return f"All operating points of the run are shown: {total:,}."
        left_out = [
            f"{shown:,} of {of:,} {role} points"
            for role, (shown, of) in self.counts.items()
            if role in (DOMINATED, INFEASIBLE) and of
        ]
        return (
            f"{carried:,} of {total:,} operating points are shown: the whole front, every reference, "
            f"and a random sample of the rest ({', '.join(left_out)})."
        )


def embedded_points(results: RunResults) -> Embedded:
    """Choose the points a report carries; the same run always gives the same choice."""
    roles = _roles(results)
    points = results.points
    must = roles.isin([FRONT, LEAST_VIOLATING]) | points["reference"].ne("") | points["knee"].astype(bool)
    rest = points.index[~must]
    if len(rest) > MAX_OTHER_POINTS:
        rest = rest.to_series().sample(MAX_OTHER_POINTS, random_state=_SAMPLE_SEED).index
    kept = points.index.isin(points.index[must].union(rest))
    chosen = points[kept].reset_index(drop=True)
    chosen["role"] = roles[kept].to_numpy()
    chosen["reference_label"] = _reference_labels(chosen)
    chosen = chosen.join(derived_columns(chosen))
    counts = {
        role: (int((chosen["role"] == role).sum()), int((roles == role).sum()))
        for role in (FRONT, LEAST_VIOLATING, DOMINATED, INFEASIBLE)
    }
    return Embedded(chosen, catalogue(chosen), counts)


def table_rows(embedded: Embedded) -> list[int]:
    """Positions of the points worth a table row: the front, or the least violating where it is empty."""
    role = LEAST_VIOLATING if embedded.no_feasible_point else FRONT
    return [int(row) for row in embedded.points.index[embedded.points["role"] == role]]


def constraint_violation(points: pd.DataFrame, constraints: list[str]) -> "pd.Series[float]":
    """Sum over the constraints of how far each point misses the bound, relative to the bound.

    Constraints that cannot be read count as satisfied: the order is then less informed, never wrong
    about feasibility, which the run itself recorded.
    """
    total = pd.Series(0.0, index=points.index)
    for text in constraints:
        try:
            constraint = parse_constraint(text, "run.json")
        except UserError:
            continue
        total += points[constraint.column].astype(float).map(constraint.violation).clip(lower=0.0)
    return total


def _reference_labels(points: pd.DataFrame) -> "pd.Series[str]":
    """Names of the references, once per backbone."""
    several = points["backbone"].nunique() > 1
    names = points["reference"].str.replace(",", ", ")
    labels = names + " (" + points["backbone"] + ")" if several else names
    best_first = points.assign(label=labels).sort_values("accuracy", ascending=False, kind="stable")
    return labels.where((points["reference"] != "") & ~best_first["label"].duplicated(), "")


def _roles(results: RunResults) -> "pd.Series[str]":
    points = results.points
    roles = pd.Series(DOMINATED, index=points.index, dtype="object")
    roles[~points["feasible"].astype(bool)] = INFEASIBLE
    roles[points["on_front"].astype(bool)] = FRONT
    if len(points) and not (roles == FRONT).any():
        order = pd.DataFrame(
            {
                "violation": constraint_violation(points, results.run.get("constraints", [])),
                "loss": loss_values(points, results.objectives[:1]).iloc[:, 0],
            }
        ).sort_values(["violation", "loss"], kind="stable")
        roles[order.index[:NUM_LEAST_VIOLATING]] = LEAST_VIOLATING
    return roles
