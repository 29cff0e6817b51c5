"""Short searches whose operating points are deployed: four data sets, all patterns, MLPs and CNNs."""

import io
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import explorer.search as explorer_search
from explorer import Run, load_run
from explorer.core.sweep import is_deployable
from explorer.front.select import Pick, Selection
from explorer.runs.store import Store
from explorer.space.schema import SearchSpace

CONNECTIONS = ["block", "structured", "random", "clash_free"]
_MLP = {
    "factory": "explorer.backbones:mlp",
    "arguments": {"hidden": [[64, 32]]},
    "densities": {"low": 0.1, "high": 1.0, "limit": 4},
}
_CNN = {
    "factory": "explorer.backbones:cnn",
    "arguments": {"channels": [[8, 16]], "hidden": [32]},
    "densities": {"low": 0.1, "high": 1.0, "limit": 4},
}
_CNN3 = _CNN | {"arguments": {"channels": [[8, 16, 32]], "hidden": [32]}}
_PAYLOADS = [{"ranges": "sample"}, {"ranges": "channel"}, {"ranges": "tensor", "entropy": "zstd"}]
_LINE = {"edge_device": "rpi4", "server_device": "xeon_8124m", "link": "wifi_huang2012"}


@dataclass(frozen=True)
class Case:
    """One search.

    Attributes:
        name: Of the run.
        source: Of its data.
        backbone: Its description in a space.
        patterns: What it may choose among.
        payload: How it encodes.
        samples: Of train, validation and test subset.
        epochs: Of each training.
    """

    name: str
    source: str
    backbone: dict[str, Any]
    patterns: list[str]
    payload: dict[str, Any]
    samples: tuple[int, int, int] = (3_000, 500, 500)
    epochs: int = 2


CASES = (
    Case("digits-mlp", "digits", _MLP, CONNECTIONS, _PAYLOADS[0], (1_000, 300, 360), 5),
    Case("digits-cnn", "digits", _CNN, CONNECTIONS, _PAYLOADS[1], (1_000, 300, 360), 5),
    Case("digits-periodic", "digits", _CNN, ["periodic"], _PAYLOADS[0], (1_000, 300, 360), 5),
    Case("mnist-mlp", "mnist", _MLP, CONNECTIONS, _PAYLOADS[2]),
    Case("fashion-cnn", "fashion_mnist", _CNN, CONNECTIONS, _PAYLOADS[0]),
    Case("cifar-cnn", "cifar10", _CNN3, CONNECTIONS, _PAYLOADS[1], (2_000, 400, 400)),
)
QUICK = ("digits-mlp", "digits-periodic")


def space_of(case: Case) -> SearchSpace:
    """The search space of a case."""
    train, validation, test = case.samples
    sizes = {"train_samples": train, "validation_samples": validation, "test_samples": test}
    return SearchSpace.model_validate(
        {
            "data": {"source": case.source} | sizes,
            "backbones": {"net": case.backbone},
            "patterns": case.patterns,
            "payload": case.payload,
            "payload_bits": [32, 8, 4],
            "training": {"epochs": case.epochs, "batch_size": 64, "learning_rate": 3e-3},
            "objectives": {"accuracy": 0.1, "edge_macs": 1_000_000, "payload_bytes": 13_000},
        }
        | _LINE
    )


def search(case: Case, trials: int, reports: Path, data_dir: Path | None) -> Run:
    """Search with all weights kept."""
    file = reports / f"{case.name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(space_of(case).model_dump(mode="json")), encoding="utf-8")
    options = ["--space", str(file), "--trials", str(trials), "--run", case.name, "--reports", str(reports)]
    options += ["--sampler", "random", "--workers", "1", "--no-energy", "--keep-weights", "--json"]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        explorer_search.main([*options, *(["--data-dir", str(data_dir)] if data_dir else [])])
    run = load_run(case.name, reports=reports)
    run.load_data(data_dir)  # kept from here on
    return run


def drawn_points(run: Run, count: int, seed: int) -> Iterator[Pick]:
    """Operating points drawn from a run, those of rare patterns and split points first.

    Every (pattern, split point) comes once before any comes twice.
    """
    store, rng = Store(run.path), np.random.default_rng(seed)
    points = run.points[is_deployable(run.points)]
    points = points[[store.has_weights(key) for key in points["network_key"]]]
    order = points.iloc[rng.permutation(len(points))]
    turn = order.groupby(["pattern", "split_point"], sort=False).cumcount()
    chosen = order.iloc[np.argsort(turn.to_numpy(), kind="stable")[:count]]
    for point_id in chosen["point_id"]:
        yield run.results.select(Selection(point_id=str(point_id), relax=True))
