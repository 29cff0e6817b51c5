"""``python -m benchmarks.paper``: the papers' networks on MNIST, dense and with every pattern.

Accuracy is that of the test subset, because the papers report it; no choice is made from it: the recipe was
chosen on the validation subset and is one for all networks. Trained are 55,000 samples (the papers' code adds
the 5,000 of validation). Seconds and joules are measured afterwards, one network at a time, each in turn. The
second part trains every network once more with an exit after each hidden layer and sweeps the confidence
thresholds on the validation subset.
"""

import argparse
import multiprocessing
import statistics
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.paper.check import shortfalls
from benchmarks.paper.measure import RECIPE, accuracy, fitted, load_mnist, sizes, train_plain
from benchmarks.paper.networks import DENSE, NETWORKS, PaperNetwork, build
from benchmarks.paper.splits import split_rows
from benchmarks.paper.timing import time_epochs
from explorer.core.training import Recipe
from explorer.data import DataSet
from explorer.errors import UserError, run_command
from explorer.provenance import machine, versions
from explorer.store import write_json

SPLIT_PATTERNS = (DENSE, "block")
COLUMNS = ["network", "pattern", "weights", "macs", "accuracy_mean", "accuracy_std", "seeds", "stored_bytes"]
COLUMNS += ["training_state_bytes", "saved_for_backward_bytes", "epoch_s", "epoch_ratio", "epoch_energy_j"]

_data: DataSet  # of this process, loaded once


@dataclass(frozen=True)
class Task:
    """One training: for its test accuracy, or with exits for its operating points."""

    network: PaperNetwork
    pattern: str
    recipe: Recipe
    with_exits: bool

    def __str__(self) -> str:
        exits = ", with exits" if self.with_exits else ""
        return f"{self.network.name} {self.pattern} seed {self.recipe.seed}{exits}"


def _prepare(data_dir: Path | None, quick: bool) -> None:
    global _data
    torch.set_num_threads(1)
    _data = load_mnist(data_dir, quick)


def _run(task: Task) -> float | list[dict[str, Any]]:
    if task.with_exits:
        return split_rows(task.network, task.pattern, _data, task.recipe)
    width = task.network.widths[0]
    backbone = build(task.network, task.pattern, task.recipe.seed)
    train_plain(backbone, fitted(_data.train, width), task.recipe)
    return accuracy(backbone, fitted(_data.test, width))


def _results(
    tasks: Sequence[Task], jobs: int, data_dir: Path | None, quick: bool
) -> Iterator[tuple[Task, float | list[dict[str, Any]]]]:
    if jobs == 1:
        yield from ((task, _run(task)) for task in tasks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _prepare, (data_dir, quick)) as pool:
        futures = {pool.submit(_run, task): task for task in tasks}
        for future in as_completed(futures):
            yield futures[future], future.result()


def run(data_dir: Path | None, seeds: int, epochs: int, jobs: int, quick: bool) -> dict[str, Any]:
    """Train, weigh and time everything; the content of the results file."""
    _prepare(data_dir, quick)
    pairs = [(network, pattern) for network in NETWORKS for pattern in network.patterns]
    recipe = replace(RECIPE, epochs=epochs)
    tasks = [Task(*pair, recipe, True) for pair in pairs if pair[1] in SPLIT_PATTERNS]
    tasks += [Task(*pair, replace(recipe, seed=seed), False) for seed in range(seeds) for pair in pairs]
    trained = []
    for number, (task, result) in enumerate(_results(tasks, jobs, data_dir, quick), start=1):
        trained.append((task, result))
        shown = "" if isinstance(result, list) else f": {result:.4f}"
        print(f"[{number}/{len(tasks)}] {task}{shown}", flush=True)
    return _summary(pairs, recipe, quick, trained)


def _summary(
    pairs: Sequence[tuple[PaperNetwork, str]],
    recipe: Recipe,
    quick: bool,
    trained: Sequence[tuple[Task, float | list[dict[str, Any]]]],
) -> dict[str, Any]:
    """Weigh and time everything, and put it beside what was trained."""
    accuracies: dict[tuple[str, str], list[float]] = {}
    splits: list[dict[str, Any]] = []
    for task, result in trained:
        if isinstance(result, list):
            splits += result
        else:
            accuracies.setdefault((task.network.name, task.pattern), []).append(result)
    print("seconds and joules per epoch ..", flush=True)
    timings = time_epochs(pairs, _data.train, samples=25_600, rounds=1 if quick else 5)
    rows = []
    for network, pattern in pairs:
        key = network.name, pattern
        row: dict[str, Any] = {"network": network.name, "pattern": pattern, "family": network.family}
        row |= {"widths": network.widths, "fan_out": network.fan_out}
        reached = sorted(accuracies[key])
        row |= {"accuracy_mean": statistics.mean(reached), "accuracies": reached, "seeds": len(reached)}
        row["accuracy_std"] = statistics.stdev(reached) if len(reached) > 1 else None
        rows.append(row | asdict(sizes(network, pattern, recipe.batch_size)) | asdict(timings[key]))
    splits.sort(key=lambda row: (row["network"], row["pattern"], row["split_point"], row["exit_rate"]))
    return {
        "quick": quick,
        "recipe": asdict(recipe),
        "samples": {name: len(getattr(_data, name)) for name in ("train", "validation", "test")},
        "machine": machine(),
        "versions": versions(),
        "rows": rows,
        "splits": splits,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; ``--check`` fails where a figure falls short."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper", description=__doc__)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where MNIST lies, or is downloaded to")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each (default: 3)")
    parser.add_argument("--epochs", type=int, default=RECIPE.epochs, metavar="N", help="default: 20")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="trainings at a time (default: 2)")
    parser.add_argument("--quick", action="store_true", help="a subset, one seed, two epochs, one job")
    parser.add_argument("--check", action="store_true", help="exit 1 naming every figure that falls short")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write everything as JSON")
    parsed = parser.parse_args(arguments)
    for option in ("seeds", "epochs", "jobs"):
        if getattr(parsed, option) < 1:
            raise UserError(f"--{option}: must be at least 1, got {getattr(parsed, option)}")
    seeds, epochs, jobs = (1, 2, 1) if parsed.quick else (parsed.seeds, parsed.epochs, parsed.jobs)
    results = run(parsed.data_dir, seeds, epochs, jobs, parsed.quick)
    results["falls_short"] = short = shortfalls(results["rows"])
    print(pd.DataFrame(results["rows"])[COLUMNS].to_string(index=False, float_format="%.4g"))
    print("accuracy: test subset, mean and standard deviation over seeds; bytes, seconds, joules")
    if parsed.out:
        write_json(parsed.out, results)
    for line in short:
        print(f"falls short: {line}")
    return 1 if parsed.check and short else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
