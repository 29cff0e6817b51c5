"""The yardstick: hypervolume in logarithmic costs, and how it grows over seconds and trainings."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer.front.pareto import Losses, hypervolume, log_scaled, reference_and_ideal
from explorer.space.schema import SearchSpace

DEFINITION = (
    "hypervolume: share of a box of volume 1. Accuracy a counts linearly, (a - reference) / (1 - reference); "
    "a cost c counts as 1 - log(1 + c / c0) / log(1 + reference / c0) with c0 = reference / 1000: 1 at no "
    "cost, 0 at the reference, the same for every halving of a cost far above c0"
)


@dataclass(frozen=True, eq=False)
class Sample:
    """Where a search stands after one of its trials.

    Attributes:
        seconds: Since the search started.
        trainings: Networks trained so far.
        losses: The front so far, shape (n_points, 3): -accuracy, edge MACs, payload bytes.
    """

    seconds: float
    trainings: int
    losses: Losses


def log_hypervolume(losses: Losses, space: SearchSpace) -> float:
    """Hypervolume of a front as :data:`DEFINITION` has it, in [0, 1].

    Args:
        losses: Shape (n_points, n_objectives), columns as the space has its objectives.
        space: States the references.
    """
    reference, ideal = reference_and_ideal(space.metrics, space.objectives)
    scaled = log_scaled(losses, reference, ideal)
    return hypervolume(scaled, np.ones(len(reference)), np.zeros(len(reference)))


@dataclass(frozen=True)
class Curve:
    """Hypervolume of one search after each of its trials, within its budget.

    Attributes:
        space, variant, seed: Which search.
        budget_s: Seconds it had.
        seconds, trainings, hypervolume: After each trial; hypervolume never falls.
        points: Size of the last front.
    """

    space: str
    variant: str
    seed: int
    budget_s: float
    seconds: tuple[float, ...]
    trainings: tuple[int, ...]
    hypervolume: tuple[float, ...]
    points: int

    @classmethod
    def of(
        cls,
        samples: Sequence[Sample],
        space: SearchSpace,
        name: str,
        variant: str,
        seed: int,
        budget_s: float,
    ) -> "Curve":
        """Score ``samples``; trials that ended after the budget do not count."""
        inside = [sample for sample in samples if sample.seconds <= budget_s]
        scores: list[float] = []
        for number, sample in enumerate(inside):
            # most trials leave the front as it is
            same = number > 0 and np.array_equal(sample.losses, inside[number - 1].losses)
            scores.append(scores[-1] if same else log_hypervolume(sample.losses, space))
        return cls(
            name,
            variant,
            seed,
            budget_s,
            tuple(sample.seconds for sample in inside),
            tuple(sample.trainings for sample in inside),
            tuple(np.maximum.accumulate(scores).tolist()) if scores else (),
            len(inside[-1].losses) if inside else 0,
        )

    @property
    def final(self) -> float:
        """Hypervolume at the end of the budget."""
        return self.hypervolume[-1] if self.hypervolume else 0.0

    @property
    def last_improved_s(self) -> float:
        """Second at which the final hypervolume was reached."""
        reached = self.time_to(self.final)
        return self.budget_s if reached is None else reached

    def time_to(self, target: float) -> float | None:
        """Second at which the hypervolume reached ``target``; None if it never did."""
        first = bisect.bisect_left(self.hypervolume, target)
        return self.seconds[first] if first < len(self.hypervolume) else None

    def at(self, values: Sequence[float], axis: str) -> list[float]:
        """Hypervolume at each of ``values`` of ``axis`` (``seconds`` or ``trainings``), 0 before a trial."""
        axis_values: Sequence[float] = getattr(self, axis)
        known = (0.0, *self.hypervolume)
        return [known[bisect.bisect_right(axis_values, value)] for value in values]

    def to_json(self) -> dict[str, Any]:
        """Plain data, rounded to what a clock and a figure can show."""
        return {
            **{key: getattr(self, key) for key in ("space", "variant", "seed", "budget_s", "points")},
            "seconds": [round(second, 3) for second in self.seconds],
            "trainings": list(self.trainings),
            "hypervolume": [round(score, 6) for score in self.hypervolume],
        }
