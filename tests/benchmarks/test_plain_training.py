"""benchmarks.plain_training: MACs counted by hooks, the plain loop learns, and what falls short is named."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from recipes import recipe
from torch import nn

from benchmarks.plain_training import (
    ALLOWED_LOSS,
    BACKBONES,
    Comparison,
    compare,
    dense_macs,
    plain_accuracy,
    run_search,
    space_text,
)
from explorer.data.dataset import DataSet, Subset
from explorer.space.files import parse_space

RECIPE = recipe(epochs=8, batch_size=16, learning_rate=0.05)


def test_dense_macs_by_hand() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Flatten(),
        nn.Linear(128, 5),
    )
    counted = dense_macs(net, torch.zeros(1, 3, 8, 8))
    assert counted == {"0": 8 * 3 * 9 * 16, "1": 8 * 9 * 16, "3": 128 * 5}


def test_the_plain_loop_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(80) % 2
    inputs = torch.randn(80, 4, generator=generator) + 3.0 * labels[:, None]
    subset = Subset(inputs, labels)
    data = DataSet("blobs", subset, subset, subset, 2, (4,))
    torch.manual_seed(0)
    assert plain_accuracy(nn.Linear(4, 2), data, RECIPE) > 0.95
    torch.manual_seed(0)
    assert plain_accuracy(nn.Linear(4, 2), data, replace(RECIPE, learning_rate=1e-9)) < 0.95


def test_shortfalls_are_named() -> None:
    networks = pd.DataFrame({"network": ["a", "b"], "macs": [10, 20], "formula": [10, 21]})
    worse = Comparison("resnet", 0.5, 0.5 + 2 * ALLOWED_LOSS, 1.0, 1.0, networks)
    assert [line.split(":")[0] for line in worse.shortfalls] == ["resnet", "resnet"]
    assert "0.5400" in worse.shortfalls[0]
    assert "'b'" in worse.shortfalls[1]
    assert replace(worse, search_accuracy=0.6, networks=networks[:1]).shortfalls == []


def test_spaces_are_valid() -> None:
    for backbone in BACKBONES:
        space = parse_space(space_text(backbone, Path("images.npz"), 100, 25, 3), backbone)
        assert list(space.backbones) == [backbone]


def test_a_small_search_beside_the_plain_loop(tmp_path: Path) -> None:
    """Counts agree with the formula for every network, sparse or dense."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (60, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(60) % 3
    np.savez(tmp_path / "images.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    space_file = tmp_path / "resnet.yaml"
    text = space_text("resnet", tmp_path / "images.npz", 40, 10, 1)
    space_file.write_text(text.replace("- 16", "- 4"), encoding="utf-8")
    comparison = compare("resnet", run_search(space_file, tmp_path, 4), 1.0)
    assert (comparison.networks["macs"] == comparison.networks["formula"]).all()
    assert (comparison.networks["macs"] < comparison.networks["dense_macs"]).any()
    assert 0 <= comparison.plain_accuracy <= 1
