"""A model file and an npz in an empty folder, searched, reported and picked with three commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import explorer

NETS = '''
import torch
from torch import nn


class Net(nn.Module):
    """Residual, with a depthwise convolution and a gate; nothing here knows the explorer."""

    def __init__(self, channels, classes, width):
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.pointwise, self.gate = nn.Conv2d(width, width, 1), nn.Linear(width, width)
        self.head = nn.Linear(width * 4, classes)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        y = self.pointwise(torch.relu(self.depthwise(x)))
        x = torch.relu(x + y * torch.sigmoid(self.gate(y.mean((2, 3))))[:, :, None, None])
        x = nn.functional.adaptive_avg_pool2d(x, 2)
        return self.head(x.view(x.size(0), -1))  # as every tutorial has it; depends on memory order


def make_net(input_shape, num_classes, width):
    return Net(input_shape[0], num_classes, width)
'''
SPACE = """
data: {source: npz:shapes.npz, validation_samples: 80}
backbones:
  own:
    factory: own_code.nets:make_net
    arguments: {width: [4, 8]}
    density_groups: all
    max_crossing_tensors: 2
training: {epochs: 3, learning_rate: 0.01}
objectives: {accuracy: 0.3, edge_macs: 100000, payload_bytes: 400}
edge_device: stm32l4r5
server_device: rpi4
link: ble_2m_dle
"""


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_model_outside_the_repository(tmp_path: Path) -> None:
    (tmp_path / "own_code").mkdir()
    (tmp_path / "own_code" / "nets.py").write_text(NETS)
    (tmp_path / "space.yaml").write_text(SPACE)
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 3
    images = rng.integers(0, 60, (400, 2, 8, 8)) + 60 * (np.arange(8) // 3 == labels[:, None, None, None])
    arrays = {
        "x_train": images[:300],
        "y_train": labels[:300],
        "x_test": images[300:],
        "y_test": labels[300:],
    }
    np.savez(
        tmp_path / "shapes.npz", **{k: v.astype("f4" if k[0] == "x" else "i8") for k, v in arrays.items()}
    )

    def run(module: str, *arguments: str) -> str:
        root = str(Path(explorer.__file__).parent.parent)
        environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    searched = run("explorer.search", "--space", "space.yaml", "--trials", "4", "--run", "own", "--no-energy")
    assert "4 trials" in searched
    run("explorer.report", "own")
    assert "own_code.nets:make_net" in (tmp_path / "reports" / "own" / "report.html").read_text("utf-8")
    run("explorer.pick", "own", "--where", "accuracy >= 0.5", "--minimize", "payload_bytes")
    picked = json.loads((tmp_path / "reports" / "own" / "pick.json").read_text("utf-8"))
    assert picked["network"]["factory"] == "own_code.nets:make_net"
    trials = json.loads((tmp_path / "reports" / "own" / "trials.json").read_text("utf-8"))["rows"]
    assert {trial["state"] for trial in trials} == {"COMPLETE"}
