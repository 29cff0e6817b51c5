"""``python -m benchmarks.training_speed``: time per epoch of the explorer's loop over that of a plain one.

The plain loop is the one of :mod:`benchmarks.plain_training` on the dense backbone alone. It holds images as
uint8, scales and normalises each batch, crops and mirrors it; the explorer's loop crops and mirrors what was
normalised when the data were loaded, and looks at its learning curve. Recipe and machine are the same: AdamW,
half a cosine, one thread.

Contestants: the dense network without exits, with exits at all its split points, and without exits at density
1/4 of the pattern ``block`` wherever both sides of a layer have 64 channels or 512 units and more. They and
the plain loop take turns, after an untimed one each; the figure is the median of the paired ratios. Taken is
the CPU time of the process, which other programs on the machine disturb little.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.plain_training import train_plainly
from explorer.backbones import build_backbone
from explorer.core.augmenter import AugmentStep
from explorer.core.network import Network
from explorer.core.recipe import Recipe
from explorer.core.sparsity.sparsify import find_junctions, sparsify
from explorer.core.training import train
from explorer.data.dataset import Subset
from explorer.errors import run_command
from explorer.utils.environment import machine, versions
from explorer.utils.files import write_json

LIMITS = {"dense": 0.9, "exits": 1.1, "sparse": 0.6}  # of the plain loop's time
REPEATS, QUICK_REPEATS, PIXELS, MEAN, STD = 9, 5, 2, 0.5, 0.25


@dataclass(frozen=True)
class Case:
    """One backbone and its data.

    Attributes:
        name: In the table.
        factory, arguments: Of the backbone.
        input_shape: Of one image.
        samples, batch_size: Of an epoch.
        contestants: Keys of :data:`LIMITS`.
        sparse_from: Units or channels on both sides from which on a layer is sparse in ``sparse``.
    """

    name: str
    factory: str
    arguments: dict[str, Any]
    input_shape: tuple[int, ...]
    samples: int
    batch_size: int
    contestants: tuple[str, ...]
    sparse_from: int = 64


ALL, WITHOUT_SPARSE = ("dense", "exits", "sparse"), ("dense", "exits")
CASES = (
    Case("mlp 512-512", "explorer.backbones:mlp", {"hidden": [512, 512]}, (1, 28, 28), 4096, 128, ALL, 512),
    Case("lenet5", "explorer.backbones:lenet5", {}, (1, 28, 28), 2048, 64, WITHOUT_SPARSE),
    Case(
        *("resnet8 16", "explorer.backbones:resnet", {"depth": 8, "width": 16}, (3, 32, 32), 320, 64),
        WITHOUT_SPARSE,
    ),
    Case(
        *("resnet8 64", "explorer.backbones:resnet", {"depth": 8, "width": 64}, (3, 32, 32), 128, 64),
        ("sparse",),
    ),
    Case("ds_cnn 64", "explorer.backbones:ds_cnn", {"width": 64}, (1, 49, 10), 448, 64, ALL),
)


def recipe_of(case: Case) -> Recipe:
    """One epoch of AdamW over half a cosine, cropped and mirrored."""
    return Recipe(
        epochs=1,
        batch_size=case.batch_size,
        learning_rate=1e-3,
        weight_decay=1e-4,
        exit_loss_weight=0.3,
        output_loss_weight=1.0,
        seed=0,
        precision="float32",
        augment=(AugmentStep.of("crop_and_flip", {"pixels": PIXELS}),),
    )


def prepared(batch: Tensor) -> Tensor:
    """Images as a person crops and mirrors them: windows by unfolding, mirrored where a coin says so."""
    images = (batch.float().div_(255) - MEAN) / STD
    count, _, height, width = images.shape
    windows = F.pad(images, [PIXELS] * 4).unfold(2, height, 1).unfold(3, width, 1)
    top, left = (torch.randint(2 * PIXELS + 1, (count,)) for _ in range(2))
    cropped = windows[torch.arange(count), :, top, left]
    return torch.where(torch.rand(count, 1, 1, 1) < 0.5, cropped.flip(-1), cropped)


def runs_of(case: Case) -> dict[str, Callable[[], object]]:
    """The plain loop and its contestants, each as a function that trains for an epoch."""
    generator = torch.Generator().manual_seed(0)
    raw = torch.randint(256, (case.samples, *case.input_shape), dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (case.samples,), generator=generator)
    data = Subset((raw.float() / 255 - MEAN) / STD, labels)
    recipe, plain = recipe_of(case), _backbone(case)
    runs: dict[str, Callable[[], object]] = {
        "plain": lambda: train_plainly(plain, raw, labels, recipe, prepared)
    }

    def ours(network: Network) -> Callable[[], object]:
        return lambda: train(network, data, recipe, validation=data)

    made: dict[str, Callable[[], Network]] = {
        "dense": lambda: _network(case, _backbone(case), ()),
        "exits": lambda: _network(case, _backbone(case), None),
        "sparse": lambda: _network(case, sparse_backbone(case), ()),
    }
    runs |= {name: ours(made[name]()) for name in case.contestants}
    return runs


def _backbone(case: Case) -> nn.Module:
    return build_backbone(case.factory, case.arguments, case.input_shape, 10, seed=0)


def _network(case: Case, backbone: nn.Module, exits_at: tuple[str, ...] | None) -> Network:
    sample = torch.zeros(1, *case.input_shape)
    return Network(backbone, sample, 10, exit_features=64, exits_at=exits_at)


def sparse_backbone(case: Case) -> nn.Module:
    """The backbone at density 1/4 of ``block`` wherever both sides of a layer have ``sparse_from`` units."""
    backbone = _backbone(case)
    wide = [
        junction.path
        for junction in find_junctions(backbone)
        if not junction.stays_dense and min(junction.inputs, junction.outputs) >= case.sparse_from
    ]
    sparsify(backbone, dict.fromkeys(wide, Fraction(1, 4)), "block", seed=0)
    return backbone


def measured(case: Case, repeats: int) -> dict[str, Any]:
    """Median seconds of an epoch of the plain loop, and each contestant's median share of them."""
    runs, seconds = runs_of(case), dict[str, list[float]]()
    for run in runs.values():
        run()
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.process_time()
            run()
            seconds.setdefault(name, []).append(time.process_time() - start)
    row: dict[str, Any] = {"network": case.name, "plain_s": statistics.median(seconds["plain"])}
    for name in LIMITS:
        pairs = zip(seconds.get(name, ()), seconds["plain"], strict=False)
        ratios = [own / plain for own, plain in pairs]
        row[name] = statistics.median(ratios) if ratios else None
    return row


