"""All searches of the benchmark, each in a fresh process, variants interleaved so that noise hits all alike.

Worker processes import these functions by name, which they could not do from ``__main__``.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from benchmarks.search_efficiency.curves import Curve
from benchmarks.search_efficiency.ours import VARIANTS, run_ours
from benchmarks.search_efficiency.plain_loop import run_plain
from benchmarks.search_efficiency.spaces import make_space
from explorer.space.files import load_space_data

T = TypeVar("T")
R = TypeVar("R")
PLAIN = "plain"
# what torch and Optuna import at their first call; imports are not timed, so a process starts with them
IMPORTED_LATE = (
    *("torch._dynamo", "torch.fx.experimental.symbolic_shapes", "pyarrow.parquet", "pyarrow.fs"),
    *("optuna.storages._rdb.models", "sqlalchemy.dialects.sqlite", "alembic.command", "alembic.migration"),
)
LABELS = {PLAIN: "plain loop"} | {name: variant.label for name, variant in VARIANTS.items()}


@dataclass(frozen=True)
class Task:
    """One search.

    Attributes:
        space: One of :data:`benchmarks.search_efficiency.spaces.SPACES`.
        seed: Of sampler and trainings.
        variant: A key of :data:`LABELS`.
        budget_s: Seconds it has, data loading and imports apart.
        threads: Of torch.
        data_dir: Where the data lie.
    """

    space: str
    seed: int
    variant: str
    budget_s: float
    threads: int
    data_dir: Path | None


def search(task: Task) -> Curve:
    """Run one search in this process."""
    torch.set_num_threads(task.threads)
    space = make_space(task.space, task.seed)
    data = load_space_data(space, task.data_dir)
    if task.variant == PLAIN:
        samples = run_plain(space, data, task.seed, task.budget_s)
    else:
        samples = run_ours(space, data, task.seed, task.budget_s, variant=task.variant)
    return Curve.of(samples, space, task.space, task.variant, task.seed, task.budget_s)


def run_tasks(tasks: Sequence[T], search: Callable[[T], R]) -> Iterator[R]:
    """Run searches one after another, each in a process that has imported everything and run nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *IMPORTED_LATE])
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        for task in tasks:
            yield pool.submit(search, task).result()


def run_shown(tasks: Sequence[T], search: Callable[[T], R], say: Callable[[R], str]) -> list[R]:
    """As :func:`run_tasks`, with a line for each that has ended."""
    done: list[R] = []
    for result in run_tasks(tasks, search):
        done.append(result)
        print(f"[{len(done)}/{len(tasks)}] {say(result)}", flush=True)
    return done
