"""A run folder read back as plain tables, the front marked, and written for other programs."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna import create_study
from stand_ins import SETTING, fabricate, make_proposer

from benchmarks.report_scale.synthetic import make_record
from explorer.core.sweep import sweep
from explorer.costs.model import CostModel
from explorer.engine.loop import SearchLoop
from explorer.engine.pool.base import SerialPool
from explorer.errors import UserError
from explorer.front.pareto import knee, mark_front, non_dominated
from explorer.front.select import Selection
from explorer.runs.record import SCHEMA_VERSION
from explorer.runs.results import FRONT_COLUMNS, RunResults, load_run, write_front, write_rows
from explorer.runs.sealed import write_sealed
from explorer.runs.store import Store
from explorer.session.summary import trial_rows
from explorer.space.constraints import Constraint, parse_constraint
from explorer.space.fit import misfit
from explorer.space.metrics import MEASURED_METRICS, METRICS
from explorer.utils.files import read_json, write_json

LIMIT = "edge_memory_bytes <= 1200"
OBJECTIVES = {"accuracy": 0.1, "edge_macs": 400.0}


def write_run(folder: Path, trials: int) -> None:
    """A run folder with made-up networks, as a search leaves it."""
    study = create_study(directions=["maximize", "minimize"])
    proposer = make_proposer(constraints=[LIMIT])
    loop = SearchLoop(
        study=study,
        proposer=proposer,
        store=Store(folder),
        costs=CostModel(SETTING),
        pool=SerialPool(lambda task: fabricate(task.spec)),
        rung_epochs=(1,),
        sampler="random",
        seed=0,
    )
    loop.run(trials, None, lambda progress: None)
    make_record(folder.name, OBJECTIVES, [LIMIT], SETTING).write(folder)
    write_rows(folder / "trials.json", trial_rows(study))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "made-up"
    write_run(path, 14)
    return path


@pytest.fixture(scope="module")
def results(folder: Path) -> RunResults:
    return load_run(folder)


def test_setting_is_the_one_of_the_run(folder: Path, results: RunResults) -> None:
    assert results.setting == SETTING
    assert [metric.name for metric in results.objectives] == ["accuracy", "edge_macs"]
    assert results.reference_point == OBJECTIVES
    assert results.path == folder


def test_points_are_the_sweeps_of_all_networks(folder: Path, results: RunResults) -> None:
    swept = []
    for key in Store(folder):
        network = fabricate(Store(folder).read(key).spec)
        points = CostModel(SETTING).points(sweep(network.evidence, 0.0, 1.0), network.splits, 40)
        swept.append(points.assign(network_key=key))
    expected = pd.concat(swept, ignore_index=True)
    columns = list(expected.columns)
    # references whose own threshold is not on the frontier come on top, at the end of their network
    added = results.points.merge(expected[columns], how="left", indicator=True)["_merge"] == "left_only"
    assert (results.points.loc[added, "reference"] != "").all()
    kept = results.points.loc[~added, columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, expected, check_dtype=False)


def test_ids_are_unique_and_say_what_they_name(results: RunResults) -> None:
    assert results.points["point_id"].is_unique
    for row in results.points.to_dict("records"):
        key, place, bits, exits = row["point_id"].rsplit(".", 3)
        assert key == row["network_key"]
        assert bits == ("0" if pd.isna(row["payload_bits"]) else str(row["payload_bits"]))
        assert exits == ("n" if pd.isna(row["confidence_threshold"]) else str(row["exited"]))
        assert (place == "0") == (row["split_point"] == "input")


def test_references_are_marked_once_each(results: RunResults) -> None:
    named = results.points[results.points["reference"] != ""]
    names = [name for names in named["reference"] for name in names.split(",")]
    assert sorted(names) == ["all_edge", "all_server", "dense", "large_sparse", "small_dense"]
    by_name = {name: row for row in named.to_dict("records") for name in row["reference"].split(",")}
    proposals = {row["reference"]: row for row in results.trials.to_dict("records")}
    for name, row in by_name.items():
        proposal = proposals[name]
        assert row["network_key"] == proposal["network_key"]
        assert row["split_point"] == proposal["split_point"]
        assert [row["accuracy"], row["edge_macs"]] == proposal["values"]
    assert by_name["all_server"]["exit_rate"] == 0
    assert by_name["all_edge"]["server_macs"] == 0
    assert by_name["dense"]["pattern"] == "dense"
    assert by_name["large_sparse"]["pattern"] == "block"
    assert json.loads(by_name["large_sparse"]["densities"]) == {"fc1": 0.25, "fc2": 0.25, "classifier": 0.25}


def test_front_is_feasible_and_brute_force_non_dominated(results: RunResults) -> None:
    points = results.points
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
            front = results.front
            same = (front["accuracy"] == own["accuracy"]) & (front["edge_macs"] == own["edge_macs"])
            assert same.sum() == 1
    assert results.front["accuracy"].is_monotonic_decreasing
    assert results.front["knee"].sum() == points["knee"].sum() == 1


def test_trials_table(results: RunResults) -> None:
    assert results.trials["number"].tolist() == list(range(14))
    assert results.trials["reference"].tolist()[:2] == ["small_dense", "large_sparse"]
    assert set(results.trials["outcome"]) == {"trained", "cached"}


def test_unmeasured_columns_are_missing(results: RunResults) -> None:
    assert results.points[list(MEASURED_METRICS)].isna().all(axis=None)


def test_measurements_belong_to_network_and_split_point(tmp_path: Path) -> None:
    write_run(tmp_path, 3)
    before = load_run(tmp_path).points
    key = before["network_key"].iloc[0]
    part = {
        "network_key": key,
        "split_point": "relu1",
        "edge_latency_host_s": 0.25,
        "server_latency_host_s": 0.5,
        "edge_energy_host_j": None,
    }
    codec = {"network_key": key, "split_point": "relu1", "payload_bits": 8}
    codec |= {"encode_latency_host_s": 0.125, "decode_latency_host_s": 0.0625}
    content = {"conditions": {}, "parts": [part], "codecs": [codec]}
    write_sealed(tmp_path / "measurements.json", content)
    points = load_run(tmp_path).points
    measured = (points["network_key"] == key) & (points["split_point"] == "relu1")
    assert set(points.loc[measured, "edge_latency_host_s"]) == {0.25}
    assert set(points.loc[measured, "server_latency_host_s"]) == {0.5}
    assert points.loc[~measured, "edge_latency_host_s"].isna().all()
    assert points["edge_energy_host_j"].isna().all()
    encoded = measured & (points["payload_bits"] == 8)
    for name, seconds in (("encode_latency_host_s", 0.125), ("decode_latency_host_s", 0.0625)):
        assert set(points.loc[encoded, name]) == {seconds}
        assert points.loc[~encoded, name].isna().all()
    assert points["point_id"].tolist() == before["point_id"].tolist()


def test_run_without_networks(tmp_path: Path) -> None:
    write_run(tmp_path, 0)
    empty = load_run(tmp_path)
    assert len(empty.points) == len(empty.front) == 0
    write_front(empty)
    assert json.loads((tmp_path / "front.json").read_text())["points"] == []


def test_write_front(tmp_path: Path) -> None:
    write_run(tmp_path, 10)
    own = load_run(tmp_path)
    write_front(own)
    table = pd.read_csv(tmp_path / "front.csv")
    assert table.columns.tolist() == FRONT_COLUMNS
    assert table["point_id"].tolist() == own.front["point_id"].tolist()
    assert table["accuracy"].tolist() == pytest.approx(own.front["accuracy"].tolist())
    content = json.loads((tmp_path / "front.json").read_text())
    assert content["schema_version"] == SCHEMA_VERSION
    assert content["run"] == tmp_path.name
    assert content["objectives"] == {"accuracy": "maximize", "edge_macs": "minimize"}
    assert content["reference_point"] == OBJECTIVES
    assert [point["point_id"] for point in content["points"]] == table["point_id"].tolist()
    assert all(isinstance(point["densities"], dict) for point in content["points"])
    assert all(point["edge_latency_host_s"] is None for point in content["points"])
    names = {name for point in content["references"] for name in point["reference"].split(",")}
    assert names == {"dense", "all_edge", "all_server", "large_sparse", "small_dense"}
    for point in content["references"]:
        assert point["on_front"] == (point["point_id"] in table["point_id"].tolist())


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


def test_another_edge_device_is_another_memory(results: RunResults) -> None:
    """What does not fit it is not feasible there, unless that is left out; the run's own knows no limit."""
    ram_bytes = float(results.points["edge_ram_bytes"].quantile(0.4))
    small = results.setting.edge.model_copy(update={"ram_bytes": ram_bytes, "flash_bytes": 1e9})
    there = results.with_setting(replace(results.setting, edge=small))
    fits = there.points["edge_ram_bytes"] <= ram_bytes
    assert 0 < fits.sum() < len(fits)
    assert (there.points["feasible"] == (results.points["feasible"] & fits)).all()
    dearest = Selection(relax=True, maximize="edge_ram_bytes")
    assert there.select(dearest).point["edge_ram_bytes"] <= ram_bytes
    anyhow = there.select(replace(dearest, fit=False)).point
    assert misfit(anyhow.to_dict(), small).startswith("does not fit: ")
    free = replace(
        there, record=there.record.model_copy(update={"space": there.record.space | {"fit": "none"}})
    )
    assert free.select(dearest).point["point_id"] == anyhow["point_id"]
    assert free.select(replace(dearest, fit=True)).point["edge_ram_bytes"] <= ram_bytes
