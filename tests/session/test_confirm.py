"""Networks trained anew with other seeds."""

import json
from pathlib import Path

import pytest

from explorer import Run, UserError, confirm, load_run
from explorer.runs.confirmed import Confirmed, read_confirmed
from explorer.session.confirm import confirmed, points_to_confirm
from explorer.session.options import Options
from explorer.session.prepare import prepare


@pytest.fixture(scope="module")
def run(own_digits_run: Run) -> Run:
    return own_digits_run


def options_of(run: Run) -> Options:
    return Options(run=run.path.name, reports=run.path.parent, resume=True, workers=1)


def test_the_seed_of_the_search_gives_the_very_point(run: Run) -> None:
    points = points_to_confirm(run.results, top=2)
    found = confirmed(prepare(options_of(run)), options_of(run), run.results, points, seeds=[0, 1])
    for point, (_, row) in zip(found, points.iterrows(), strict=True):
        assert point.accuracies[0] == row["accuracy"]
        assert point.exit_rates[0] == row["exit_rate"]
        assert point.accuracies[1] != row["accuracy"] or point.exit_rates[1] != row["exit_rate"]


def test_command_writes_what_it_prints_and_the_report_shows_it(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = run.front["point_id"].iloc[[0, 1]]
    where = ["--reports", str(run.path.parent), "--workers", "1"]
    assert confirm.main(["run", "--ids", first, "--seeds", "2", "--json", *where]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == [point.to_json() for point in read_confirmed(run.path)]
    assert [point.seeds for point in read_confirmed(run.path)] == [(1, 2)]
    assert confirm.main(["run", "--ids", second, "--seeds", "1", *where]) == 0
    assert "written: " in capsys.readouterr().out
    assert [point.point_id for point in read_confirmed(run.path)] == [first, second]
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert 'id="confirmed"' in page
    assert second in page
    assert load_run("run", run.path.parent).record == run.record


def test_from_python_as_by_the_command(run: Run) -> None:
    (point,) = run.confirm(ids=[run.front["point_id"].iloc[0]], seeds=2, workers=1)
    assert point.seeds == (1, 2)
    assert point in read_confirmed(run.path)
    assert (
        confirm.main(["run", "--ids", point.point_id, "--seeds", "2", "--reports", str(run.path.parent)]) == 0
    )
    assert point in read_confirmed(run.path)


def test_unknown_points_are_refused_before_anything_is_trained(run: Run) -> None:
    with pytest.raises(UserError, match="no operating point 'none'"):
        points_to_confirm(run.results, top=1, ids=["none"])


def test_luck_is_a_mean_below_the_interval() -> None:
    point = Confirmed("a", 0.95, 0.93, (1, 2), (0.94, 0.93), (0.5, 0.5), ("diverged",))
    assert not point.lucky
    assert Confirmed.from_json(point.to_json()) == point
    assert Confirmed("a", 0.95, 0.93, (1, 2), (0.92, 0.93), (0.5, 0.5), ()).lucky
    alone = Confirmed("a", 0.95, 0.93, (), (), (), ("diverged",))
    assert not alone.lucky
    assert alone.to_json()["accuracy_mean"] is None


def test_run_folder_without_confirmation(tmp_path: Path) -> None:
    assert read_confirmed(tmp_path) == []
