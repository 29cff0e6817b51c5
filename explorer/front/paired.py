"""Two operating points on the same samples: McNemar's test, blind to what both got right or wrong.

Independent intervals ask whether each point would do as well on samples of its own. Points of one run
answered the same samples, so only those count on which one is right and the other wrong. Where classes weigh
differently, each such sample counts as its class does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom

from explorer.core.quality import ACCURACY, Quality, counts
from explorer.front.pareto import scaled
from explorer.front.select import Pick
from explorer.space.metrics import Metric, loss_values

LEVEL = 0.05  # below it two points differ
_DRAWS = 9_999  # of who is right, with classes of different weight: chances are told to 1 / 10,000

Right = NDArray[np.bool_]


@dataclass(frozen=True)
class Comparison:
    """How two operating points answered the same samples.

    Attributes:
        only_first, only_second: Samples on which one alone is right.
        by_class: Where classes weigh differently: what a right answer is worth, and the same two counts, of
            each class on which they differ.

    Example:
        >>> Comparison(only_first=9, only_second=1).p_value, Comparison(1, 1).differ
        (0.021484375, False)
    """

    only_first: int
    only_second: int
    by_class: tuple[tuple[float, int, int], ...] = ()

    @property
    def p_value(self) -> float:
        """How often so uneven a share, or a more uneven one, comes about where both are equally good.

        Exact where all samples count the same; else from draws of a fixed seed (Phipson, Smyth, Stat. Appl.
        Genet. Mol. Biol. 2010).
        """
        if self.by_class:
            return _chance_by_class(self.by_class)
        uneven = min(self.only_first, self.only_second)
        return min(1.0, 2 * float(binom.cdf(uneven, self.only_first + self.only_second, 0.5)))

    @property
    def differ(self) -> bool:
        """Whether one is better by more than noise."""
        return self.p_value < LEVEL


def _chance_by_class(by_class: tuple[tuple[float, int, int], ...]) -> float:
    worth_C, first_C, second_C = (np.array(own, dtype=np.float64) for own in zip(*by_class, strict=True))
    differing_C = (first_C + second_C).astype(np.int64)
    drawn = np.random.default_rng(0).binomial(differing_C, 0.5, (_DRAWS, len(differing_C)))
    by_chance = np.abs((2 * drawn - differing_C) @ worth_C)
    seen = abs(float(worth_C @ (first_C - second_C)))
    return float(1 + (by_chance >= seen - 1e-9).sum()) / (_DRAWS + 1)


def compared(
    first_N: Right,
    second_N: Right,
    label_N: NDArray[np.int64] | None = None,
    quality: Quality = ACCURACY,
) -> Comparison:
    """Compare two points by which samples (N,) each answered right.

    Source: McNemar, Psychometrika 1947; two-sided. Where classes weigh differently it is the same test of the
    weighted difference: given where they differ, either point is equally likely to be the right one.

    Args:
        first_N: Of one point.
        second_N: Of the other.
        label_N: The labels; needed where the quality is not plain accuracy.
        quality: What counts.

    Example:
        >>> compared(np.array([True, True, False, True]), np.array([True, False, False, False]))
        Comparison(only_first=2, only_second=0, by_class=())
    """
    only_first, only_second = first_N & ~second_N, second_N & ~first_N
    totals = int(only_first.sum()), int(only_second.sum())
    if quality.is_plain or label_N is None:
        return Comparison(*totals)
    worth_C = quality.class_worths(counts(label_N)).tolist()
    own_C = (
        counts(label_N, which.astype(np.float64)).astype(int).tolist() for which in (only_first, only_second)
    )
    by_class = tuple(own for own in zip(worth_C, *own_C, strict=True) if own[1] or own[2])
    return Comparison(*totals, by_class)


def costs_less(point: pd.DataFrame, others: pd.DataFrame, objectives: Sequence[Metric]) -> list[int]:
    """Which of the other points cost less, as places, the cheapest first.

    Less is no more in any objective that is known before training, and less in one of them.

    Args:
        point: One row.
        others: Rows of the front it is compared with.
        objectives: Those of the front.

    Example:
        >>> from explorer.space.metrics import METRICS
        >>> points = pd.DataFrame({"accuracy": [0.9, 0.8, 0.7], "edge_macs": [50, 20, 10]})
        >>> costs_less(points[:1], points[1:], [METRICS["accuracy"], METRICS["edge_macs"]])
        [1, 0]
    """
    costs = [metric for metric in objectives if metric.kind != "learned"]
    own, losses = (loss_values(rows, costs).to_numpy() for rows in (point, others))
    cheaper = np.asarray((losses <= own).all(axis=1) & (losses < own).any(axis=1))
    order = np.argsort(scaled(np.vstack([own, losses]))[1:].sum(axis=1), kind="stable")
    places: list[int] = order[cheaper[order]].tolist()
    return places


def cheaper_alike(
    pick: Pick,
    right_of: Callable[["pd.Series[Any]"], Right],
    compare: Callable[[Right, Right], Comparison] = compared,
    quality: str = "accuracy",
) -> Pick:
    """The cheapest point of the front whose quality does not differ from that of the chosen one.

    Cheaper is what :func:`costs_less` finds. Without such a point the choice stays.

    Args:
        pick: The choice.
        right_of: Which samples (N,) a point, one row of the table, answers right.
        compare: Holds two of these against each other.
        quality: What is compared.

    Example:
        >>> from explorer.front.select import Selection, select
        >>> from explorer.space.metrics import METRICS
        >>> points = pd.DataFrame({"point_id": ["a", "b"], "accuracy": [0.9, 0.8], "edge_macs": [50, 10]})
        >>> points = points.assign(split_point="input", payload_bits=8)
        >>> best = select(points, Selection(maximize="accuracy"), [METRICS["accuracy"], METRICS["edge_macs"]])
        >>> right = {"a": np.arange(10) < 9, "b": np.arange(10) < 8}
        >>> cheaper = cheaper_alike(best, lambda point: right[point["point_id"]])
        >>> cheaper.point["point_id"], cheaper.why.split("; ")[0]
        ('b', 'it is cheaper than a and does not differ from it in accuracy (p = 1)')
    """
    others: pd.DataFrame = pick.front[pick.front["point_id"] != pick.point["point_id"]]
    right = right_of(pick.point)
    for row in costs_less(pick.point.to_frame().T, others, pick.objectives):
        point = others.iloc[row]
        comparison = compare(right, right_of(point))
        if not comparison.differ:
            first, chance = pick.point["point_id"], comparison.p_value
            why = f"it is cheaper than {first} and does not differ from it in {quality} (p = {chance:.2g})"
            return replace(pick, point=point, why=f"{why}; {first} was chosen since {pick.why}")
    return pick
