"""Fronts and hypervolume against closed forms and brute force."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from explorer.front.pareto import (
    Losses,
    hypervolume,
    knee,
    mark_front,
    non_dominated,
    reference_and_ideal,
)
from explorer.space.constraints import Constraint
from explorer.space.metrics import METRICS

# small whole numbers, so that ties and duplicates are common
POINTS = st.tuples(st.integers(0, 12), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(0, 4).map(float))
)


def brute_force_front(losses: Losses) -> list[bool]:
    """No other row is at least as good everywhere and better somewhere; no earlier row is equal."""

    def beaten(own: int, other: int) -> bool:
        better = bool((losses[other] <= losses[own]).all() and (losses[other] < losses[own]).any())
        return better or (other < own and bool((losses[other] == losses[own]).all()))

    rows = range(len(losses))
    return [not any(beaten(own, other) for other in rows if other != own) for own in rows]


@given(POINTS)
def test_non_dominated_is_brute_force(losses: Losses) -> None:
    assert non_dominated(losses).tolist() == brute_force_front(losses)


def test_random_points_in_three_objectives() -> None:
    losses = np.random.default_rng(0).random((200, 3)).round(2)
    assert non_dominated(losses).tolist() == brute_force_front(losses)


@pytest.mark.parametrize(
    ("losses", "front"),
    [
        (np.empty((0, 2)), []),
        (np.array([[1.0, 1.0]]), [True]),
        (np.array([[1.0, 1.0], [1.0, 1.0]]), [True, False]),  # of equal rows the first counts
        (np.array([[2.0], [1.0], [1.0]]), [False, True, False]),
        (np.array([[0.0, np.inf], [1.0, np.inf], [np.inf, 0.0]]), [True, False, True]),
        (np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0]]), [True, True, False]),
    ],
)
def test_non_dominated_by_hand(losses: Losses, front: list[bool]) -> None:
    kept = non_dominated(losses)
    assert kept.dtype == np.bool_
    assert kept.tolist() == front


@pytest.mark.parametrize("steps", [1, 2, 10])
def test_staircase(steps: int) -> None:
    """Points (i, n - 1 - i) with reference (n, n) dominate n (n + 1) / 2 of the n x n unit squares."""
    corner = np.arange(steps, dtype=float)
    stairs = np.stack([corner, corner[::-1]], axis=1)
    whole = np.array([float(steps)] * 2)
    share = steps * (steps + 1) / 2 / steps**2
    assert hypervolume(stairs, whole, np.zeros(2)) == pytest.approx(share)
    # neither the order, nor dominated points, nor points beyond the reference change it
    more = np.vstack([stairs[::-1], stairs + 0.5, [[steps + 1.0, 0.0]], [[0.0, np.inf]], [[np.nan, 0.0]]])
    assert hypervolume(more, whole, np.zeros(2)) == pytest.approx(share)


@given(POINTS.filter(lambda points: points.shape[1] <= 3))
def test_hypervolume_counts_unit_boxes(losses: Losses) -> None:
    size, axes = 4, losses.shape[1]
    corners = (
        np.indices((size,) * axes).reshape(axes, -1).T
    )  # lower corners of the unit boxes below (4, 4, ..)
    dominated = [(losses <= corner).all(axis=1).any() for corner in corners]
    share = hypervolume(losses, np.full(axes, float(size)), np.zeros(axes))
    assert share == pytest.approx(sum(dominated) / size**axes)


def test_hypervolume_is_a_share_of_the_box() -> None:
    # accuracy 0.9 between 0.5 and 1; 20 kMAC between 100 kMAC and 0: (0.4 / 0.5) x (80 / 100)
    metrics = [METRICS["accuracy"], METRICS["edge_macs"]]
    reference, ideal = reference_and_ideal(metrics, {"edge_macs": 100_000, "accuracy": 0.5})
    assert reference.tolist() == [-0.5, 100_000]
    assert ideal.tolist() == [-1.0, 0.0]
    assert hypervolume(np.array([[-0.9, 20_000.0]]), reference, ideal) == pytest.approx(0.8 * 0.8)
    assert hypervolume(np.array([[-1.0, 0.0]]), reference, ideal) == pytest.approx(1.0)
    assert hypervolume(np.array([[-0.5, 0.0]]), reference, ideal) == 0.0
    assert hypervolume(np.empty((0, 2)), reference, ideal) == 0.0


def test_one_objective() -> None:
    losses = np.array([[30.0], [20.0], [50.0]])
    assert hypervolume(losses, np.array([40.0]), np.zeros(1)) == pytest.approx(1 - 20 / 40)


def test_knee_of_a_known_front() -> None:
    # y = 1 / x at 1, 2, 8: scaled sums 0 + 1, 1/7 + 3/7, 1 + 0
    x = np.array([1.0, 2.0, 8.0])
    assert knee(np.stack([x, 1 / x], axis=1)) == 1
    assert knee(np.stack([1000 * x, 1 / x**2], axis=1)) == 1  # units do not matter
    assert knee(np.array([[0.0, 10.0], [4.0, 4.0], [10.0, 0.0]])) == 1  # bulges to the ideal
    assert knee(np.array([[0.0, 10.0], [6.0, 6.0], [10.0, 0.0]])) == 0  # bulges away: an end


def test_knee_of_small_fronts() -> None:
    assert knee(np.empty((0, 3))) is None
    assert knee(np.array([[5.0, 5.0]])) == 0
    assert knee(np.array([[5.0, 2.0], [5.0, 1.0]])) == 1  # an objective without range does not count


def test_mark_front_by_hand() -> None:
    points = pd.DataFrame(
        {
            "accuracy": [0.9, 0.8, 0.5, 0.9, 0.99, 0.95],
            "edge_macs": [10.0, 4.0, 3.0, 11.0, 20.0, np.nan],
            "payload_bytes": [1, 1, 1, 1, 9, 1],
            "split_point": "relu1",
            "payload_bits": 8,
        },
        index=[4, 4, 4, 4, 4, 4],
    ).reset_index(drop=True)
    limits = [Constraint("payload_bytes", "<=", 5), Constraint("edge_macs", "<=", 15)]
    marked = mark_front(points, (METRICS["accuracy"], METRICS["edge_macs"]), limits)
    # 3 is beaten by 0; 4 breaks both rules; the cost of 5 is unknown, so it keeps no promise
    assert marked["on_front"].tolist() == [True, True, True, False, False, False]
    assert marked["violated"].tolist()[:4] == [""] * 4
    assert marked["violated"].tolist()[4:] == ["payload_bytes <= 5; edge_macs <= 15", "edge_macs <= 15"]
    # scaled sums 0 + 1, 0.1 / 0.4 + 1 / 7, 1 + 0
    assert marked["knee"].tolist() == [False, True, False, False, False, False]
    losses = np.array([[-0.9, 10], [-0.8, 4], [-0.5, 3]])
    assert non_dominated(losses).all()
    assert knee(losses) == 1


def test_baselines_are_not_feasible() -> None:
    points = pd.DataFrame(
        {
            "accuracy": [0.9, 0.8, 0.7],
            "split_point": ["input", "input", "output"],
            "payload_bits": [None, 8, None],
        }
    )
    marked = mark_front(points, (METRICS["accuracy"],), [])
    assert marked["feasible"].tolist() == [False, True, True]
    assert marked["on_front"].tolist() == [False, True, False]


def test_unknown_objective_keeps_a_point_off_the_front() -> None:
    points = pd.DataFrame({"accuracy": [0.9, 0.8], "energy_model_j": [np.nan, 1.0]})
    points = points.assign(split_point="relu1", payload_bits=8)
    marked = mark_front(points, (METRICS["accuracy"], METRICS["energy_model_j"]), [])
    assert marked["feasible"].all()
    assert marked["on_front"].tolist() == [False, True]
