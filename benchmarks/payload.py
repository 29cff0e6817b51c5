"""``python -m benchmarks.payload --data-dir DIR``: what fewer payload bits cost in accuracy, save in bytes.

Trains the convolutional network of the shipped space ``fashion_cnn`` once per seed, cuts it at every split
point and sends the validation subset through encoder, decoder and server part: accuracy without exits, and
bytes per sample with and without compression, for every number of bits and kind of range.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import torch

from explorer.core.calibration import InferenceConfig, calibrate
from explorer.core.evidence import collect_evidence
from explorer.core.network import Network
from explorer.core.payload import PAYLOAD_BITS, PayloadForm, Ranges
from explorer.core.recipe import Recipe
from explorer.core.training import train
from explorer.costs.build import build_network
from explorer.data.dataset import DataSet, Subset, load_data
from explorer.errors import run_command
from explorer.space.candidate import NetworkSpec
from explorer.utils.files import write_json

ALLOWED_LOSS = 0.002  # of accuracy, at 8 bits against 32
ARGUMENTS = {"channels": [12, 24, 32], "hidden": 64}
TRAIN_SAMPLES, VALIDATION_SAMPLES, EPOCHS = 10_000, 10_000, 4
COMPRESSED_SAMPLES = 500  # whose payloads are compressed, one by one


def trained_network(data: DataSet, epochs: int, seed: int) -> Network:
    """The dense network, trained with the recipe of ``fashion_cnn``."""
    recipe = Recipe(
        epochs=epochs,
        batch_size=64,
        learning_rate=5e-3,
        weight_decay=1e-4,
        exit_loss_weight=0.3,
        output_loss_weight=1.0,
        seed=seed,
        precision="float32",
    )
    spec = NetworkSpec("cnn", "explorer.backbones:cnn", json.dumps(ARGUMENTS), "block", (), 300, recipe, "{}")
    network = build_network(spec, data.input_shape, data.num_classes)
    train(network, data.train, recipe)
    return network


def measured(network: Network, data: DataSet, ranges: Ranges) -> list[dict[str, Any]]:
    """One row per split point and number of bits: accuracy of the server part, mean bytes of a payload."""
    form = PayloadForm(PAYLOAD_BITS, ranges)
    subsets = (data.train, data.validation)
    evidence = collect_evidence(network, data.validation, calibrate(network, *subsets, InferenceConfig(form)))
    some = Subset(data.validation.inputs[:COMPRESSED_SAMPLES], data.validation.labels[:COMPRESSED_SAMPLES])
    compressing = InferenceConfig(replace(form, entropy="zstd"))
    compressed = collect_evidence(network, some, calibrate(network, *subsets, compressing))
    accuracy_SB = evidence.server_correct_SBN.mean(-1)
    return [
        {
            "split_point": name,
            "bits": bits,
            "ranges": ranges,
            "accuracy": float(accuracy_SB[split, index]),
            "lost": float(accuracy_SB[split, PAYLOAD_BITS.index(32)] - accuracy_SB[split, index]),
            "bytes": float(evidence.encoded_bytes(split, index).mean()),
            "bytes_zstd": float(compressed.encoded_bytes(split, index).mean()),
        }
        for split, name in enumerate(evidence.split_points)
        for index, bits in enumerate(PAYLOAD_BITS)
    ]


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, in the order of the rows, with the largest loss of any seed."""
    groups = rows.groupby(["split_point", "bits", "ranges"], sort=False)
    table = groups[["accuracy", "lost", "bytes", "bytes_zstd"]].mean()
    return table.assign(worst_lost=groups["lost"].max()).reset_index()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; with ``--check`` exit code 1 when 8 bits lose more than 0.2 points anywhere."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.payload", description=__doc__)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where Fashion-MNIST lies")
    parser.add_argument("--seeds", type=int, default=1, help="networks trained (default: 1)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples, one epoch")
    parser.add_argument("--check", action="store_true", help="exit 1 when 8 bits lose more than 0.2 points")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the rows as JSON")
    parsed = parser.parse_args(arguments)
    torch.set_num_threads(1)
    divisor = 10 if parsed.quick else 1
    data = load_data(
        "fashion_mnist",
        train_samples=TRAIN_SAMPLES // divisor,
        validation_samples=VALIDATION_SAMPLES // divisor,
        test_samples=None,
        seed=0,
        data_dir=parsed.data_dir,
    )
    rows: list[dict[str, Any]] = []
    for seed in range(parsed.seeds):
        network = trained_network(data, 1 if parsed.quick else EPOCHS, seed)
        for ranges in get_args(Ranges):
            rows += [{"seed": seed} | row for row in measured(network, data, ranges)]
    table = shown(pd.DataFrame(rows))
    print(
        table.to_string(
            index=False, float_format=lambda value: f"{value:.4f}" if value < 1 else f"{value:.0f}"
        )
    )
    worst = float(table.loc[table["bits"] == 8, "worst_lost"].max())
    print(f"8 bits lose at most {100 * worst:.2f} points of accuracy; allowed are {100 * ALLOWED_LOSS:.1f}")
    if parsed.out:
        write_json(parsed.out, rows)
    return 1 if parsed.check and worst > ALLOWED_LOSS else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
