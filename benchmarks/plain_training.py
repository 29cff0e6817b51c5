"""``python -m benchmarks.plain_training --data FILE.npz``: searches on CIFAR-10 beside a plain training loop.

For a residual network and for MobileNetV2: a search of ``--trials`` proposals, as a user runs it, and a plain
PyTorch loop that trains the same dense backbone with the same recipe, without exits, sparsity or split.
Printed are the best accuracies of both on the same validation samples, and for every network of the search
its multiply-accumulates next to the formula sum(density x dense MACs of the layer), whose dense MACs are
counted here, by hooks.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from explorer import search
from explorer.backbones import build_backbone
from explorer.core.recipe import Recipe
from explorer.data.dataset import DataSet
from explorer.errors import run_command
from explorer.runs.results import RunResults, load_run
from explorer.runs.store import StoredNetwork
from explorer.space.files import load_space_data, parse_space
from explorer.utils.files import write_json

ALLOWED_LOSS = 0.02  # of accuracy against the plain loop; 400 validation samples tell no less apart
BACKBONES: dict[str, dict[str, Any]] = {
    "resnet": {"factory": "explorer.backbones:resnet", "arguments": {"depth": [8], "width": [8, 16]}},
    "mobilenetv2": {
        "factory": "explorer.backbones:mobilenetv2",
        "arguments": {"width": [0.25, 0.35], "stages": [4]},
    },
}


@dataclass(frozen=True)
class Comparison:
    """One search and its plain counterpart.

    Attributes:
        backbone: A key of :data:`BACKBONES`.
        search_accuracy: Best of the front, on validation.
        plain_accuracy: Of the dense network trained by the plain loop, best over its argument choices.
        search_seconds, plain_seconds: Taken by the whole search, and by the plain trainings together.
        networks: One row per network: mean density, MACs, and MACs by the formula.
    """

    backbone: str
    search_accuracy: float
    plain_accuracy: float
    search_seconds: float
    plain_seconds: float
    networks: pd.DataFrame

    @property
    def shortfalls(self) -> list[str]:
        """What does not hold, one line each."""
        short = []
        if self.search_accuracy < self.plain_accuracy - ALLOWED_LOSS:
            short.append(
                f"{self.backbone}: search reaches {self.search_accuracy:.4f}, plain {self.plain_accuracy:.4f}"
            )
        differing = self.networks[self.networks["macs"] != self.networks["formula"]]
        return short + [f"{self.backbone}: {row}" for row in differing.to_dict("records")]


def space_text(backbone: str, data: Path, train_samples: int, validation_samples: int, epochs: int) -> str:
    """A space file for one backbone."""
    content = {
        "data": {
            "source": f"npz:{data.resolve()}",
            "train_samples": train_samples,
            "validation_samples": validation_samples,
            "test_samples": None,
            "seed": 0,
        },
        "backbones": {
            backbone: BACKBONES[backbone]
            | {
                "densities": {"low": 0.1, "high": 1.0, "limit": 6},
                "density_groups": "stage",
                "split_points": "all",
            }
        },
        "patterns": ["block"],
        "confidence_thresholds": {"low": 0.0, "high": 1.0, "step": 0.01},
        "payload_bits": [32, 8],
        "training": {
            "epochs": epochs,
            "batch_size": 64,
            "learning_rate": 0.005,
            "weight_decay": 0.0005,
            "exit_loss_weight": 0.3,
            "output_loss_weight": 1.0,
            "exit_features": 256,
            "seed": 0,
        },
        "objectives": {"accuracy": 0.1, "edge_macs": 30_000_000, "payload_bytes": 12_298},
        "constraints": [],
        "edge_device": "rpi4",
        "server_device": "nvidia_t4",
        "link": "wifi_huang2012",
    }
    return yaml.safe_dump(content, sort_keys=False)


def dense_macs(backbone: nn.Module, sample: Tensor) -> dict[str, int]:
    """Multiply-accumulates of every convolution and Linear layer for one sample, by module path."""
    counted: dict[str, int] = {}

    def counting(name: str) -> Any:
        def hook(layer: nn.Module, _: Any, output: Tensor) -> None:
            weight = layer.weight
            assert isinstance(weight, Tensor)
            counted[name] = weight.numel() * (output[0].numel() // weight.shape[0])

        return hook

    layers = {
        name: module
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear)
    }
    handles = [layer.register_forward_hook(counting(name)) for name, layer in layers.items()]
    with torch.inference_mode():
        backbone.eval()(sample)
    for handle in handles:
        handle.remove()
    return counted


def network_row(stored: StoredNetwork, data: DataSet) -> dict[str, Any]:
    """A stored network's MACs beside the formula."""
    spec = stored.spec
    dense = build_backbone(spec.factory, spec.argument_values, data.input_shape, data.num_classes, seed=0)
    counted = dense_macs(dense, torch.zeros(1, *data.input_shape))
    densities = dict(spec.densities)
    kept = sum(macs * densities.get(name, 1) for name, macs in counted.items())
    return {
        "network": spec.key,
        "mean_density": sum(map(float, densities.values())) / len(densities),
        "dense_macs": sum(counted.values()),
        "macs": stored.splits[-1].edge_macs,
        "formula": int(kept),
    }


