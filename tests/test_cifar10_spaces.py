"""The spaces for CIFAR-10: the quick one is searched, on images that are made up."""

from pathlib import Path

import numpy as np
import pytest
import yaml

import explorer
from explorer.space.files import load_space
from explorer.space.inventory import build_inventory


@pytest.mark.slow
def test_the_whole_recipe() -> None:
    space = load_space("cifar10_resnet")[0]
    recipe = space.recipe_of("resnet")
    assert (recipe.epochs, [step.name for step in recipe.augment]) == (30, ["crop_and_flip"])
    assert recipe.self_distillation is not None
    variants = build_inventory(space, (3, 32, 32), 10).variants["resnet"]
    assert len(variants) == 9
    assert max(variant.macs[-1] for variant in variants) < space.objectives["edge_macs"]


def test_the_quick_one_is_searched(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (60, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(60) % 10
    np.savez(tmp_path / "images.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    content = yaml.safe_load(load_space("cifar10_quick")[1])
    content["data"] |= {
        "source": f"npz:{tmp_path / 'images.npz'}",
        "train_samples": 40,
        "validation_samples": 20,
    }
    content["training"]["epochs"] = 1
    run = explorer.run_search(
        content, trials=1, name="quick", reports=tmp_path, energy=False, progress=False, workers=1
    )
    assert len(run.trials) == 1
    assert len(run.points) > 0
