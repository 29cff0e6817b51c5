"""``python -m benchmarks.initial_weights --data-dir DIR``: the weights a pruned network learns fastest from.

A dense network is trained first, then its sparse counterparts for 1, 2 and 4 epochs each, from weights drawn
anew, kept, kept and scaled (all, or those of Linear layers), and kept where they are largest. All have equal
densities, recipes and data; the accuracy is that of the validation subset, mean over the seeds. The last
layer stays dense. ``--check`` exits 1 unless the default (kept, those of Linear layers scaled) beats drawn
weights for every network and number of epochs, in the mean over patterns and densities.
"""

import argparse
import copy
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import nn

from explorer.backbones import build_backbone
from explorer.core.network import Network
from explorer.core.recipe import Recipe
from explorer.core.sparsity.layers import InitialWeights
from explorer.core.sparsity.patterns import PatternName, snap_density
from explorer.core.sparsity.sparsify import find_junctions, sparsify
from explorer.core.training import train
from explorer.data.dataset import DataSet, load_data
from explorer.errors import run_command
from explorer.utils.environment import cpu_name
from explorer.utils.files import write_json

STARTS = {
    "drawn": InitialWeights("draw"),
    "kept": InitialWeights("keep", rescale="none"),
    "kept, all scaled": InitialWeights("keep", rescale="all"),
    "kept, linear scaled": InitialWeights("keep"),
    "the same, placed": InitialWeights("keep", placement="magnitude"),
}
PATTERNS: tuple[PatternName, ...] = ("block", "structured")
DENSITIES = (Fraction(1, 4), Fraction(1, 16))
EPOCHS = (1, 2, 4)


@dataclass(frozen=True)
class Case:
    """A network and the data it learns.

    Attributes:
        name: For the table.
        source: As in a search space.
        factory, arguments: As in a search space.
        train_samples, validation_samples: Sizes of the subsets.
        dense_epochs: How long the dense network is trained first.
        learning_rate: Peak.
    """

    name: str
    source: str
    factory: str
    arguments: dict[str, Any]
    train_samples: int
    validation_samples: int
    dense_epochs: int
    learning_rate: float = 2e-3


CASES = (
    Case("MNIST, MLP", "mnist", "explorer.backbones:mlp", {"hidden": [256, 64]}, 12_000, 5_000, 4),
    Case(
        "CIFAR-10 subset, CNN",
        "npz:cifar10_subset.npz",
        "explorer.backbones:cnn",
        {"channels": [32, 64, 64], "hidden": 64},
        2_400,
        600,
        12,
    ),
)


def recipe(case: Case, epochs: int, seed: int) -> Recipe:
    return Recipe(
        epochs=epochs,
        batch_size=64,
        learning_rate=case.learning_rate,
        weight_decay=1e-4,
        exit_loss_weight=0.0,
        output_loss_weight=1.0,
        seed=seed,
        precision="float32",
    )


def network_of(module: nn.Module, data: DataSet) -> Network:
    sample = torch.zeros(1, *data.input_shape)
    return Network(module, sample, data.num_classes, exit_features=16, exits_at=())


def accuracy(module: nn.Module, data: DataSet) -> float:
    """On the validation subset."""
    with torch.inference_mode():
        answers = [module.eval()(batch).argmax(1) for batch in data.validation.inputs.split(512)]
    return float((torch.cat(answers) == data.validation.labels).float().mean())


def dense_module(case: Case, data: DataSet, seed: int) -> nn.Module:
    """The dense network, trained."""
    module = build_backbone(case.factory, case.arguments, data.input_shape, data.num_classes, seed)
    train(network_of(module, data), data.train, recipe(case, case.dense_epochs, seed))
    return module


def sparse_accuracy(
    case: Case,
    data: DataSet,
    dense: nn.Module,
    *,
    pattern: PatternName,
    density: Fraction,
    initial: InitialWeights,
    epochs: int,
    seed: int,
) -> float:
    """Accuracy of the sparse counterpart of a trained network after some epochs."""
    module = copy.deepcopy(dense)
    *junctions, _ = find_junctions(module, pattern)
    chosen = {j.path: snap_density(float(density), j.legal) for j in junctions if not j.stays_dense}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sparsify(module, chosen, pattern, seed, initial)
    train(network_of(module, data), data.train, recipe(case, epochs, seed))
    return accuracy(module, data)


def rows(cases: Sequence[Case], seeds: int, data_dir: Path | None) -> Iterator[dict[str, Any]]:
    """One row per case, pattern, density and number of epochs; mean accuracies over the seeds by start."""
    for case in cases:
        data = load_data(
            case.source,
            train_samples=case.train_samples,
            validation_samples=case.validation_samples,
            test_samples=None,
            seed=0,
            data_dir=data_dir,
        )
        dense = [dense_module(case, data, seed) for seed in range(seeds)]
        reached = fmean(accuracy(module, data) for module in dense)
        for pattern in PATTERNS:
            for density in DENSITIES:
                for epochs in EPOCHS:
                    row = {"case": case.name, "dense": reached, "pattern": pattern, "density": str(density)}
                    row |= {"epochs": epochs}
                    for name, initial in STARTS.items():
                        how = {"pattern": pattern, "density": density, "initial": initial, "epochs": epochs}
                        row[name] = fmean(
                            sparse_accuracy(case, data, module, seed=seed, **how)  # type: ignore[arg-type]
                            for seed, module in enumerate(dense)
                        )
                    yield row


def main() -> int:
    """Print a table, write JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.initial_weights", description=__doc__)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="holds mnist/ and cifar10_subset.npz")
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--quick", action="store_true", help="few samples, one seed: whether it runs")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cases = (
        [replace(c, train_samples=600, validation_samples=300) for c in CASES] if arguments.quick else CASES
    )
    print(f"{'':22}{'pattern':12}{'density':8}{'epochs':7}" + "".join(f"{name:>22}" for name in STARTS))
    found = []
    for row in rows(cases, 1 if arguments.quick else arguments.seeds, arguments.data_dir):
        found.append(row)
        values = "".join(f"{row[name]:22.4f}" for name in STARTS)
        print(f"{row['case']:22}{row['pattern']:12}{row['density']:8}{row['epochs']:<7}{values}", flush=True)
    if arguments.out:
        write_json(arguments.out, {"processor": cpu_name(), "seeds": arguments.seeds, "rows": found})
    return int(arguments.check and not _keeping_pays(found))


def _keeping_pays(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the default beats drawn weights after any number of epochs, over patterns and densities."""
    gains = [
        fmean(
            row["kept, linear scaled"] - row["drawn"]
            for row in rows
            if (row["case"], row["epochs"]) == (case, epochs)
        )
        for case in {row["case"] for row in rows}
        for epochs in EPOCHS
    ]
    return min(gains) > 0


if __name__ == "__main__":
    sys.exit(run_command(main))
