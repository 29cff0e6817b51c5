"""Searches in every way, over the seconds that their trainings take; those of teachers count."""

from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.search_efficiency.curves import Curve
from benchmarks.search_efficiency.starts import on_cpu, samples_of
from benchmarks.teachers.spaces import teacher_space
from explorer.costs.evaluate import evaluate_network
from explorer.space.files import load_space_data


@dataclass(frozen=True)
class SearchTask:
    """One search.

    Attributes:
        space, way: See :mod:`benchmarks.teachers.spaces`.
        seed: Of sampler and trainings.
        budget_s: Seconds of training it has.
        threads: Of torch.
        data_dir: Where the data lie.
    """

    space: str
    way: str
    seed: int
    budget_s: float
    threads: int
    data_dir: Path | None


def searched(task: SearchTask) -> Curve:
    """Run one search in this process; its budget is what its trainings took, if that was less."""
    torch.set_num_threads(task.threads)
    space = teacher_space(task.space, task.way, task.seed)
    data = load_space_data(space, task.data_dir)
    samples = samples_of(space, data, task.seed, task.budget_s, train=on_cpu(evaluate_network))
    spent_s = min(task.budget_s, samples[-1].seconds)
    return Curve.of(samples, space, task.space, task.way, task.seed, spent_s)
