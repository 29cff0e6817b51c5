"""The test subset: its reads are counted, and it speaks up."""

import pytest
from scipy.stats import chi2_contingency

from explorer import Run, UserError
from explorer.runs.held_out import Measured, chance_of_difference, warnings_of
from explorer.runs.reads import read_points
from explorer.space.constraints import parse_constraint


@pytest.fixture(scope="module")
def run(own_digits_run: Run) -> Run:
    return own_digits_run


def test_every_other_point_that_is_read_counts_once(run: Run) -> None:
    best, cheap = run.select(maximize="accuracy"), run.select(minimize="edge_macs")
    reads = [run.test(pick)["reads"] for pick in (best, cheap, best)]
    assert reads == [1, 2, 2]
    assert read_points(run.path) == [best.point["point_id"], cheap.point["point_id"]]


def test_a_constraint_that_was_assured_is_held_against_the_test_subset(run: Run) -> None:
    pick = run.select(where=["accuracy >= 0.1"], assured=True)
    asked = [own for own in pick.constraints if own.column.startswith("accuracy")]
    assert [str(own) for own in asked] == ["accuracy_corrected_ci95_low >= 0.1"]
    assert run.test(pick)["warnings"] == []


@pytest.mark.parametrize(
    ("asked", "misses"),
    [
        ("accuracy >= 95 %", True),
        ("accuracy_ci95_low >= 95 %", True),
        ("accuracy >= 94 %", False),
        ("accuracy <= 90 %", True),
        ("edge_macs <= 1", False),
    ],
)
def test_constraints_on_accuracy_are_held_against_the_test_accuracy(asked: str, misses: bool) -> None:
    found = warnings_of(Measured(0.94, 400), Measured(0.96, 400), [parse_constraint(asked, "--where")])
    assert [asked in warning for warning in found] == [True] * misses
    assert all(("--assured" in warning) == asked.startswith("accuracy ") for warning in found)


@pytest.mark.parametrize(("test", "said"), [(0.80, "lower"), (1.0, "higher"), (0.94, "")])
def test_a_difference_beyond_noise_asks_for_groups(test: float, said: str) -> None:
    found = warnings_of(Measured(test, 400), Measured(0.96, 400), [])
    assert [said in warning and "grouped by person or device?" in warning for warning in found] == [
        True
    ] * bool(said)


def test_chance_is_that_of_the_chi_squared_test() -> None:
    table = [[360, 40], [470, 30]]
    expected = chi2_contingency(table, correction=False).pvalue
    assert chance_of_difference(Measured(360 / 400, 400), Measured(470 / 500, 500)) == pytest.approx(expected)


def test_unknown_point_is_not_counted(run: Run) -> None:
    before = read_points(run.path)
    with pytest.raises(UserError, match="no operating point"):
        run.test(run.select(point_id="none"))
    assert read_points(run.path) == before
