"""The archive is the front of everything that entered it, whatever the order."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.engine.archive import Archive, feasible_rows
from explorer.front.pareto import hypervolume, non_dominated
from explorer.space.constraints import Constraint
from explorer.space.metrics import METRICS

METRICS_USED = [METRICS["accuracy"], METRICS["edge_macs"]]
REFERENCE = {"accuracy": 0.0, "edge_macs": 10.0}
ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 3)), max_size=12)


def points(rows: list[tuple[int, int, int]]) -> pd.DataFrame:
    """(accuracy in quarters, MACs, payload)."""
    table = np.array(rows, dtype=float).reshape(-1, 3)
    return pd.DataFrame(
        {"accuracy": table[:, 0] / 4, "edge_macs": table[:, 1], "payload_bytes": table[:, 2]},
        index=range(5, 5 + len(rows)),  # as after filtering
    )


@given(st.lists(ROWS, max_size=4))
def test_archive_is_the_front_of_all_feasible_points(batches: list[list[tuple[int, int, int]]]) -> None:
    constraints = [Constraint("payload_bytes", "<=", 2), Constraint("edge_macs", ">=", 1)]
    archive = Archive(METRICS_USED, REFERENCE, constraints)
    for number, batch in enumerate(batches):
        archive.put(str(number), points(batch))
    rows = [row for batch in batches for row in batch if row[2] <= 2 and row[1] >= 1]
    losses = np.array([(-accuracy / 4, macs) for accuracy, macs, _ in rows]).reshape(-1, 2)
    front = losses[non_dominated(losses)]
    assert sorted(map(tuple, archive.front)) == sorted(map(tuple, front))
    assert archive.hypervolume == pytest.approx(
        hypervolume(losses, np.array([0.0, 10.0]), np.array([-1.0, 0.0]))
    )


def test_hypervolume_by_hand() -> None:
    archive = Archive(METRICS_USED, REFERENCE, [])
    assert archive.hypervolume == 0.0
    archive.put("a", points([(2, 5, 0)]))  # accuracy 1/2 at 5 of 10 MACs: a quarter of the box
    assert archive.hypervolume == pytest.approx(0.25)
    archive.put(
        "b", points([(4, 8, 0), (1, 6, 0)])
    )  # all right at 8 MACs adds 1/2 x 2/10; the other is dominated
    assert archive.hypervolume == pytest.approx(0.25 + 0.1)
    assert len(archive.front) == 2


@given(st.lists(st.tuples(st.integers(0, 3), ROWS), max_size=8))
def test_a_network_that_returns_takes_the_place_of_what_it_was(
    entries: list[tuple[int, list[tuple[int, int, int]]]],
) -> None:
    changed, fresh = (Archive(METRICS_USED, REFERENCE, []) for _ in range(2))
    for number, batch in entries:
        changed.put(str(number), points(batch))
    for number, batch in dict(entries).items():
        fresh.put(str(number), points(batch))
    assert sorted(map(tuple, changed.front)) == sorted(map(tuple, fresh.front))
    assert set(changed.networks()) == set(fresh.networks())


def test_networks_on_the_front() -> None:
    archive = Archive(METRICS_USED, REFERENCE, [])
    archive.put("a", points([(2, 5, 0), (0, 9, 0)]))
    archive.put("dominated", points([(1, 6, 0)]))
    archive.put("b", points([(4, 8, 0)]))
    assert archive.networks() == ["a", "b"]
    assert archive.inside("a").tolist() == [[-0.5, 5.0]]  # accuracy 0 is no better than the reference


def test_feasible_rows() -> None:
    table = points([(4, 3, 0), (4, 5, 0), (1, 3, 0)]).assign(latency_model_s=[np.nan, 1.0, 1.0])
    limits = [Constraint("edge_macs", "<=", 4), Constraint("accuracy", ">=", 0.5)]
    assert feasible_rows(table, limits).tolist() == [True, False, False]
    assert feasible_rows(table, []).tolist() == [True] * 3
    # what is not known cannot be promised
    assert feasible_rows(table, [Constraint("latency_model_s", "<=", 9)]).tolist() == [False, True, True]
