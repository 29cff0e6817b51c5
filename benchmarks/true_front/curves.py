"""Searches against a table: how the hypervolume grows by networks tried and by seconds of training."""

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_efficiency.curves import log_hypervolume
from benchmarks.true_front.tables import Table
from explorer.core.sweep import sweep
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask
from explorer.costs.model import CostModel
from explorer.devices import Setting
from explorer.engine.loop import SearchLoop
from explorer.engine.outcomes import Progress
from explorer.engine.pool.base import SerialPool, running_future
from explorer.engine.storage.open import open_study
from explorer.front.pareto import non_dominated
from explorer.runs.store import Store
from explorer.space.candidate import NetworkSpec
from explorer.space.metrics import loss_values

RANDOM_ORDER, ORACLE = "random order", "oracle"
PER_SECOND, TWO_WORKERS = "front, per second", "front, two workers"
Losses = NDArray[np.float64]


class LaggingPool(SerialPool[TrainingTask, EvaluatedNetwork]):
    """As two workers: a training ends when the next one is begun, or a little later if none is."""

    slots = 2
    _LAG_S = 0.2

    def __init__(self, work: Callable[[TrainingTask], EvaluatedNetwork]) -> None:
        super().__init__(work)
        self._last: Future[EvaluatedNetwork] | None = None
        self._lock = threading.Lock()

    def submit(self, task: TrainingTask) -> Future[EvaluatedNetwork]:
        """A future that is done later."""
        future, result = running_future(), super().submit(task).result()
        self._finish(self._last)
        future.network = result  # type: ignore[attr-defined]
        self._last = future
        timer = threading.Timer(self._LAG_S, self._finish, [future])
        timer.daemon = True
        timer.start()
        return future

    def _finish(self, future: Future[EvaluatedNetwork] | None) -> None:
        with self._lock:
            if future is not None and not future.done():
                future.set_result(future.network)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Curve:
    """One search.

    Attributes:
        space, sampler, seed: Which.
        hypervolume: With logarithmic costs, after each network.
        training_s: Seconds of training so far, as the table has them.
        sampler_s: Seconds that proposals took so far.
    """

    space: str
    sampler: str
    seed: int
    hypervolume: tuple[float, ...]
    training_s: tuple[float, ...]
    sampler_s: tuple[float, ...]

    def after(self, networks: int) -> float:
        """Hypervolume after so many networks; NaN where it did not get so far."""
        return self.hypervolume[networks - 1] if networks <= len(self.hypervolume) else float("nan")

    def at(self, seconds: float) -> float:
        """Hypervolume after so many seconds of training and proposing; NaN where it did not get so far."""
        ends = np.add(self.training_s, self.sampler_s)
        done = int(np.searchsorted(ends, seconds, side="right"))
        if done == len(ends) and (not done or ends[-1] < seconds):
            return float("nan")
        return self.hypervolume[done - 1] if done else 0.0

    def networks_to(self, target: float) -> float:
        """Networks until the hypervolume reached ``target``; infinite where it never did."""
        reached = np.flatnonzero(np.array(self.hypervolume) >= target)
        return float(reached[0] + 1) if len(reached) else float("inf")

    def to_json(self) -> dict[str, Any]:
        """Plain data, rounded to what a clock and a figure can show."""
        rounded = {
            "hypervolume": [round(value, 6) for value in self.hypervolume],
            "training_s": [round(value, 3) for value in self.training_s],
            "sampler_s": [round(value, 4) for value in self.sampler_s],
        }
        return asdict(self) | rounded


