"""Reading a run of somebody else runs none of the code that it names."""

import sys
from pathlib import Path

import pytest
import yaml

import explorer
from explorer import pick, search
from explorer.report.__main__ import main as report_main

HARMLESS = """
from explorer.backbones import mlp as net
import numpy as np
def load():
    x = np.random.default_rng(0).normal(size=(60, 8))
    return x[:40], np.arange(40) % 2, x[40:], np.arange(20) % 2
"""
HARMFUL = "from pathlib import Path\nPath('harm').touch()\nraise RuntimeError('was imported')\n"
SPACE = {
    "data": {"source": "theirs:load", "validation_samples": 10},
    "backbones": {"mlp": {"factory": "theirs:net", "arguments": {"hidden": [[4]]}}},
    "training": {"epochs": 1},
    "objectives": {"accuracy": 0.1, "edge_macs": 10_000},
    "edge_device": "rpi4",
    "server_device": "rpi4",
    "link": "ble_2m_dle",
}


@pytest.fixture
def run_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose factory and data function are harmful now."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "theirs.py").write_text(HARMLESS)
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(SPACE))
    arguments = ["--space", "space.yaml", "--trials", "2", "--run", "theirs", "--workers", "1", "--no-energy"]
    assert search.main(arguments) == 0
    del sys.modules["theirs"]
    (tmp_path / "theirs.py").write_text(HARMFUL)
    return tmp_path / "reports" / "theirs"


def test_tables_report_and_pick_import_nothing(run_of_others: Path, tmp_path: Path) -> None:
    run = explorer.load_run(run_of_others)
    assert len(run.front) > 0
    run.select(minimize="edge_macs")
    assert report_main([str(run_of_others)]) == 0
    assert pick.main([str(run_of_others), "--minimize", "edge_macs", "--no-test"]) == 0
    assert "theirs" not in sys.modules
    assert not (tmp_path / "harm").exists()


def test_what_needs_the_network_does_run_its_code(run_of_others: Path, tmp_path: Path) -> None:
    """So that SECURITY.md promises no more than is true."""
    with pytest.raises(explorer.UserError, match="was imported"):
        pick.main([str(run_of_others), "--minimize", "edge_macs"])
    assert (tmp_path / "harm").exists()