def shortfalls(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What exceeds its limit, one line each."""
    return [
        f"{row['network']}, {name}: {row[name]:.2f} of the plain loop's time, at most {limit:g}"
        for row in rows
        for name, limit in LIMITS.items()
        if row[name] is not None and row[name] > limit
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; ``--check`` fails where a share exceeds its limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_speed", description=__doc__)
    names = [case.name for case in CASES]
    parser.add_argument("--cases", nargs="+", choices=names, default=names, help="default: all")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_REPEATS} repeats in place of {REPEATS}")
    parser.add_argument("--check", action="store_true", help="exit 1 naming every figure that falls short")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures as JSON")
    parsed = parser.parse_args(arguments)
    torch.set_num_threads(1)
    repeats = QUICK_REPEATS if parsed.quick else REPEATS
    rows = []
    for case in CASES:
        if case.name in parsed.cases:
            rows.append(measured(case, repeats))
            print(rows[-1], flush=True)
    print(f"CPU time of an epoch over the plain loop's, medians of {repeats} pairs; limits {LIMITS}")
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.3f", na_rep="-"))
    short = shortfalls(rows)
    for line in short:
        print(f"falls short: {line}")
    if parsed.out:
        content = {"rows": rows, "limits": LIMITS, "repeats": repeats, "falls_short": short}
        write_json(parsed.out, content | {"machine": machine(), "versions": versions()})
    return 1 if parsed.check and short else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
