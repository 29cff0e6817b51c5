"""Tables: what every network of a space gives, trained once and kept for any sampler to look up.

A table is a folder of networks as a run folder has them, without weights. A network's results depend on its
specification alone, so it does not matter which search asked for it. Training stops anywhere and goes on.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from functools import partial
from itertools import chain
from pathlib import Path

import pandas as pd

from explorer.core.sweep import POINT_COLUMNS
from explorer.core.training import TrainingFailedError
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask, evaluate_network
from explorer.data.dataset import DataSet
from explorer.engine.pool.base import Pool, SerialPool
from explorer.engine.pool.child import Limits
from explorer.engine.proposals import Proposer
from explorer.runs.store import Store
from explorer.space.candidate import NetworkSpec
from explorer.space.files import load_space_data
from explorer.space.inventory import build_inventory
from explorer.space.schema import SearchSpace


class Table:
    """The networks of a space that were trained so far; others are trained when they are asked for.

    Args:
        space: What is trained.
        folder: Where results are kept, a folder of the table's own.
        data_dir: Where data sets lie.
    """

    def __init__(self, space: SearchSpace, folder: Path, data_dir: Path | None) -> None:
        self.space = space
        self.data: DataSet = load_space_data(space, data_dir)
        self.inventory = build_inventory(space, self.data.input_shape, self.data.num_classes)
        self.store = Store(folder)
        self.store.remove_unfinished()
        self._known: dict[str, EvaluatedNetwork] = {}

    def proposer(self, encoding: str = "conditional") -> Proposer:
        """A proposer over the table's space."""
        identity = {"source": self.space.data.source, "fingerprint": self.data.fingerprint}
        return Proposer(self.inventory, identity, encoding)

    def networks(self) -> Iterator[NetworkSpec]:
        """Every network of the space, each once."""
        proposer, seen = self.proposer(), set[str]()
        for variant in chain.from_iterable(self.inventory.variants.values()):
            for pattern in self.space.patterns:
                for densities in variant.assignments():
                    spec = proposer.network(variant, pattern, densities)
                    if spec.key not in seen:
                        seen.add(spec.key)
                        yield spec

    def missing(self) -> list[NetworkSpec]:
        """Networks of the space that are not trained yet."""
        return [spec for spec in self.networks() if spec.key not in self.store]

    def __call__(self, task: TrainingTask) -> EvaluatedNetwork:
        """The trained network; trained and kept now if it was not before."""
        key = task.spec.key
        if key not in self._known:
            if key not in self.store:
                self._keep(evaluate_network(task, self.data, self.space.inference_config))
            self._known[key] = self._read(task.spec)
        return self._known[key]

    def fill(self, workers: int, report: Callable[[int, int], None]) -> None:
        """Train what is missing; ``report`` gets how many are done and how many there are."""
        left, total = self.missing(), self.inventory.num_networks
        with self._pool(workers) as pool:
            for network in _trained(pool, [TrainingTask(spec, self.space.training.epochs) for spec in left]):
                self._keep(network)
                report(len(list(self.store)), total)

    def read_all(self) -> Iterator[EvaluatedNetwork]:
        """Everything that was ever trained here."""
        for key in self.store:
            spec = self.store.read_spec(key)
            yield self(TrainingTask(spec, self.space.training.epochs))

    def _pool(self, workers: int) -> Pool[TrainingTask, EvaluatedNetwork]:
        work = partial(evaluate_network, data=self.data, inference_config=self.space.inference_config)
        if workers == 1:
            return SerialPool(work)
        from explorer.engine.pool.dask import DaskPool

        return DaskPool(work, workers=workers, threads=1, limits=Limits(), scheduler=None, resources=None)

    def _keep(self, network: EvaluatedNetwork) -> None:
        light = EvaluatedNetwork(**(vars(network) | {"weights": {}}))
        self.store.write(light, pd.DataFrame(columns=POINT_COLUMNS))

    def _read(self, spec: NetworkSpec) -> EvaluatedNetwork:
        key, store = spec.key, self.store
        stored = store.read(key)
        rest = (stored.training, {}, stored.placement_checksum, stored.uncounted)
        read = (store.read_calibration(key), store.read_logits(key))
        return EvaluatedNetwork(spec, stored.splits, store.read_evidence(key), *rest, *read)


def _trained(
    pool: Pool[TrainingTask, EvaluatedNetwork], tasks: Sequence[TrainingTask]
) -> Iterator[EvaluatedNetwork]:
    """Results as they come; a network that fails is left out, as any search would find it failed."""
    waiting, under_way = list(tasks), set()
    while waiting or under_way:
        while waiting and len(under_way) < pool.slots:
            under_way.add(pool.submit(waiting.pop(0)))
        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
        for future in done:
            try:
                yield future.result()
            except TrainingFailedError:
                continue
