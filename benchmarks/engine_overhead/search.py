"""One search over made-up trainings: what is not training, proposal by proposal."""

import gc
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
import psutil

from benchmarks.engine_overhead.stub import Stub
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask
from explorer.costs.model import CostModel
from explorer.data.dataset import DataSet
from explorer.devices import Setting
from explorer.engine.loop import SearchLoop
from explorer.engine.outcomes import Progress
from explorer.engine.pool.base import Pool, SerialPool
from explorer.engine.proposals import Proposer
from explorer.engine.storage.open import open_study
from explorer.runs.store import Store
from explorer.space.files import load_space, load_space_data
from explorer.space.inventory import build_inventory
from explorer.space.schema import SearchSpace
from explorer.space.variants import Inventory

STORAGES = ("sqlite", "memory", "postgres")
# Density choices per junction and hidden layers of the MLPs: few enough that proposals repeat, or so many
# that nearly each trains a network of its own.
MIXES: dict[str, tuple[int, list[list[int]]]] = {
    "repeating": (16, [[24, 16], [64, 32], [128, 64]]),
    "distinct": (64, [[64, 64, 64, 32], [128, 128, 64, 32]]),
}


@dataclass(frozen=True)
class Case:
    """One search.

    Attributes:
        sampler: Who proposes.
        storage: One of :data:`STORAGES`.
        mix: A key of :data:`MIXES`.
        proposals: How many.
        sleep_s: Of each training.
    """

    sampler: str
    storage: str
    mix: str
    proposals: int
    sleep_s: float = 0.0


@dataclass(frozen=True)
class Overhead:
    """What a search spent beyond training.

    Attributes:
        case: Which search.
        trained: Networks; the other proposals were answered from the store.
        seconds: All but the trainings.
        ms_per_proposal: The mean.
        ms_at_end: The mean over the last tenth.
        sampler_ms_at_end: What of it the sampler took.
        kb_per_proposal: Growth of this process's resident memory over the second half.
    """

    case: Case
    trained: int
    seconds: float
    ms_per_proposal: float
    ms_at_end: float
    sampler_ms_at_end: float
    kb_per_proposal: float

    def to_json(self) -> dict[str, Any]:
        """Plain data, the case's attributes among the others."""
        content = asdict(self)
        case: dict[str, Any] = content.pop("case")
        return case | content


def make_inventory(mix: str) -> tuple[Inventory, DataSet]:
    """The shipped digits space with the densities and hidden layers of a mix, and its data."""
    densities, hidden = MIXES[mix]
    shipped, _, _ = load_space("digits")
    content = shipped.model_dump(mode="json")
    content["backbones"]["mlp"]["arguments"]["hidden"] = hidden
    for backbone in content["backbones"].values():
        backbone["densities"]["limit"] = densities
    space = SearchSpace.model_validate(content)
    data = load_space_data(space, None)
    return build_inventory(space, data.input_shape, data.num_classes), data


def make_study(storage: str, folder: Path, space: SearchSpace, postgres: str | None = None) -> optuna.Study:
    """An empty study, named after the folder, in a file there, in memory, or on PostgreSQL."""
    if storage == "memory":
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        return optuna.create_study(directions=[metric.direction for metric in space.metrics])
    url = postgres if storage == "postgres" else f"sqlite:///{folder / 'study.db'}"
    assert url is not None
    return open_study(url, folder.name, space.metrics)


def make_loop(
    inventory: Inventory,
    folder: Path,
    pool: Pool[TrainingTask, EvaluatedNetwork],
    sampler: str,
    study: optuna.Study,
) -> SearchLoop:
    """The search as :func:`explorer.session.run.search` sets it up; all that is known here of the engine.

    Args:
        inventory: What to search.
        folder: Empty; the run folder.
        pool: Trains.
        sampler: Who proposes.
        study: Empty.
    """
    space = inventory.space
    setting = Setting.load(space.edge_device, space.server_device, space.link, space.protocol)
    return SearchLoop(
        study=study,
        proposer=Proposer(inventory, {}),
        store=Store(folder),
        costs=CostModel(setting),
        pool=pool,
        rung_epochs=(space.training.epochs,),
        sampler=sampler,
        seed=0,
    )


def measure(case: Case, postgres: str | None = None) -> Overhead:
    """Run a search in this process, which should be a fresh one, since memory once freed is used again.

    Args:
        case: Which search.
        postgres: Storage URL of the cases on PostgreSQL.
    """
    inventory, _ = make_inventory(case.mix)
    stub = Stub(inventory, case.sleep_s)
    resident_bytes: dict[int, int] = {}
    spent_s, trained, aside_s = [0.0], 0, 0.0
    with tempfile.TemporaryDirectory(prefix="engine-overhead-") as folder:
        start = time.perf_counter()

        def spent() -> float:
            return time.perf_counter() - start - stub.seconds - aside_s

        def record(progress: Progress) -> None:
            nonlocal trained, aside_s
            spent_s.append(spent())
            trained = progress.counts["trained"]
            if progress.trials in (case.proposals // 2, case.proposals):
                begin = time.perf_counter()
                gc.collect()
                resident_bytes[progress.trials] = psutil.Process().memory_info().rss
                aside_s += time.perf_counter() - begin

        study = make_study(case.storage, Path(folder), inventory.space, postgres)
        loop = make_loop(inventory, Path(folder), SerialPool(stub), case.sampler, study)
        loop.run(case.proposals, None, record)
        spent_s[-1] = spent()  # what is left to write at the end included
        suggest_s = loop.study.suggest_times.seconds
    return summarise(case, trained, spent_s, suggest_s, resident_bytes)


def summarise(
    case: Case,
    trained: int,
    spent_s: Sequence[float],
    suggest_s: Sequence[float],
    resident_bytes: Mapping[int, int],
) -> Overhead:
    """Means and growth.

    Args:
        case: Which search.
        trained: Networks trained.
        spent_s: Seconds beyond training before the first proposal and after each.
        suggest_s: What the sampler took for each.
        resident_bytes: Resident memory after half of the proposals and after all, by their number.
    """
    total, tenth = case.proposals, max(1, case.proposals // 10)
    grown_bytes = resident_bytes[total] - resident_bytes[total // 2]
    return Overhead(
        case,
        trained,
        spent_s[-1],
        1e3 * spent_s[-1] / total,
        1e3 * (spent_s[-1] - spent_s[-1 - tenth]) / tenth,
        1e3 * sum(suggest_s[-tenth:]) / tenth,
        grown_bytes / 1e3 / (total - total // 2),
    )
