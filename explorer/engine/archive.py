"""The front as it grows: every swept point of every network enters, only non-dominated ones stay."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.objectives import Constraint, Metric, loss_values
from explorer.pareto import hypervolume, non_dominated, reference_and_ideal


class Archive:
    """Feasible non-dominated operating points of a search, as losses.

    Args:
        metrics: The objectives.
        reference: Reference point per objective name.
        constraints: A point that violates one does not enter.
    """

    def __init__(
        self, metrics: Sequence[Metric], reference: Mapping[str, float], constraints: Sequence[Constraint]
    ) -> None:
        self.metrics, self.constraints = tuple(metrics), tuple(constraints)
        self.reference, self.ideal = reference_and_ideal(metrics, reference)
        self.front = np.empty((0, len(self.metrics)))

    def add(self, points: pd.DataFrame) -> None:
        """Add operating points (rows with all objective columns)."""
        feasible = points[feasible_rows(points, self.constraints)]
        losses = np.vstack([self.front, loss_values(feasible, self.metrics).to_numpy()])
        self.front = losses[non_dominated(losses)]

    def holds(self, points: pd.DataFrame) -> NDArray[np.bool_]:
        """Which operating points lie on the front now."""
        front = set(map(tuple, self.front))
        losses = loss_values(points, self.metrics).to_numpy()
        return np.array([tuple(row) in front for row in losses], dtype=np.bool_)

    @property
    def hypervolume(self) -> float:
        """Share of the box between ideal and reference point that is dominated, in [0, 1]."""
        return hypervolume(self.front, self.reference, self.ideal)


def feasible_rows(points: pd.DataFrame, constraints: Sequence[Constraint]) -> "pd.Series[bool]":
    """Which rows satisfy every constraint."""
    feasible = pd.Series(True, index=points.index)
    for constraint in constraints:
        feasible &= constraint.satisfied(points)
    return feasible
