"""What a search knows of its networks: in the store, on the front, in the rungs; and which failed."""

import re
from collections.abc import Container, Mapping, Sequence

import pandas as pd

from explorer.core.bottleneck import NARROW_POINT
from explorer.core.evidence import Evidence
from explorer.core.failures import failing_alone
from explorer.core.run_point import FLOAT32
from explorer.core.sweep import sweep_of_all, without_code
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask
from explorer.costs.model import CostModel
from explorer.costs.split_costs import SplitCosts
from explorer.engine.archive import Archive
from explorer.engine.halving.rungs import Rungs
from explorer.engine.storage.locks import Locks
from explorer.engine.storage.network_sync import NetworkSync
from explorer.engine.surrogate.surrogate import Surrogate
from explorer.runs.store import Store
from explorer.space.candidate import NetworkSpec
from explorer.space.schema import SearchSpace

_NO_START = "the dense network it needs,"
_START_FAILURE = re.compile(rf"{_NO_START} (?P<key>[\w-]+) failed: (?P<reason>.*)", re.DOTALL)


class NetworkRegistry:
    """The networks of a search, each as far as it is trained.

    The front holds every network as it is now. Samplers are answered from what a network was at the first
    rung, whatever became of it since: so all they learn is of one fidelity, and proposals do not depend
    on who was promoted when.

    Args:
        store: Keeps them; has no other writer.
        space: Says what is optimised and which split points and thresholds are allowed.
        costs: The cost model of the search.
        rung_epochs: Epochs at which training pauses, ascending; the last is a complete training.
        locks: On networks being trained. Every task given out is locked, until it is unlocked.
        sync: Passes networks to and from other processes of the study.
        surrogate: Learns from what networks were at the first rung.
        trained_to: Epochs that earlier sessions trained networks to, by key, where that is known.

    Example:
        >>> from pathlib import Path
        >>> from explorer.devices import Setting
        >>> from explorer.engine.storage.locks import LocalLocks
        >>> from explorer.engine.storage.network_sync import NoSync
        >>> from explorer.space.files import load_space
        >>> costs = CostModel(Setting.load("rpi4", "nvidia_t4", "lte_2021"))
        >>> space = load_space("digits")[0]
        >>> networks = NetworkRegistry(Store(Path()), space, costs, (1, 10), LocalLocks(), NoSync())
        >>> networks.lock("mlp-1"), networks.lock("mlp-1")  # being trained already
        (True, False)
    """

    def __init__(
        self,
        store: Store,
        space: SearchSpace,
        costs: CostModel,
        rung_epochs: Sequence[int],
        locks: Locks,
        sync: NetworkSync,
        surrogate: Surrogate | None = None,
        trained_to: Mapping[str, int] | None = None,
    ) -> None:
        self.store, self.space, self._costs = store, space, costs
        self._locks, self._network_sync, self._surrogate = locks, sync, surrogate
        self.archive = Archive(space.metrics, space.objectives, space.constraints_on(costs.setting))
        # the surrogate knows edge parts in float32 by their structure, and compares them with their like
        self.float_archive = self.archive
        if space.edge_weight_bits != [FLOAT32]:
            self.float_archive = Archive(space.metrics, space.objectives, self.archive.constraints)
        # accuracy is scaled by its range, costs, which span decades, by ratio
        self.rungs = Rungs(rung_epochs, [metric.direction == "minimize" for metric in space.metrics])
        self.failures: dict[str, str] = {}  # reasons of networks that could not be trained at all
        self._first, self._complete = rung_epochs[0], rung_epochs[-1]
        self._epochs: dict[str, int] = {}
        self._required: set[str] = set()
        self._load_history()
        self._lost_at = {key: epochs for key, epochs in (trained_to or {}).items() if key not in self}

    def _load_history(self) -> None:
        """Enter the networks that earlier sessions of this run stored and other processes published."""
        self.store.remove_unfinished()
        self._network_sync.pull()
        for key in self.store:
            self._load_network(key)
            if (publish := self._network_sync.publisher(key)) is not None:
                publish(self.store.read_files(key))

    def _load_network(self, key: str) -> None:
        stored = self.store.read(key)
        first: pd.DataFrame | None = None
        for epochs in self.store.earlier_epochs(key):
            swept = self.store.read_earlier_points(key, epochs)
            points, own = self._costed(swept, stored.splits, stored.num_samples)
            self._enter(key, epochs, points, own)
            first = own if first is None else first
        points, own = self._costed(stored.points, stored.splits, stored.num_samples)
        self._enter(key, self._rung(stored.spec, stored.training.epochs), points, own)
        if self._surrogate is not None:
            points = own if first is None else first
            self._surrogate.observe(stored.spec, self.answer(key)[0][0], points, stored.training.seconds)

    def pull(self) -> bool:
        """Enter what other processes of the study have trained meanwhile; whether there was anything."""
        pulled = self._network_sync.pull()
        for key in pulled:
            self._load_network(key)
        return bool(pulled)

    def lock(self, key: str) -> bool:
        """Lock a network for training; False if it is being trained."""
        return self._locks.acquire(f"network {key}")

    def unlock(self, key: str) -> None:
        """Let others train a network."""
        self._locks.release(f"network {key}")

    def __contains__(self, key: str) -> bool:
        return key in self._epochs

    def __len__(self) -> int:
        return len(self._epochs)

    @property
    def complete(self) -> int:
        """How many networks are trained to the end."""
        return sum(epochs == self._complete for epochs in self._epochs.values())

    def task(self, spec: NetworkSpec) -> TrainingTask:
        """Training of a new network, locked already, up to the first rung.

        The dense network it needs is trained, see :meth:`awaited`.
        """
        dense = None if spec.dense is None else self.store.read_weights(spec.dense.key)
        return TrainingTask(spec, min(self._first, spec.recipe.total_epochs), dense=dense)

    def awaited(self, spec: NetworkSpec) -> NetworkSpec | None:
        """The dense network to be trained before ``spec``; None if it is, has failed, or is not needed."""
        dense = spec.dense
        return None if dense is None or dense.key in self or dense.key in self.failures else dense

    def start_failure(self, spec: NetworkSpec) -> str:
        """Why there is no dense network for ``spec``; empty if there is, or none is needed."""
        if spec.dense is None or spec.dense.key not in self.failures:
            return ""
        return f"{_NO_START} {spec.dense.key} failed: {self.failures[spec.dense.key]}"

    def answer(self, key: str) -> tuple[list[Evidence], tuple[SplitCosts, ...]]:
        """Evidence and costs of a network at the first rung: what samplers are told from."""
        earlier = None if self._epochs[key] == self._first else self._first
        return self.store.read_evidences(key, earlier), self.store.read_splits(key)

    def keep(self, network: EvaluatedNetwork) -> None:
        """Sweep and store a network, new or trained further.

        Raises:
            TrainingFailedError: It cannot be swept, or has no form as files; nothing is kept of it.
        """
        key, thresholds = network.spec.key, self.space.confidence_thresholds
        with failing_alone():
            swept = sweep_of_all(network.evidences, thresholds.low, thresholds.high)
            swept = self._allowed(swept, network.spec)
            points, own = self._costed(swept, network.splits, network.evidence.num_samples)
        self.store.write(network, swept, self._network_sync.publisher(key))
        self._enter(key, self._rung(network.spec, network.epochs), points, own)
        if self._surrogate is not None:
            self._surrogate.observe(network.spec, network.evidence, own, network.training.seconds)

    def require(self, key: str) -> None:
        """Have a network trained to the end before the search is over, whatever its results."""
        self._required.add(key)

    def fail(self, key: str, reason: str) -> None:
        """A training failed: a network that is stored stays as it is, a new one is never tried again.

        Nor is the dense network that a reason of :meth:`start_failure` names: no proposal may tell of it.
        """
        self.rungs.fail(key)
        if key not in self:
            self.failures[key] = reason
        if named := _START_FAILURE.fullmatch(reason):
            self.failures.setdefault(named["key"], named["reason"])

    def promotion(self) -> TrainingTask | None:
        """Training of a paused network up to its next rung, if one deserves it now, or had it already."""
        others = set[str]()
        while (found := self._regaining(others) or self.rungs.promotable(others)) is not None:
            if self._lock_as_known(found[0]):
                return self._further(*found)
            others.add(found[0])
        return None

    def _regaining(self, others: Container[str]) -> tuple[str, int] | None:
        """A network that was lost further than it is trained again now, and its next rung; not ``others``."""
        for key, epochs in self._lost_at.items():
            now = self._epochs.get(key, epochs)
            if now < epochs and key not in others and self.rungs.may_continue(key):
                return key, next(rung for rung in self.rungs.epochs if rung > now)
        return None

    def completion(self) -> TrainingTask | None:
        """Training to the end of a network of the front, or of one that is required."""
        for key in self._incomplete():
            if self._lock_as_known(key):
                return self._further(key, self._complete)
        return None

    @property
    def needs_completion(self) -> bool:
        """Whether :meth:`completion` has or will have something left, here or in another process."""
        return bool(self._incomplete())

    def _incomplete(self) -> list[str]:
        wanted = [*sorted(self._required), *self.archive.networks()]
        return [key for key in wanted if key in self and self.rungs.may_continue(key)]

    def _lock_as_known(self, key: str) -> bool:
        """Lock a network unless it is being trained, or was trained further than was known."""
        epochs = self._epochs[key]
        if self.lock(key):
            self.pull()
            if self._epochs[key] == epochs:
                return True
            self.unlock(key)
        return False

    def _further(self, key: str, until_epoch: int) -> TrainingTask:
        self.rungs.promote(key, until_epoch)
        return TrainingTask(self.store.read(key).spec, until_epoch, self.store.read_training_state(key))

    def _rung(self, spec: NetworkSpec, epochs: int) -> int:
        """Where a network stands; one that starts from a dense one is complete after fewer epochs."""
        return self._complete if epochs == spec.recipe.total_epochs else epochs

    def _costed(
        self, swept: pd.DataFrame, splits: Sequence[SplitCosts], num_samples: int
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Swept points with their costs, and those that the surrogate learns from with theirs."""
        points = self._costs.points(swept, splits, num_samples)
        if self.float_archive is self.archive:
            return points, points
        return points, self._costs.points(without_code(swept), splits, num_samples)

    def _enter(self, key: str, epochs: int, points: pd.DataFrame, own: pd.DataFrame) -> None:
        """Enter points as :meth:`_costed` gives them."""
        self.archive.put(key, points)
        if self.float_archive is not self.archive:
            self.float_archive.put(key, own)
        self.rungs.record(key, epochs, self.archive.inside(key))
        self._epochs[key] = epochs

    def _allowed(self, points: pd.DataFrame, spec: NetworkSpec) -> pd.DataFrame:
        """Rows at split points that the space allows."""
        allowed = self.space.backbones[spec.backbone].split_points
        if allowed == "all":
            return points
        return points[points["split_point"].isin([*allowed, NARROW_POINT])].reset_index(drop=True)