def train_plainly(
    backbone: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    recipe: Recipe,
    prepare: Callable[[Tensor], Tensor] = lambda batch: batch,
) -> None:
    """The loop that every PyTorch tutorial has; ``prepare`` normalises and augments a batch of inputs."""
    optimiser = torch.optim.AdamW(
        backbone.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    batches = -(-len(labels) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.epochs * batches)
    backbone.train()
    for _ in range(recipe.epochs):
        for batch in torch.randperm(len(labels)).split(recipe.batch_size):
            loss = F.cross_entropy(backbone(prepare(inputs[batch])), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


def plain_accuracy(backbone: nn.Module, data: DataSet, recipe: Recipe) -> float:
    """Validation accuracy after that loop."""
    torch.manual_seed(recipe.seed)
    train_plainly(backbone, data.train.inputs, data.train.labels, recipe)
    backbone.eval()
    with torch.inference_mode():
        answers = torch.cat([backbone(inputs).argmax(-1) for inputs in data.validation.inputs.split(256)])
    return float((answers == data.validation.labels).double().mean())


def run_search(space_file: Path, folder: Path, trials: int) -> RunResults:
    """Search as the command does, with one worker."""
    arguments = ["--space", str(space_file), "--trials", str(trials), "--no-energy", "--workers", "1"]
    search.main([*arguments, "--reports", str(folder), "--run", space_file.stem])
    return load_run(folder / space_file.stem)


def compare(backbone: str, results: RunResults, search_seconds: float) -> Comparison:
    """Train the dense counterparts of a search plainly and line both up."""
    space = parse_space(results.record.space_file, backbone)
    data = load_space_data(space, None)
    dense = {
        stored.spec.arguments: stored.spec
        for stored in results.networks.values()
        if not stored.spec.is_sparse
    }
    start, reached = time.perf_counter(), []
    for spec in dense.values():
        torch.manual_seed(spec.recipe.seed)
        plain = build_backbone(
            spec.factory, spec.argument_values, data.input_shape, data.num_classes, seed=spec.recipe.seed
        )
        reached.append(plain_accuracy(plain, data, spec.recipe))
    plain_seconds = time.perf_counter() - start
    networks = pd.DataFrame([network_row(stored, data) for stored in results.networks.values()])
    best = float(results.front["accuracy"].max())
    return Comparison(backbone, best, max(reached), search_seconds, plain_seconds, networks)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both; ``--check`` fails where the search is worse or a count differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plain_training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="npz of CIFAR-10 images")
    parser.add_argument(
        "--backbones", nargs="+", choices=list(BACKBONES), default=list(BACKBONES), help="default: all"
    )
    parser.add_argument("--trials", type=int, default=20, help="proposals of each search (default: 20)")
    parser.add_argument("--epochs", type=int, default=8, help="of a complete training (default: 8)")
    parser.add_argument("--train-samples", type=int, default=1600, help="default: 1600")
    parser.add_argument("--check", action="store_true", help="exit 1 naming every figure that falls short")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures as JSON")
    parsed = parser.parse_args(arguments)
    torch.set_num_threads(1)
    comparisons = []
    with tempfile.TemporaryDirectory(prefix="plain-training-") as folder:
        for backbone in parsed.backbones:
            space_file = Path(folder) / f"{backbone}.yaml"
            text = space_text(
                backbone, parsed.data, parsed.train_samples, parsed.train_samples // 4, parsed.epochs
            )
            space_file.write_text(text, encoding="utf-8")
            start = time.perf_counter()
            results = run_search(space_file, Path(folder), parsed.trials)
            comparisons.append(compare(backbone, results, time.perf_counter() - start))
            show(comparisons[-1])
    short = [line for comparison in comparisons for line in comparison.shortfalls]
    if parsed.out:
        rows = [vars(c) | {"networks": c.networks.to_dict("records")} for c in comparisons]
        write_json(parsed.out, {"comparisons": rows, "falls_short": short})
    for line in short:
        print(f"falls short: {line}")
    return 1 if parsed.check and short else 0


def show(comparison: Comparison) -> None:
    """Print one comparison."""
    print(comparison.networks.sort_values("macs").to_string(index=False, float_format="%.3f"))
    print(
        f"{comparison.backbone}: best of the front {comparison.search_accuracy:.4f} "
        f"({comparison.search_seconds:.0f} s, {len(comparison.networks)} networks), plain loop "
        f"{comparison.plain_accuracy:.4f} ({comparison.plain_seconds:.0f} s)",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(run_command(main))
