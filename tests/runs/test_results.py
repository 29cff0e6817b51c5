"""A run folder read back as plain tables, the front marked, and written for other programs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_runs import LIMIT, OBJECTIVES, write_run
from stand_ins import SETTING

from explorer.errors import UserError
from explorer.front.select import Selection
from explorer.runs.front_files import write_front
from explorer.runs.record import SCHEMA_VERSION
from explorer.runs.results import RunResults, load_run
from explorer.space.constraints import parse_constraint
from explorer.space.fit import misfit
from explorer.utils.files import read_json, write_json


def test_setting_is_the_one_of_the_run(made_up_run: RunResults) -> None:
    assert made_up_run.setting == SETTING
    assert [metric.name for metric in made_up_run.objectives] == ["accuracy", "edge_macs"]
    assert made_up_run.reference_point == OBJECTIVES


def test_front_is_feasible_and_brute_force_non_dominated(made_up_run: RunResults) -> None:
    points = made_up_run.points
    feasible = points["edge_memory_bytes"] <= 1200
    assert 0 < feasible.sum() < len(points)
    assert points["feasible"].tolist() == feasible.tolist()
    assert set(points.loc[~feasible, "violated"]) == {str(parse_constraint(LIMIT, ""))}
    rows = points[feasible]
    for own in rows.to_dict("records"):
        beaten = (
            (rows["accuracy"] >= own["accuracy"])
            & (rows["edge_macs"] <= own["edge_macs"])
            & ((rows["accuracy"] > own["accuracy"]) | (rows["edge_macs"] < own["edge_macs"]))
        ).any()
        if own["on_front"]:
            assert not beaten
        elif not beaten:  # an equal point stands for it
            front = made_up_run.front
            same = (front["accuracy"] == own["accuracy"]) & (front["edge_macs"] == own["edge_macs"])
            assert same.sum() == 1
    assert made_up_run.front["accuracy"].is_monotonic_decreasing
    assert made_up_run.front["knee"].sum() == points["knee"].sum() == 1


def test_trials_table(made_up_run: RunResults) -> None:
    assert made_up_run.trials["number"].tolist() == list(range(14))
    assert made_up_run.trials["reference"].tolist()[:2] == ["small_dense", "large_sparse"]
    assert set(made_up_run.trials["outcome"]) == {"trained", "cached"}


def test_run_without_networks(tmp_path: Path) -> None:
    write_run(tmp_path, 0)
    empty = load_run(tmp_path)
    assert len(empty.points) == len(empty.front) == 0
    write_front(empty)
    assert json.loads((tmp_path / "front.json").read_text())["points"] == []


def test_other_schema_version(tmp_path: Path) -> None:
    write_run(tmp_path, 0)
    path = tmp_path / "run.json"
    write_json(path, read_json(path) | {"schema_version": SCHEMA_VERSION + 1})
    with pytest.raises(UserError, match=rf"run\.json: schema_version must be {SCHEMA_VERSION}, got "):
        load_run(tmp_path)


def test_search_that_was_cut_off(tmp_path: Path) -> None:
    write_run(tmp_path, 2)
    (tmp_path / "trials.json").unlink()
    with pytest.raises(
        UserError, match=rf"was cut off; go on with `.*--run {tmp_path.name} --resume --reports "
    ):
        load_run(tmp_path)


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"run\.json: no such file; is this a run folder\?"):
        load_run(tmp_path / "absent")


def test_another_edge_device_is_another_memory(made_up_run: RunResults) -> None:
    """What does not fit it is not feasible there, unless that is left out; the run's own knows no limit."""
    ram_bytes = float(made_up_run.points["edge_ram_bytes"].quantile(0.4))
    small = made_up_run.setting.edge.model_copy(update={"ram_bytes": ram_bytes, "flash_bytes": 1e9})
    there = made_up_run.with_setting(replace(made_up_run.setting, edge=small))
    fits = there.points["edge_ram_bytes"] <= ram_bytes
    assert 0 < fits.sum() < len(fits)
    assert (there.points["feasible"] == (made_up_run.points["feasible"] & fits)).all()
    dearest = Selection(relax=True, maximize="edge_ram_bytes")
    assert there.select(dearest).point["edge_ram_bytes"] <= ram_bytes
    anyhow = there.select(replace(dearest, fit=False)).point
    assert misfit(anyhow.to_dict(), small).startswith("does not fit: ")
    free = replace(
        there, record=there.record.model_copy(update={"space": there.record.space | {"fit": "none"}})
    )
    assert free.select(dearest).point["point_id"] == anyhow["point_id"]
    assert free.select(replace(dearest, fit=True)).point["edge_ram_bytes"] <= ram_bytes
