"""``python -m benchmarks.quantised_training``: what int8 gains where networks are trained for it.

Every network is trained twice from the same weights, without and with ``training.quantised``, and answers
the validation samples at ``output`` in float32 and in int8. Digits are learned by ordinary networks; of
``outliers``, the weights that a unit has for a feature that is always zero are 200, so that its step is 1.6.
Seconds are CPU time on one thread. ``--check`` exits 1 unless int8 gains from it on ``outliers`` with every
seed, and changes by at most a point elsewhere.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from explorer.backbones import build_backbone
from explorer.core.calibration import InferenceConfig, calibrate
from explorer.core.evidence import collect_evidence
from explorer.core.network import Network
from explorer.core.payload import PayloadForm
from explorer.core.recipe import Recipe
from explorer.core.training import train
from explorer.data.dataset import DataSet, load_data
from explorer.data.subset import Subset
from explorer.errors import run_command
from explorer.microcontroller.int8_evidence import collect_int8_evidence
from explorer.space.training import QUANTISED_EPOCHS
from explorer.utils.environment import cpu_name
from explorer.utils.files import write_json

OUTLIER = 200.0


@dataclass(frozen=True)
class Case:
    """A network on digits; without a factory, that of outliers.

    Attributes:
        name: For the table.
        factory, arguments: As in a search space.
        learning_rate: Peak.
        epochs: Joint ones.
    """

    name: str
    factory: str
    arguments: dict[str, Any]
    learning_rate: float
    epochs: int = 10


CASES = (
    Case("MLP 24-16", "explorer.backbones:mlp", {"hidden": [24, 16]}, 0.02),
    Case("MLP 24-16, at 0.1", "explorer.backbones:mlp", {"hidden": [24, 16]}, 0.1),
    Case("CNN 8-16", "explorer.backbones:cnn", {"channels": [8, 16], "hidden": 32}, 0.02),
    Case("DS-CNN, 32 channels", "explorer.backbones:ds_cnn", {"width": 32}, 0.02),
    Case("outliers", "", {}, 0.01),
)


def data_of(case: Case) -> DataSet:
    if case.factory:
        sizes = {"train_samples": None, "validation_samples": 400, "test_samples": None}
        return load_data("digits", seed=0, **sizes)  # type: ignore[arg-type]
    subsets = (_outlying(0, 400), _outlying(1, 2000), _outlying(2, 8))
    return DataSet("outliers", *subsets, 2, (6,), mean=(0.0,), std=(1.0,))


def _outlying(seed: int, samples: int) -> Subset:
    """Classes say whether two features have one sign; the first feature is always zero."""
    inputs = torch.randn(samples, 6, generator=torch.Generator().manual_seed(seed))
    inputs[:, 0] = 0
    return Subset(inputs, (inputs[:, 1] * inputs[:, 2] > 0).long())


def network_of(case: Case, data: DataSet, seed: int) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if case.factory:
            how = (case.arguments, data.input_shape, data.num_classes, seed)
            module = build_backbone(case.factory, *how)
        else:
            first = nn.Linear(6, 16)
            module = nn.Sequential(first, nn.ReLU(), nn.Linear(16, 2))
            with torch.no_grad():
                first.weight[:, 0] = OUTLIER
        return Network(module, torch.zeros(1, *data.input_shape), data.num_classes, exit_features=64)


def measured(case: Case, data: DataSet, seed: int, quantised: bool) -> dict[str, Any]:
    """Accuracies at the output of one network, and what its training took."""
    recipe = Recipe(
        epochs=case.epochs,
        batch_size=128 if case.factory else 16,
        learning_rate=case.learning_rate,
        weight_decay=1e-4,
        exit_loss_weight=0.3,
        output_loss_weight=1.0,
        seed=seed,
        precision="float32",
        quantised_epochs=QUANTISED_EPOCHS if quantised else 0,
    )
    network, start = network_of(case, data, seed), time.process_time()
    train(network, data.train, recipe)
    seconds = time.process_time() - start
    config = InferenceConfig(PayloadForm((8,), "tensor"))
    calibration = calibrate(network, data.train, data.validation, config)
    float32 = collect_evidence(network, data.validation, calibration)
    int8 = collect_int8_evidence(network, data, data.validation, calibration)
    assert int8 is not None, case.name
    return {
        "case": case.name,
        "seed": seed,
        "quantised": quantised,
        "float32": float(float32.output_correct_N.mean()),
        "int8": float(int8.output_correct_N.mean()),
        "seconds": seconds,
    }


def gains(rows: Sequence[Mapping[str, Any]], case: str, column: str) -> list[float]:
    """What training for int8 adds to a column, by seed."""
    by_way = [
        {row["seed"]: row[column] for row in rows if (row["case"], row["quantised"]) == (case, quantised)}
        for quantised in (False, True)
    ]
    return [by_way[1][seed] - plain for seed, plain in by_way[0].items()]


def shortfalls(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Cases in which it does not do what it is for."""
    found = []
    for case in dict.fromkeys(row["case"] for row in rows):
        own = gains(rows, case, "int8")
        if min(own) <= 0 if case == "outliers" else max(map(abs, own)) > 0.01:
            found.append(f"{case}: int8 changes by {min(own):+.4f} to {max(own):+.4f}")
    return found


def main() -> int:
    """Print a table, write JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quantised_training", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--quick", action="store_true", help="few epochs, one seed: whether it runs")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cases = [replace(case, epochs=1) for case in CASES] if arguments.quick else CASES
    print(f"{'':22}{'seed':>6}{'quantised':>11}{'float32':>10}{'int8':>10}{'seconds':>10}")
    found = []
    measured(replace(cases[0], epochs=1), data_of(cases[0]), 0, quantised=True)  # the first is always slow
    for case in cases:
        data = data_of(case)
        for seed in range(1 if arguments.quick else arguments.seeds):
            for quantised in (False, True):
                row = measured(case, data, seed, quantised)
                found.append(row)
                start = f"{row['case']:22}{seed:6}{'yes' if quantised else 'no':>11}"
                print(f"{start}{row['float32']:10.4f}{row['int8']:10.4f}{row['seconds']:10.2f}", flush=True)
    if arguments.out:
        write_json(arguments.out, {"processor": cpu_name(), "rows": found})
    short = shortfalls(found)
    print(*short, sep="\n")
    return int(arguments.check and bool(short))


if __name__ == "__main__":
    sys.exit(run_command(main))
