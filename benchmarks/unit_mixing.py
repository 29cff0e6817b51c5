"""``python -m benchmarks.unit_mixing``: how consecutive `block` junctions should mix units, by accuracy.

The first sparse junction is grouped by neighbours or interleaved; later ones read their input groups as
neighbours (contiguous), every g-th unit (interleaved), neighbours shifted by half a group, or through one
fixed permutation. Networks are trained as masked dense ones, so that no choice needs a layer of its own;
accuracy is on the validation subset.
"""

import argparse
import json
import statistics
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from explorer.core.calibration import uncalibrated
from explorer.core.evidence import collect_evidence
from explorer.core.network import Network
from explorer.core.recipe import Recipe
from explorer.core.sparsity.patterns import adjacency
from explorer.core.training import train
from explorer.costs.build import build_network
from explorer.data.dataset import DataSet, load_data
from explorer.errors import run_command
from explorer.space.candidate import NetworkSpec
from explorer.utils.files import write_json

MIXINGS = ("contiguous", "interleaved", "shifted", "permuted")


@dataclass(frozen=True)
class Case:
    """A network, its data, and the densities compared.

    Attributes:
        name: For the table.
        source: Data set.
        samples: Training samples; a quarter as many validate.
        factory, arguments: As in a search space.
        densities: Per junction path, in definition order.
        epochs: Of training.
    """

    name: str
    source: str
    samples: int
    factory: str
    arguments: dict[str, Any]
    densities: dict[str, Fraction]
    epochs: int


def _densities(paths: str, *values: str) -> dict[str, Fraction]:
    return dict(zip(paths.split(), map(Fraction, values), strict=True))


_MLP, _CNN = "explorer.backbones:mlp", "explorer.backbones:cnn"
_FC = "fc1 fc2 classifier"
CASES = (
    Case("mlp 1/4", "mnist", 20_000, _MLP, {"hidden": [240, 240]}, _densities(_FC, "1/4", "1/4", "1"), 6),
    Case("mlp 1/8", "mnist", 20_000, _MLP, {"hidden": [240, 240]}, _densities(_FC, "1/8", "1/8", "1/2"), 6),
    Case(
        "cnn 1/4",
        "fashion_mnist",
        8_000,
        _CNN,
        {"channels": [16, 32, 32], "hidden": 64},
        _densities("conv2 conv3 fc", "1/4", "1/4", "1/4"),
        4,
    ),
    Case(
        "cnn 1/8",
        "fashion_mnist",
        8_000,
        _CNN,
        {"channels": [16, 32, 32], "hidden": 64},
        _densities("conv2 conv3 fc", "1/8", "1/8", "1/8"),
        4,
    ),
)


def input_order(mixing: str, inputs: int, groups: int, seed: int) -> NDArray[np.int64]:
    """Which unit stands at each place before contiguous grouping, shape (inputs,)."""
    units = np.arange(inputs)
    if mixing == "interleaved":
        return units.reshape(-1, groups).T.reshape(-1)
    if mixing == "shifted":
        return np.roll(units, inputs // groups // 2)
    return np.random.default_rng(seed).permutation(inputs) if mixing == "permuted" else units


def mask_junctions(network: Network, densities: dict[str, Fraction], first: str, later: str) -> None:
    """Zero the weights that ``block`` does not keep, now and in every gradient."""
    for place, (path, density) in enumerate(densities.items()):
        layer = network.backbone.get_submodule(path)
        assert isinstance(layer, nn.Linear | nn.Conv2d)
        outputs, inputs = layer.weight.shape[:2]
        order = input_order(later if place else first, inputs, density.denominator, zlib.crc32(path.encode()))
        kept = np.zeros((outputs, inputs), dtype=np.bool_)
        kept[:, order] = adjacency("block", inputs, outputs, density, seed=0)
        mask = torch.from_numpy(kept).view(outputs, inputs, *[1] * (layer.weight.dim() - 2)).float()
        with torch.no_grad():
            layer.weight.mul_(mask / sqrt(density))
        layer.weight.register_hook(lambda gradient, mask=mask: gradient * mask)


def accuracy(case: Case, data: DataSet, first: str, later: str, seed: int) -> float:
    """Validation accuracy of one trained network."""
    recipe = Recipe(
        epochs=case.epochs,
        batch_size=128,
        learning_rate=3e-3,
        weight_decay=1e-4,
        exit_loss_weight=0.0,
        output_loss_weight=1.0,
        seed=seed,
        precision="float32",
    )
    spec = NetworkSpec("net", case.factory, json.dumps(case.arguments), "block", (), 64, recipe, "{}")
    network = build_network(spec, data.input_shape, data.num_classes)
    mask_junctions(network, case.densities, first, later)
    train(network, data.train, recipe)
    calibration = uncalibrated([point.name for point in network.split_points[:-1]], [32])
    return float(collect_evidence(network, data.validation, calibration).output_correct_N.mean())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print mean and deviation per case and way of mixing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unit_mixing", description=__doc__)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where data files lie")
    parser.add_argument("--seeds", type=int, default=3, help="networks per row (default: 3)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the rows as JSON")
    parsed = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = []
    for case in CASES:
        data = load_data(
            case.source,
            train_samples=case.samples,
            validation_samples=case.samples // 4,
            test_samples=None,
            seed=0,
            data_dir=parsed.data_dir,
        )
        for first, later in [("interleaved", "interleaved"), *(("contiguous", mixing) for mixing in MIXINGS)]:
            values = [accuracy(case, data, first, later, seed) for seed in range(parsed.seeds)]
            deviation = statistics.stdev(values) if len(values) > 1 else 0.0
            mean = statistics.mean(values)
            rows.append({"case": case.name, "first": first, "later": later, "mean": mean, "stdev": deviation})
            print(
                f"{case.name:8} first {first:12} later {later:12} {mean:.4f} +- {deviation:.4f}", flush=True
            )
    if parsed.out:
        write_json(parsed.out, rows)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
