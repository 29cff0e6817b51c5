"""How long tracing, cutting and probing take, for ResNet-20 and for networks of 50, 100 and 200 layers.

Training steps of graph and module are compared, too. Processor seconds of one thread, median of
``--repeats``. ``--check`` exits 1 if ResNet-20 takes more than 1 s or the time grows faster than the layers.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn

from explorer.backbones import build_backbone
from explorer.core.network import Network

LAYERS = (50, 100, 200)
RESNET_LIMIT_S, GROWTH_LIMIT = 1.0, 1.25  # growth: seconds per layer at 200 layers against those at 100


def resnet20() -> tuple[nn.Module, tuple[int, ...]]:
    """The paper's network on 32x32 images."""
    shape = (3, 32, 32)
    return build_backbone("explorer.backbones:resnet", {"depth": 20}, shape, 10, seed=0), shape


def chain(layers: int) -> tuple[nn.Module, tuple[int, ...]]:
    """So many convolutions, each with normalisation and activation: a split point behind every one."""
    blocks = [
        nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()) for _ in range(layers - 1)
    ]
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(8 * 64, 10)), (8, 8, 8)


def measure(module: nn.Module, shape: tuple[int, ...], repeats: int) -> tuple[float, int]:
    """Median processor seconds to trace, cut and probe, and the number of split points."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        network = Network(module, torch.zeros(1, *shape), 10, exit_features=64)
        seconds.append(time.process_time() - start)
    return statistics.median(seconds), len(network.split_points)


def main() -> int:
    """Print a table, write JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracing_time", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, metavar="N")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    measure(*chain(3), 1)  # what the first call imports
    cases = {"resnet-20": resnet20()} | {f"{layers} layers": chain(layers) for layers in LAYERS}
    rows = {name: measure(*case, arguments.repeats) for name, case in cases.items()}
    for name, (seconds, points) in rows.items():
        print(f"{name:>12}  {seconds:6.2f} s  {points:4} split points")
    growth = (rows["200 layers"][0] / 200) / (rows["100 layers"][0] / 100)
    print(f"seconds per layer at 200 layers / at 100 layers: {growth:.2f}")
    if arguments.out:
        content = {
            name: {"seconds": seconds, "split_points": points} for name, (seconds, points) in rows.items()
        }
        arguments.out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    short = rows["resnet-20"][0] > RESNET_LIMIT_S or growth > GROWTH_LIMIT
    return int(arguments.check and short)


if __name__ == "__main__":
    sys.exit(main())
