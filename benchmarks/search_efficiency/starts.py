"""Searches from scratch and from dense networks, over the seconds that their trainings take.

Worker processes import these functions by name, as those of :mod:`benchmarks.search_efficiency.run`.
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.search_efficiency.curves import Curve, Sample
from benchmarks.search_efficiency.ours import ENDLESS, VARIANTS, WHOLE, make_loop
from benchmarks.search_efficiency.spaces import SPACES, make_space
from explorer.core.calibration import InferenceConfig
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask, evaluate_network
from explorer.data.dataset import DataSet
from explorer.engine.outcomes import Progress
from explorer.space.files import load_space, load_space_data
from explorer.space.schema import SearchSpace
from explorer.space.training import Start

STARTS: tuple[Start, ...] = ("scratch", "dense")
START_SPACES = ("digits", *SPACES)


@dataclass(frozen=True)
class StartTask:
    """One search.

    Attributes:
        space: One of :data:`START_SPACES`.
        seed: Of sampler and trainings.
        start: Of sparse networks.
        budget_s: Seconds of training it has.
        threads: Of torch.
        data_dir: Where the data lie.
    """

    space: str
    seed: int
    start: Start
    budget_s: float
    threads: int
    data_dir: Path | None


Evaluate = Callable[[TrainingTask, DataSet, InferenceConfig], EvaluatedNetwork]


class _SpentError(Exception):
    """The trainings have taken their budget."""


def start_space(name: str, start: Start, seed: int) -> SearchSpace:
    """One of :data:`START_SPACES` whose sparse networks start as said."""
    space = load_space(name)[0] if name not in SPACES else make_space(name, seed)
    content = space.model_dump(mode="json")
    content["training"] |= {"seed": seed, "start": start}
    return SearchSpace.model_validate(content)


def on_cpu(train: Evaluate) -> Evaluate:
    """``train`` whose seconds of training are those of the CPU: the share that it had all along."""

    def timed(task: TrainingTask, data: DataSet, inference_config: InferenceConfig) -> EvaluatedNetwork:
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        network = train(task, data, inference_config)
        share = (time.process_time() - cpu_s) / (time.perf_counter() - wall_s)
        return replace(network, training=replace(network.training, seconds=network.training.seconds * share))

    return timed


def samples_of(
    space: SearchSpace,
    data: DataSet,
    seed: int,
    budget_s: float,
    trials: int = ENDLESS,
    train: Evaluate = evaluate_network,
) -> list[Sample]:
    """Search until trainings have taken the budget; returns where the search stood after each trial.

    Seconds of the samples are those of all trainings so far, dense networks that nobody proposed included.
    """
    seconds, samples = 0.0, list[Sample]()

    def timed(task: TrainingTask) -> EvaluatedNetwork:
        nonlocal seconds
        network = train(task, data, space.inference_config)
        seconds += network.training.seconds
        return network

    with tempfile.TemporaryDirectory(prefix="warm-start-") as folder:
        loop = make_loop(space, data, seed, Path(folder), VARIANTS[WHOLE], timed)

        def record(progress: Progress) -> None:
            samples.append(Sample(seconds, len(loop.networks), loop.networks.archive.front))
            if seconds >= budget_s:
                raise _SpentError

        with suppress(_SpentError):
            loop.run(trials, None, record)
    return samples


def search_from(task: StartTask) -> Curve:
    """Run one search in this process; its budget is what its trainings took, if that was less."""
    torch.set_num_threads(task.threads)
    space = start_space(task.space, task.start, task.seed)
    samples = samples_of(space, load_space_data(space, task.data_dir), task.seed, task.budget_s)
    spent_s = min(task.budget_s, samples[-1].seconds)
    return Curve.of(samples, space, task.space, task.start, task.seed, spent_s)
