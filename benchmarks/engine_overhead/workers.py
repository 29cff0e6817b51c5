"""Trainings per second of whole searches, by worker processes and threads."""

import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import wait
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.engine_overhead.search import make_inventory, make_loop, make_study
from benchmarks.engine_overhead.stub import Stub
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask, evaluate_network
from explorer.engine.outcomes import Progress
from explorer.engine.pool.base import Pool, SerialPool
from explorer.engine.pool.dask import DaskPool, Limits
from explorer.engine.proposals import Proposer
from explorer.space.variants import Inventory

ONE, ONE_TWO_THREADS, TWO = "1 worker, 1 thread", "1 worker, 2 threads", "2 workers, 1 thread each"
SLEEPING_ONE, SLEEPING_EIGHT = "1 worker, sleeping", "8 workers, sleeping"
SLEEP_S = 1.0  # about what training a network of the digits space takes
WORKERS = {SLEEPING_ONE: (1, 1), SLEEPING_EIGHT: (8, 1), ONE: (1, 1), ONE_TWO_THREADS: (1, 2), TWO: (2, 1)}


@dataclass(frozen=True)
class Throughput:
    """Trainings per second, the median of several rounds, each relative to the same round's yardstick.

    Attributes:
        name: A key of :data:`WORKERS`.
        trainings_per_s: Bookkeeping included; starting the workers is not.
        speedups: Over the searches named, of the same round.
    """

    name: str
    trainings_per_s: float
    speedups: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare_workers(rounds: int, trainings: int, sleeps: int) -> list[Throughput]:
    """Run every search of :data:`WORKERS` in turn, ``rounds`` times.

    Args:
        rounds: At least 1.
        trainings: Proposals of each search that really trains.
        sleeps: Proposals per worker of those that sleep.
    """
    inventory, data = make_inventory("repeating")
    train = partial(evaluate_network, data=data, inference_config=inventory.space.inference_config)
    sleep = Stub(inventory, SLEEP_S)

    def trainings_per_s(name: str) -> float:
        workers, threads = WORKERS[name]
        if name in (SLEEPING_ONE, SLEEPING_EIGHT):
            return _trainings_per_s(sleep, workers, threads, inventory, sleeps * workers)
        return _trainings_per_s(train, workers, threads, inventory, trainings)

    taken = [{name: trainings_per_s(name) for name in WORKERS} for _ in range(rounds)]
    yardsticks = {SLEEPING_EIGHT: (SLEEPING_ONE,), ONE_TWO_THREADS: (ONE,), TWO: (ONE, ONE_TWO_THREADS)}
    return [summarise(name, taken, yardsticks.get(name, ())) for name in WORKERS]


def summarise(name: str, rounds: Sequence[dict[str, float]], yardsticks: Sequence[str]) -> Throughput:
    """Medians over rounds of trainings per second by name."""
    return Throughput(
        name,
        median(taken[name] for taken in rounds),
        {other: median(taken[name] / taken[other] for taken in rounds) for other in yardsticks},
    )


def _trainings_per_s(work: Any, workers: int, threads: int, inventory: Inventory, trials: int) -> float:
    """One search, random proposals, after every worker has done one task."""
    pool: Pool[TrainingTask, EvaluatedNetwork]
    if workers == 1:
        torch.set_num_threads(threads)
        pool = SerialPool(work)
    else:
        torch.set_num_threads(1)
        pool = DaskPool(work, workers=workers, threads=threads, limits=Limits())
    variant = inventory.variants["mlp"][0]
    densities = {path: Fraction(1) for path in variant.densities}
    first = Proposer(inventory, {}).network(variant, inventory.space.patterns[0], densities)
    task = TrainingTask(first, first.recipe.epochs)
    trained = 0

    def record(progress: Progress) -> None:
        nonlocal trained
        trained = progress.counts["trained"]

    with pool, tempfile.TemporaryDirectory(prefix="engine-overhead-") as folder:
        wait([pool.submit(task) for _ in range(pool.slots)])
        study = make_study("sqlite", Path(folder), inventory.space)
        loop = make_loop(inventory, Path(folder), pool, "random", study)
        start = time.perf_counter()
        loop.run(trials, None, record)
        return trained / (time.perf_counter() - start)
