"""The table of operating points: what was swept, named as references, and measured."""

import json
from pathlib import Path

import pandas as pd
from made_up_runs import write_run
from stand_ins import SETTING, fabricate

from explorer.core.sweep import sweep
from explorer.costs.model import CostModel
from explorer.runs.results import RunResults, load_run
from explorer.runs.sealed import write_sealed
from explorer.runs.store import Store
from explorer.space.metrics import MEASURED_METRICS


def test_points_are_the_sweeps_of_all_networks(made_up_run: RunResults) -> None:
    swept = []
    for key in Store(made_up_run.path):
        network = fabricate(Store(made_up_run.path).read(key).spec)
        points = CostModel(SETTING).points(sweep(network.evidence, 0.0, 1.0), network.splits, 40)
        swept.append(points.assign(network_key=key))
    expected = pd.concat(swept, ignore_index=True)
    columns = list(expected.columns)
    # references whose own threshold is not on the frontier come on top, at the end of their network
    added = made_up_run.points.merge(expected[columns], how="left", indicator=True)["_merge"] == "left_only"
    assert (made_up_run.points.loc[added, "reference"] != "").all()
    kept = made_up_run.points.loc[~added, columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, expected, check_dtype=False)


def test_ids_are_unique_and_say_what_they_name(made_up_run: RunResults) -> None:
    assert made_up_run.points["point_id"].is_unique
    for row in made_up_run.points.to_dict("records"):
        key, place, bits, exits = row["point_id"].rsplit(".", 3)
        assert key == row["network_key"]
        assert bits == ("0" if pd.isna(row["payload_bits"]) else str(row["payload_bits"]))
        assert exits == ("n" if pd.isna(row["confidence_threshold"]) else str(row["exited"]))
        assert (place == "0") == (row["split_point"] == "input")


def test_references_are_marked_once_each(made_up_run: RunResults) -> None:
    named = made_up_run.points[made_up_run.points["reference"] != ""]
    names = [name for names in named["reference"] for name in names.split(",")]
    assert sorted(names) == ["all_edge", "all_server", "dense", "large_sparse", "small_dense"]
    by_name = {name: row for row in named.to_dict("records") for name in row["reference"].split(",")}
    proposals = {row["reference"]: row for row in made_up_run.trials.to_dict("records")}
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


def test_unmeasured_columns_are_missing(made_up_run: RunResults) -> None:
    assert made_up_run.points[list(MEASURED_METRICS)].isna().all(axis=None)


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
