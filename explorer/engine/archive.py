"""The front as it grows: every swept point of every network enters, only non-dominated ones stay."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
import pandas as pd

from explorer.front.pareto import Losses, hypervolume, non_dominated, reference_and_ideal
from explorer.space.constraints import Constraint
from explorer.space.metrics import Metric, loss_values


class Archive:
    """Feasible non-dominated operating points of a search, as losses.

    Args:
        metrics: The objectives.
        reference: Reference point per objective name.
        constraints: A point that violates one does not enter.

    Example:
        >>> from explorer.space.metrics import METRICS
        >>> metrics = [METRICS["accuracy"], METRICS["edge_macs"]]
        >>> archive = Archive(metrics, reference={"accuracy": 0.5, "edge_macs": 100}, constraints=[])
        >>> archive.put("mlp-1", pd.DataFrame({"accuracy": [0.9, 0.8, 0.7], "edge_macs": [80, 20, 40]}))
        >>> len(archive.front), round(archive.hypervolume, 2)  # the third point is dominated
        (2, 0.52)
    """

    def __init__(
        self, metrics: Sequence[Metric], reference: Mapping[str, float], constraints: Sequence[Constraint]
    ) -> None:
        self.metrics, self.constraints = tuple(metrics), tuple(constraints)
        self.reference, self.ideal = reference_and_ideal(metrics, reference)
        self.front = np.empty((0, len(self.metrics)))
        self._fronts: dict[str, Losses] = {}  # of each network alone
        self._networks: list[str] | None = []  # on the front; None until it is asked for

    def put(self, key: str, points: pd.DataFrame) -> None:
        """Enter the operating points of a network (rows with all objective columns).

        They take the place of those that the network had when it was trained for fewer epochs.
        """
        feasible = points[feasible_rows(points, self.constraints)]
        losses = loss_values(feasible, self.metrics).to_numpy()
        own = losses[non_dominated(losses)]
        others = self.front
        if key in self._fronts:
            del self._fronts[key]
            others = np.vstack([own[:0], *self._fronts.values()])
        self._fronts[key] = own
        losses = np.vstack([others, own])
        front = losses[non_dominated(losses)]
        if not np.array_equal(front, self.front):
            self.front, self._networks = front, None
        elif self._networks is not None:
            self._networks += _with_a_point_on(front, {key: own})

    def inside(self, key: str) -> Losses:
        """A network's own front, as far as it is better than the reference point in every objective."""
        own = self._fronts[key]
        return own[(own < self.reference).all(axis=1)]

    def networks(self) -> list[str]:
        """Networks with a point on the front, in the order in which they entered."""
        if self._networks is None:
            self._networks = _with_a_point_on(self.front, self._fronts)
        return list(self._networks)

    def part(self, keys: AbstractSet[str]) -> tuple[Losses, list[str]]:
        """The front of some networks alone, and those that have a point on it."""
        if keys >= self._fronts.keys():
            return self.front, self.networks()
        own = {key: losses for key, losses in self._fronts.items() if key in keys}
        losses = np.vstack([self.front[:0], *own.values()])
        front = losses[non_dominated(losses)]
        return front, _with_a_point_on(front, own)

    @property
    def hypervolume(self) -> float:
        """Share of the box between ideal and reference point that is dominated, in [0, 1]."""
        return hypervolume(self.front, self.reference, self.ideal)


def _with_a_point_on(front: Losses, fronts: Mapping[str, Losses]) -> list[str]:
    points = set(map(tuple, front))
    return [key for key, own in fronts.items() if not points.isdisjoint(map(tuple, own))]


def feasible_rows(points: pd.DataFrame, constraints: Sequence[Constraint]) -> "pd.Series[bool]":
    """Which rows satisfy every constraint.

    Example:
        >>> points = pd.DataFrame({"accuracy": [0.9, 0.8], "edge_macs": [80, 20]})
        >>> feasible_rows(points, [Constraint("edge_macs", "<=", 50)]).tolist()
        [False, True]
    """
    feasible = pd.Series(True, index=points.index)
    for constraint in constraints:
        feasible &= constraint.satisfied(points)
    return feasible
