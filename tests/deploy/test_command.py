"""``explorer deploy``: from a run to a bundle, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

import explorer
from explorer.deploy import __main__ as command
from explorer.deploy import bundle
from explorer.deploy.equivalence import NotEquivalentError
from explorer.errors import UserError
from explorer.runtime.manifest import load_bundle


@pytest.fixture(scope="module")
def run(digits_run: explorer.Run) -> explorer.Run:
    return digits_run


def test_a_bundle_of_several_points(
    run: explorer.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--minimize", "edge_macs", "--where", "exit_rate >= 0.3", "--samples", "200"]
    options += ["--policy", "--accuracy-floor", "0.2", "--json", "--out", str(tmp_path / "b")]
    assert command.main([str(run.path), *options]) == 0
    shown = json.loads(capsys.readouterr().out)
    made = load_bundle(tmp_path / "b", "edge")
    assert shown["bundle"] == made.digest
    pick = run.select(minimize="edge_macs", where=["exit_rate >= 0.3"])
    assert made.points[0].id == pick.point["point_id"] == shown["checked"][0]["point_id"]
    assert all(point.accuracy >= 0.2 for point in made.points[1:])
    keys = {point.id.split(".")[0] for point in made.points}
    assert keys == {pick.network_key}
    assert all(own["samples"] == 200 for own in shown["checked"])
    assert shown["checked"][0]["stored_accuracy"] == pytest.approx(shown["checked"][0]["accuracy"], abs=0.01)


def test_from_python(run: explorer.Run, tmp_path: Path) -> None:
    pick = run.select()
    assert load_bundle(run.deploy(pick, tmp_path / "b"), "server").points[0].id == pick.point["point_id"]


def test_a_failed_proof_leaves_nothing(
    run: explorer.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise NotEquivalentError("point p: crossing differ")

    monkeypatch.setattr(bundle, "check_equivalence", fail)
    assert command.main([str(run.path), "--out", str(tmp_path / "b")]) == 1
    assert capsys.readouterr().err == "not equivalent: point p: crossing differ; nothing was written\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--accuracy-floor", "0.9"], "--accuracy-floor: goes with --policy"),
        (["--samples", "10"], "--samples: must be at least 200, got 10"),
        (["--point", "nobody"], "no operating point 'nobody' in this run"),
    ],
)
def test_what_is_refused(run: explorer.Run, tmp_path: Path, options: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        command.main([str(run.path), "--out", str(tmp_path / "b"), *options])
    assert list(tmp_path.iterdir()) == []


def test_a_floor_that_is_no_share_is_refused(run: explorer.Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main([str(run.path), "--policy", "--accuracy-floor", "2"])
    assert ended.value.code == 2
    assert "--accuracy-floor: must be a share such as 0.95 or 95 %, got '2'" in capsys.readouterr().err
