"""Every command that a report shows is pasted into a shell: the run remembers what the search was told."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import explorer

sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NETS = """
from torch import nn


def make_net(input_shape, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, num_classes))
"""
SPACE = """
data: {source: npz:mine.npz, validation_samples: 60}
backbones:
  own: {factory: nets:make_net}
training: {epochs: 1}
objectives: {accuracy: 0.1, edge_macs: 100000, payload_bytes: 400}
edge_device: stm32l4r5
server_device: rpi4
link: ble_2m_dle
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on PATH"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a search with a factory, data and a folder of runs of one's own was made."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "data").mkdir()
    x, y = np.random.default_rng(0).random((300, 1, 8, 8), dtype=np.float32), np.arange(300) % 3
    arrays = {"x_train": x[:200], "y_train": y[:200], "x_test": x[200:], "y_test": y[200:]}
    np.savez(folder / "data" / "mine.npz", **arrays)
    (folder / "nets.py").write_text(NETS, encoding="utf-8")
    (folder / "space.yaml").write_text(SPACE, encoding="utf-8")
    told = "--data-dir data --max-data-bytes 10000000 --reports elsewhere/reports"
    how = "--space space.yaml --run one --trials 2 --workers 1 --no-energy"
    paste(f"explorer search {how} {told}", folder)
    return folder


def paste(command: str, folder: Path) -> str:
    """Run a command in a shell whose PATH leads to this Python; it must exit 0."""
    sources = str(Path(explorer.__file__).parents[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EXPLORER_")}
    environment |= {"PYTHONPATH": sources, "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    how = {"cwd": folder, "env": environment, "capture_output": True, "text": True}
    done = subprocess.run(command, shell=True, check=False, **how)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


def shown_commands(report: Path) -> list[str]:
    """Every text of the page that has a button to copy it and names a command."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(report.as_uri())
        page.wait_for_selector("html[data-ready]")
        texts = page.eval_on_selector_all(".command code", "codes => codes.map((code) => code.textContent)")
        browser.close()
    return list(dict.fromkeys(text for text in texts if text))


def test_every_command_of_a_report_works_when_pasted(folder: Path) -> None:
    (report,) = folder.glob("**/one/report.html")
    commands = shown_commands(report)
    assert {command.split()[2] for command in commands} == {"explorer.pick", "explorer.deploy"}
    for command in commands:
        said = paste(command, folder)
        shutil.rmtree(folder / "bundle", ignore_errors=True)
        for line in said.splitlines():
            if line.startswith("next: explorer deploy"):
                paste(line.removeprefix("next: "), folder)
                shutil.rmtree(folder / "bundle")


def test_a_search_goes_on_without_being_told_again_where_its_data_lie(folder: Path) -> None:
    (report,) = folder.glob("**/one/report.html")
    reports = report.parent.parent.relative_to(folder)
    paste(f"python -m explorer.search --run one --resume --trials 3 --no-energy --reports {reports}", folder)
    paste(f"explorer confirm one --top 1 --seeds 1 --workers 1 --reports {reports}", folder)
