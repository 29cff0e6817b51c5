"""Fronts beside each other, against what dominance and areas say by hand."""

import numpy as np
import pandas as pd
import pytest

from explorer.errors import UserError
from explorer.front.comparison import compare_fronts
from explorer.space.metrics import METRICS

BOTH = [METRICS["accuracy"], METRICS["edge_macs"]]


def front(*points: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(points, columns=["accuracy", "edge_macs"])


def test_hypervolumes_share_a_box_that_holds_every_point() -> None:
    found = compare_fronts({"a": front((0.8, 50.0)), "b": front((0.6, 100.0))}, BOTH)
    # from the ideal (1, 0) to the worst (0.6, 100), a hundredth of the side further
    high, wide = 0.4 * 1.01, 100 * 1.01
    assert found.reference == pytest.approx({"accuracy": 1 - high, "edge_macs": wide})
    areas = [(0.8 - (1 - high)) * (wide - 50) / high / wide, (0.6 - (1 - high)) * (wide - 100) / high / wide]
    assert [own.hypervolume for own in found.fronts] == pytest.approx(areas)
    assert found.joint_hypervolume == pytest.approx(areas[0])  # b is dominated
    assert [(own.points, own.kept, own.beaten) for own in found.fronts] == [(1, 1, 0), (1, 0, 1)]


def test_dominance_is_counted_as_by_hand() -> None:
    rng = np.random.default_rng(0)
    fronts = {name: front(*zip(rng.random(20), rng.random(20) * 1e3, strict=True)) for name in "abc"}
    found = compare_fronts(fronts, BOTH)

    def beats(one: pd.Series, other: pd.Series) -> bool:  # type: ignore[type-arg]
        return bool(
            (one["accuracy"] >= other["accuracy"] and one["edge_macs"] <= other["edge_macs"])
            and (one["accuracy"] > other["accuracy"] or one["edge_macs"] < other["edge_macs"])
        )

    for own in found.fronts:
        others = [row for name in fronts if name != own.name for _, row in fronts[name].iterrows()]
        rows = [row for _, row in fronts[own.name].iterrows()]
        assert own.beaten == sum(any(beats(other, row) for other in others) for row in rows)
        everything = others + rows
        assert own.kept == sum(not any(beats(other, row) for other in everything) for row in rows)
    assert len(found.joint) == sum(own.kept for own in found.fronts)
    assert found.joint["accuracy"].is_monotonic_decreasing


def test_of_equal_points_none_is_beaten_and_the_joint_front_has_one() -> None:
    found = compare_fronts({"a": front((0.8, 5.0)), "b": front((0.8, 5.0))}, BOTH)
    assert [(own.kept, own.beaten) for own in found.fronts] == [(1, 0), (1, 0)]
    assert found.joint["run"].tolist() == ["a"]


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UserError, match="no objective in common"):
        compare_fronts({"a": front((0.8, 5.0))}, [])
    with pytest.raises(UserError, match="b: has no value for edge_macs"):
        compare_fronts({"a": front((0.8, 5.0)), "b": pd.DataFrame({"accuracy": [0.9]})}, BOTH)
    crossed = front((np.nan, 5.0), (0.8, np.nan))
    with pytest.raises(UserError, match="b: no point has a value for each"):
        compare_fronts({"a": front((0.8, 5.0)), "b": crossed}, BOTH)