class Judge:
    """Scores searches of one table.

    Args:
        name: Of the space.
        table: Its networks.
    """

    def __init__(self, name: str, table: Table) -> None:
        self.name, self.table, self.space = name, table, table.space
        self.costs = CostModel(
            Setting.load(
                self.space.edge_device, self.space.server_device, self.space.link, self.space.protocol
            )
        )
        self._fronts: dict[str, tuple[Losses, float]] = {}

    def front(self, spec: NetworkSpec) -> tuple[Losses, float]:
        """A network's own front, and the seconds of its training."""
        if spec.key not in self._fronts:
            network = self.table(TrainingTask(spec, spec.recipe.total_epochs))
            self._fronts[spec.key] = self.losses(network), network.training.seconds
        return self._fronts[spec.key]

    def losses(self, network: EvaluatedNetwork) -> Losses:
        """Of the network's own front (points, objectives)."""
        thresholds = self.space.confidence_thresholds
        swept = sweep(network.evidence, thresholds.low, thresholds.high)
        points = self.costs.points(swept, network.splits, network.evidence.num_samples)
        losses = loss_values(points, self.space.metrics).to_numpy()
        return losses[non_dominated(losses)]

    @cached_property
    def best(self) -> float:
        """Hypervolume of all networks that were ever trained for the table together."""
        every = np.vstack([self.front(self.table.store.read_spec(key))[0] for key in self.table.store])
        return log_hypervolume(every[non_dominated(every)], self.space)

    def in_order(self, sampler: str, seed: int, order: Sequence[NetworkSpec]) -> Curve:
        """Networks tried in a given order."""
        archive, scores, seconds = self._archive(), list[float](), list[float]()
        for spec in order:
            losses, took = self.front(spec)
            merged = np.vstack([archive, losses])
            archive = merged[non_dominated(merged)]
            scores.append(log_hypervolume(archive, self.space))
            seconds.append(took)
        nothing = (0.0,) * len(scores)
        return Curve(self.name, sampler, seed, tuple(scores), tuple(np.cumsum(seconds).tolist()), nothing)

    def _archive(self) -> Losses:
        return np.empty((0, len(self.space.metrics)))

    def random_order(self, seed: int, count: int) -> Curve:
        """Networks drawn without replacement, each as likely as any other."""
        every = sorted(self.table.networks(), key=lambda spec: spec.key)
        chosen = np.random.default_rng(seed).permutation(len(every))[:count]
        return self.in_order(RANDOM_ORDER, seed, [every[place] for place in chosen])

    def oracle(self, count: int) -> Curve:
        """Each time the network that adds most: nobody can do better by much."""
        specs = [self.table.store.read_spec(key) for key in self.table.store]
        left, order, archive = dict(enumerate(specs)), list[NetworkSpec](), self._archive()
        for _ in range(min(count, len(specs))):

            def gained(place: int) -> float:
                return log_hypervolume(np.vstack([archive, self.front(left[place])[0]]), self.space)  # noqa: B023

            best = max(left, key=gained)
            merged = np.vstack([archive, self.front(left[best])[0]])
            archive = merged[non_dominated(merged)]
            order.append(left.pop(best))
        return self.in_order(ORACLE, 0, order)

    def search(self, sampler: str, seed: int, networks: int, limit_s: float, encoding: str) -> Curve:
        """A search as it is, training replaced by looking up; ends after so many networks."""
        scores: list[float] = []
        training_s: list[float] = []
        sampler_s: list[float] = []
        looked_up: list[float] = []  # seconds of the trainings
        prefer = "gain-per-second" if sampler == PER_SECOND else "gain"
        started = time.perf_counter()

        def look_up(task: TrainingTask) -> EvaluatedNetwork:
            network = self.table(task)
            looked_up.append(network.training.seconds)
            return network

        with tempfile.TemporaryDirectory(prefix="true-front-") as folder:
            loop = SearchLoop(
                study=open_study("sqlite://", "search", self.space.metrics),
                proposer=self.table.proposer(encoding),
                store=Store(Path(folder)),
                costs=self.costs,
                pool=LaggingPool(look_up) if sampler == TWO_WORKERS else SerialPool(look_up),
                rung_epochs=(self.space.recipe.total_epochs,),
                sampler="front" if sampler in (PER_SECOND, TWO_WORKERS) else sampler,
                seed=seed,
                prefer=prefer,
            )

            def record(progress: Progress) -> None:
                if progress.counts["trained"] == len(scores):
                    return
                front = loop.networks.archive.front
                scores.append(log_hypervolume(front, self.space))
                training_s.append(sum(looked_up))
                sampler_s.append(sum(loop.study.suggest_times.seconds))
                if len(scores) >= networks or time.perf_counter() - started > limit_s:
                    raise StopIteration

            with suppress(StopIteration):
                loop.run(100 * networks, None, record)
        return Curve(self.name, sampler, seed, tuple(scores), tuple(training_s), tuple(sampler_s))
