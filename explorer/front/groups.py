"""A front without its staircases: one row for each network, cut and payload bits.

Thresholds of one network give a front many steps, and most of its steps differ by less than noise. A point is
*led* by a cheaper one that is no worse in anything but the quality, and whose quality does not differ by the
paired test; what nobody leads is a row's *step*. The page groups by the same rule, in
``explorer/report/assets/groups.js``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.front.pareto import Losses, scaled
from explorer.space.metrics import Metric, loss_values

CUT = [
    "network_key",
    "split_point",
    "payload_bits",
    "edge_weight_bits",
]  # what the points of one row have in common


@dataclass(frozen=True)
class FrontGroup:
    """One row: points of one network, cut and bits, and those that they stand for.

    Attributes:
        shown: Place on the front of the step with the smallest sum of scaled objectives.
        steps: Places of all steps, lowest threshold first.
        alike: Places of the points, of any network, that a step leads: they cost as much or more, and are not
            better by more than noise.

    Example:
        >>> FrontGroup(shown=3, steps=(2, 3), alike=(7,)).size
        3
    """

    shown: int
    steps: tuple[int, ...]
    alike: tuple[int, ...]

    @property
    def size(self) -> int:
        """Points that the row stands for, its own included."""
        return len(self.steps) + len(self.alike)


def front_groups(
    front: pd.DataFrame,
    objectives: Sequence[Metric],
    quality: str,
    alike: Callable[[int, int], bool],
) -> list[FrontGroup]:
    """Group the points of a front; every point is in exactly one group.

    Args:
        front: Its points, with the columns :data:`CUT`, ``confidence_threshold`` and the objectives.
        objectives: What spans it.
        quality: The objective in which points are compared by the test; others are compared by their values.
        alike: Whether two points, given by their places, do not differ in quality.

    Returns:
        Groups in the order of the points that they show, best quality first.

    Example:
        >>> from explorer.space.metrics import METRICS
        >>> front = pd.DataFrame({"accuracy": [0.95, 0.94, 0.8], "edge_macs": [90, 80, 10]})
        >>> front = front.assign(network_key=["a", "b", "b"], split_point="fc1", payload_bits=8)
        >>> front = front.assign(edge_weight_bits=32, confidence_threshold=0.5)
        >>> both = METRICS["accuracy"], METRICS["edge_macs"]
        >>> front_groups(front, both, "accuracy", lambda one, other: {one, other} == {0, 1})
        [FrontGroup(shown=1, steps=(1, 2), alike=(0,))]
    """
    if front.empty:
        return []
    others = [metric for metric in objectives if metric.name != quality]
    leader = _leaders(loss_values(front, others).to_numpy(dtype=float), alike)
    sums = scaled(loss_values(front, objectives).to_numpy(dtype=float)).sum(axis=1)
    thresholds = front["confidence_threshold"].to_numpy(dtype=float)
    cuts = front.groupby(CUT, dropna=False, sort=False).ngroup().to_numpy()
    groups = []
    for cut in dict.fromkeys(cuts[leader == np.arange(len(front))].tolist()):
        steps = [place for place in np.flatnonzero(cuts == cut).tolist() if leader[place] == place]
        led = [place for place in np.flatnonzero(np.isin(leader, steps)).tolist() if place not in steps]
        shown = min(steps, key=lambda place: (sums[place], place))
        steps.sort(key=lambda place: (np.nan_to_num(thresholds[place], nan=1.0), place))
        groups.append(FrontGroup(shown, tuple(steps), tuple(led)))
    best = loss_values(front, [m for m in objectives if m.name == quality]).to_numpy(dtype=float).sum(axis=1)
    return sorted(groups, key=lambda group: (best[group.shown], group.shown))


def _leaders(costs_RA: Losses, alike: Callable[[int, int], bool]) -> NDArray[np.int64]:
    """Per point the place of what leads it, its own where nothing does; the cheapest lead."""
    leader = np.arange(len(costs_RA))
    if not costs_RA.shape[1]:
        return leader
    leading: list[int] = []
    for place in np.argsort(scaled(costs_RA).sum(axis=1), kind="stable").tolist():
        no_dearer = (costs_RA[leading] <= costs_RA[place]).all(axis=1)
        cheaper = (leading[own] for own in np.flatnonzero(no_dearer).tolist())
        leader[place] = next((other for other in cheaper if alike(other, place)), place)
        if leader[place] == place:
            leading.append(place)
    return leader
