"""A search whose latency rests on times of operators sees that sparse layers may be slower."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from calibrated import calibrated_device

import explorer
from explorer.devices.calibration import write_profile


def test_a_search_by_times_of_operators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_profile(tmp_path / "timed.yaml", calibrated_device("timed"))
    space = yaml.safe_load((Path(explorer.__file__).parents[1] / "search_spaces" / "digits.yaml").read_text())
    space |= {"edge_device": str(tmp_path / "timed.yaml"), "patterns": ["block", "random"]}
    space["objectives"] = {"accuracy": 0.1, "latency_model_s": 1.0}
    run = explorer.run_search(space, trials=4, name="timed", energy=False, progress=False, workers=1)
    setting = run.results.setting
    assert setting.latency_basis.startswith("edge: operators")
    assert run.points["latency_model_s"].notna().all()
    slower = run.with_setting(edge="rpi4")
    assert not np.allclose(slower.points["latency_model_s"], run.points["latency_model_s"])
    dense = {split.name: split for split in next(iter(run.results.networks.values())).splits}
    assert all(own.kind != "other" for split in dense.values() for own in split.operators)
