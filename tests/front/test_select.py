"""What is asked of a point, and which one that gives."""

import pandas as pd
import pytest

from explorer.errors import UserError
from explorer.front.select import Selection, select, why_no_front
from explorer.space.constraints import Constraint, parse_constraint
from explorer.space.metrics import METRICS

OBJECTIVES = (METRICS["accuracy"], METRICS["edge_macs"])


@pytest.fixture
def points() -> pd.DataFrame:
    """Three points of a front; the cheaper, the less accurate."""
    shares = {"accuracy": [0.97, 0.96, 0.90], "accuracy_ci95_low": [0.955, 0.94, 0.87]}
    points = pd.DataFrame({"point_id": list("abc"), **shares, "edge_macs": [900, 500, 100]})
    return points.assign(split_point="conv1", payload_bits=8)


def test_assured_asks_the_lower_end_for_what_is_asked_of_the_accuracy(points: pd.DataFrame) -> None:
    asked = ["accuracy >= 0.95", "edge_macs <= 1000"]
    loose = select(points, Selection(where=asked, minimize="edge_macs"), OBJECTIVES)
    sure = select(points, Selection(where=asked, minimize="edge_macs", assured=True), OBJECTIVES)
    assert (loose.point["point_id"], sure.point["point_id"]) == ("b", "a")
    assert sure.why.endswith("after accuracy >= 0.95 and edge_macs <= 1000, assured")


def test_assured_holds_for_the_constraints_of_the_run_too(points: pd.DataFrame) -> None:
    own = [parse_constraint("accuracy >= 0.95", "constraints")]
    pick = select(points, Selection(minimize="edge_macs", assured=True), OBJECTIVES, own)
    assert pick.point["point_id"] == "a"


def test_relaxed_constraints_leave_what_the_device_holds(
    points: pd.DataFrame,
) -> None:
    sized = points.assign(edge_ram_bytes=[900, 500, 100])
    own = [parse_constraint("accuracy >= 0.99", "constraints")]
    limits = [Constraint("edge_ram_bytes", "<=", 500)]
    pick = select(sized, Selection(relax=True, maximize="accuracy"), OBJECTIVES, own, limits)
    assert pick.point["point_id"] == "b"
    assert pick.constraints == tuple(limits)
    none = [Constraint("edge_ram_bytes", "<=", 99)]
    with pytest.raises(
        UserError, match=r"edge_ram_bytes is 100 B \.\. 900 B; none fits .* --no-fit leaves out"
    ):
        select(sized, Selection(relax=True), OBJECTIVES, own, none)
    with pytest.raises(UserError, match=r"^constraints of the space: .*accuracy is 90 % \.\. 97 %; --relax"):
        select(sized, Selection(), OBJECTIVES, own, limits)


def test_a_bound_that_no_lower_end_reaches_is_told_with_what_they_reach(points: pd.DataFrame) -> None:
    asked = Selection(where=["accuracy >= 0.96"], assured=True)
    with pytest.raises(UserError, match=r"accuracy_ci95_low is 87 % \.\. 95.5 %"):
        select(points, asked, OBJECTIVES)


def test_the_lower_end_is_a_column_like_any_other(points: pd.DataFrame) -> None:
    asked = Selection(where=["accuracy_ci95_low >= 95 %"], minimize="edge_macs")
    assert select(points, asked, OBJECTIVES).point["point_id"] == "a"


def test_assured_takes_the_corrected_lower_end_where_it_is_known(points: pd.DataFrame) -> None:
    corrected = points.assign(accuracy_corrected_ci95_low=[0.945, 0.93, 0.86])
    asked = Selection(where=["accuracy >= 0.94"], minimize="edge_macs", assured=True)
    assert select(points, asked, OBJECTIVES).point["point_id"] == "b"
    assert select(corrected, asked, OBJECTIVES).point["point_id"] == "a"


def test_constraints_of_the_space_that_nothing_satisfies_are_named_as_such(points: pd.DataFrame) -> None:
    own = [
        parse_constraint("edge_macs <= 1", "constraints"),
        parse_constraint("accuracy >= 0.5", "constraints"),
    ]
    with pytest.raises(
        UserError, match=r"^constraints of the space: no .* edge_macs <= 1 and .*--relax"
    ) as said:
        select(points, Selection(where=["accuracy >= 0.9"]), OBJECTIVES, own)
    assert "edge_macs is 100 MACs .. 900 MACs" in str(said.value)
    assert (
        select(points, Selection(relax=True, minimize="edge_macs"), OBJECTIVES, own).point["point_id"] == "c"
    )


def test_what_is_asked_beside_the_constraints_of_the_space_is_to_blame_where_it_leaves_nothing(
    points: pd.DataFrame,
) -> None:
    own = [parse_constraint("edge_macs <= 200", "constraints")]
    with pytest.raises(UserError, match=r"^--where: .* accuracy >= 95 % and edge_macs <= 200"):
        select(points, Selection(where=["accuracy >= 0.95"]), OBJECTIVES, own)


def test_points_without_a_value_for_an_objective_are_not_blamed_on_constraints(points: pd.DataFrame) -> None:
    unknown = points.assign(edge_macs=float("nan"))
    with pytest.raises(UserError, match=r"^no operating point that is left .* value for every objective"):
        select(unknown, Selection(where=["accuracy >= 0.95"]), OBJECTIVES)


def test_a_run_without_a_front_says_why(points: pd.DataFrame) -> None:
    asked = [parse_constraint("accuracy >= 99.99 %", "constraints")]
    none, some = points.assign(on_front=False), points.assign(on_front=True)
    assert "no operating point satisfies accuracy >= 99.99 %; accuracy is" in why_no_front(none, asked, [])
    assert why_no_front(some, asked, []) == ""
    assert why_no_front(none[:0], asked, []) == ""
