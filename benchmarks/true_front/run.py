"""The searches of one space, in a process of its own.

Worker processes import these functions by name, which they could not do from ``__main__``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.true_front.curves import Curve, Judge
from benchmarks.true_front.noise import share_of_luck
from benchmarks.true_front.spaces import EXHAUSTED, make_space
from benchmarks.true_front.tables import Table

ORACLE_NETWORKS = 20
SLOW, FEW_SEEDS = ("gp", "tpe"), 3  # these take long, for proposals or for ever the same networks
LIMIT_S = 60.0  # of one search; only theirs end by it


@dataclass(frozen=True)
class Task:
    """The searches of one space.

    Attributes:
        space: One of :data:`benchmarks.true_front.spaces.SPACES`.
        samplers: Who searches.
        seeds: Searches of each.
        networks: Of each search.
        encoding: Of parameters.
        tables: Where tables lie.
        data_dir: Where data lie.
        workers: Trainings at a time while the table is filled.
    """

    space: str
    samplers: tuple[str, ...]
    seeds: int
    networks: int
    encoding: str
    tables: Path
    data_dir: Path | None
    workers: int


@dataclass(frozen=True)
class Found:
    """What came of a task."""

    curves: list[Curve]
    best: float
    networks: int
    trained: int
    luck: float


def run_task(task: Task) -> Found:
    """Fill the table, as far as it is to be filled, and search."""
    torch.set_num_threads(1)
    table = Table(make_space(task.space), task.tables / task.space, task.data_dir)
    if task.space in EXHAUSTED:
        table.fill(task.workers, _shown(task.space))
    judge, count = Judge(task.space, table), table.inventory.num_networks
    curves = [judge.random_order(seed, min(task.networks, count)) for seed in range(task.seeds)]
    for sampler in task.samplers:
        for seed in range(min(task.seeds, FEW_SEEDS) if sampler in SLOW else task.seeds):
            curve = judge.search(sampler, seed, min(task.networks, count), LIMIT_S, task.encoding)
            curves.append(curve)
            print(f"{task.space}: {sampler}, seed {seed}: {curve.hypervolume[-1]:.4f}", flush=True)
    curves.append(judge.oracle(ORACLE_NETWORKS))
    return Found(curves, judge.best, count, len(list(table.store)), share_of_luck(judge))


def _shown(space: str) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        if done % 50 == 0 or done == total:
            print(f"{space}: {done} of {total} networks trained", flush=True)

    return show
