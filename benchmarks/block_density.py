"""``python -m benchmarks.block_density``: what `block` sparsity does to file size and training time.

Each network is built, trained for a few steps and saved as the explorer does it, dense and sparse in turn,
several times; the table shows medians of the paired ratios. Bytes are those of ``weights.safetensors``, exit
classifiers included; these and a convolution of a one-channel image stay dense.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from explorer.core.network import Network
from explorer.core.recipe import Recipe
from explorer.core.sparsity.patterns import snap_density
from explorer.core.sparsity.sparsify import find_junctions
from explorer.core.training import train
from explorer.costs.build import build_network
from explorer.data.dataset import Subset
from explorer.errors import run_command
from explorer.space.candidate import NetworkSpec
from explorer.utils.files import write_json

RECIPE = Recipe(
    epochs=1,
    batch_size=128,
    learning_rate=1e-3,
    weight_decay=1e-4,
    exit_loss_weight=0.3,
    output_loss_weight=1.0,
    seed=0,
    precision="float32",
)


BYTES_LIMIT = 0.27  # of the dense bytes at density 1/4
TRAINING_LIMIT = 1.0  # of the dense seconds at density 1/4


@dataclass(frozen=True)
class Case:
    """A dense network to compare with its sparse counterpart.

    Attributes:
        name: For the table.
        factory, arguments: As in a search space.
        input_shape: Without batch.
        mostly_sparse: Whether nearly all weights belong to junctions that take the density; the byte limit
            holds for these.
    """

    name: str
    factory: str
    arguments: dict[str, object]
    input_shape: tuple[int, ...]
    mostly_sparse: bool = True


CASES = (
    Case("mlp 784-240-240-10", "explorer.backbones:mlp", {"hidden": [240, 240]}, (1, 28, 28)),
    Case("mlp 784-784-784-10", "explorer.backbones:mlp", {"hidden": [784, 784]}, (1, 28, 28)),
    Case(
        "cnn 12-24-32", "explorer.backbones:cnn", {"channels": [12, 24, 32], "hidden": 64}, (1, 28, 28), False
    ),
    Case("cnn 32-64-128", "explorer.backbones:cnn", {"channels": [32, 64, 128], "hidden": 256}, (1, 28, 28)),
)


def _network(case: Case, density: Fraction) -> Network:
    arguments = json.dumps(case.arguments)

    def spec(densities: tuple[tuple[str, Fraction], ...]) -> NetworkSpec:
        return NetworkSpec("net", case.factory, arguments, "block", densities, 64, RECIPE, "{}")

    junctions = find_junctions(build_network(spec(()), case.input_shape, 10).backbone)
    chosen = tuple((junction.path, snap_density(float(density), junction.legal)) for junction in junctions)
    return build_network(spec(chosen), case.input_shape, 10)


def stored_bytes(network: Network) -> int:
    """Length of the weights file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        save_file(network.weights(), path)
        return path.stat().st_size


def measure(case: Case, density: Fraction, repeats: int, samples: int) -> dict[str, Any]:
    """Bytes and seconds of the sparse network relative to its dense counterpart, measured in turn."""
    generator = torch.Generator().manual_seed(0)
    data = Subset(
        torch.randn(samples, *case.input_shape, generator=generator),
        torch.randint(10, (samples,), generator=generator),
    )
    ratios, dense_s = [], []
    for repeat in range(repeats + 1):
        dense = train(_network(case, Fraction(1)), data, RECIPE).record.seconds
        sparse = train(_network(case, density), data, RECIPE).record.seconds
        if repeat > 0:  # the first pair warms up
            ratios.append(sparse / dense)
            dense_s.append(dense)
    return {
        "network": case.name,
        "density": str(density),
        "bytes_ratio": stored_bytes(_network(case, density)) / stored_bytes(_network(case, Fraction(1))),
        "training_ratio": statistics.median(ratios),
        "training_ratio_min": min(ratios),
        "training_ratio_max": max(ratios),
        "dense_epoch_s": statistics.median(dense_s),
    }


def _falls_short(case: Case, row: dict[str, Any]) -> bool:
    too_large = case.mostly_sparse and row["bytes_ratio"] > BYTES_LIMIT
    return bool(too_large or row["training_ratio"] > TRAINING_LIMIT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; ``--check`` fails where a ratio is above its limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.block_density", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats and samples")
    parser.add_argument("--check", action="store_true", help="exit 1 if bytes > 0.27 or training > 1 at 1/4")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the rows as JSON")
    parsed = parser.parse_args(arguments)
    torch.set_num_threads(1)
    repeats, samples = (3, 512) if parsed.quick else (9, 2048)
    densities = (Fraction(1, 4), Fraction(1, 8))
    rows = [(case, measure(case, density, repeats, samples)) for case in CASES for density in densities]
    for _, row in rows:
        cells = (f"{value:.3f}" if isinstance(value, float) else f"{value:>20}" for value in row.values())
        print("  ".join(cells))
    print("columns: " + ", ".join(rows[0][1]))
    if parsed.out:
        write_json(parsed.out, [row for _, row in rows])
    short = [row for case, row in rows if row["density"] == "1/4" and _falls_short(case, row)]
    for row in short:
        print(f"above its limit: {row}")
    return 1 if parsed.check and short else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
