"""The explorer's search as it is by default, and with one thing changed at a time."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.search_efficiency.curves import Sample
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask, evaluate_network
from explorer.costs.model import CostModel
from explorer.data.dataset import DataSet
from explorer.devices import Setting
from explorer.engine.defaults import DEFAULT_SAMPLER
from explorer.engine.loop import SearchLoop
from explorer.engine.outcomes import Progress
from explorer.engine.pool.base import SerialPool
from explorer.engine.proposals import Proposer
from explorer.engine.storage.open import open_study
from explorer.runs.store import Store
from explorer.session.prepare import rungs_of
from explorer.space.inventory import build_inventory
from explorer.space.schema import SearchSpace

ENDLESS = 1_000_000  # trials; the budget ends the search
Work = Callable[[TrainingTask], EvaluatedNetwork]


@dataclass(frozen=True)
class Variant:
    """A way to run the explorer's search.

    Attributes:
        label: For tables and figures.
        sampler: Who proposes.
        rungs: Whether training pauses at rungs.
    """

    label: str
    sampler: str = DEFAULT_SAMPLER
    rungs: bool = False


WHOLE, RUNGS, RANDOM = "whole", "rungs", "random"
VARIANTS = {
    WHOLE: Variant("whole engine"),
    RUNGS: Variant("with rungs", rungs=True),
    RANDOM: Variant("random sampler, our sweep", sampler="random"),
}


def run_ours(
    space: SearchSpace, data: DataSet, seed: int, budget_s: float, *, variant: str, trials: int = ENDLESS
) -> list[Sample]:
    """Search in a folder of its own until the budget is spent; returns where it stood after each trial.

    Args:
        space: What to search.
        data: Its data.
        seed: Of the sampler.
        budget_s: No trial starts after it.
        variant: One of :data:`VARIANTS`.
        trials: At most so many.
    """
    start = time.perf_counter()
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory(prefix="search-efficiency-") as folder:
        work = partial(evaluate_network, data=data, inference_config=space.inference_config)
        loop = make_loop(space, data, seed, Path(folder), VARIANTS[variant], work)

        def record(progress: Progress) -> None:
            front = loop.networks.archive.front  # replaced, never changed, when points enter
            samples.append(Sample(time.perf_counter() - start, progress.counts["trained"], front))

        report: Callable[[Progress], None] = record
        loop.run(trials, budget_s - (time.perf_counter() - start), report)
    return samples


def make_loop(
    space: SearchSpace, data: DataSet, seed: int, folder: Path, variant: Variant, work: Work
) -> SearchLoop:
    """The search as :func:`explorer.session.run.search` sets it up; all that is known here of the engine."""
    inventory = build_inventory(space, data.input_shape, data.num_classes)
    identity = {"source": space.data.source, "fingerprint": data.fingerprint}
    setting = Setting.load(space.edge_device, space.server_device, space.link, space.protocol)
    return SearchLoop(
        study=open_study(f"sqlite:///{folder / 'study.db'}", "search", space.metrics),
        proposer=Proposer(inventory, identity),
        store=Store(folder),
        costs=CostModel(setting),
        pool=SerialPool(work),
        rung_epochs=rungs_of(space, len(data.train)) if variant.rungs else (space.training.epochs,),
        sampler=variant.sampler,
        seed=seed,
    )
