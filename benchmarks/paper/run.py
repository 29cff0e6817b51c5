"""All trainings of the benchmark, in processes side by side; then each network weighed and timed alone.

Worker processes import these functions by name, which they could not do from ``__main__``.
"""

import multiprocessing
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.paper.measure import RECIPE, accuracy, fitted, load_mnist, sizes, train_plain
from benchmarks.paper.networks import DENSE, NETWORKS, PaperNetwork, build
from benchmarks.paper.splits import split_rows
from benchmarks.paper.timing import time_epochs
from explorer.core.recipe import Recipe
from explorer.data.dataset import DataSet
from explorer.utils.environment import machine, versions

SPLIT_PATTERNS = (DENSE, "block")

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
