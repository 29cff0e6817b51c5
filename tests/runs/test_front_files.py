"""The front as other programs read it."""

import json
from pathlib import Path

import pandas as pd
import pytest
from made_up_runs import OBJECTIVES, write_run

from explorer.runs.front_files import write_front
from explorer.runs.point_table import FRONT_COLUMNS
from explorer.runs.record import SCHEMA_VERSION
from explorer.runs.results import load_run


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
