"""What a search knows of its networks: in the store, on the front, in the rungs; and which failed."""

from collections.abc import Sequence

import pandas as pd

from explorer.candidate import NetworkSpec
from explorer.core.bottleneck import NARROW_POINT
from explorer.core.operating_points import Evidence, sweep
from explorer.cost import Setting, operating_points
from explorer.engine.archive import Archive
from explorer.engine.claims import Claims
from explorer.engine.exchange import Exchange
from explorer.engine.rungs import Rungs
from explorer.evaluate import EvaluatedNetwork, TrainingTask
from explorer.space import SearchSpace
from explorer.split_costs import SplitCosts
from explorer.store import Store


class TrainedNetworks:
    """The networks of a search, each as far as it is trained.

    The front holds every network as it is now. Samplers are answered from what a network was at the first
    rung, whatever became of it since: so all they learn is of one fidelity, and proposals do not depend
    on who was promoted when.

    Args:
        store: Keeps them; has no other writer.
        space: Says what is optimised and which split points and thresholds are allowed.
        setting: Devices and link of the modelled costs.
        rung_epochs: Epochs at which training pauses, ascending; the last is a complete training.
        claims: On networks being trained. Every task given out is claimed, until it is released.
        exchange: Of networks with other processes of the study.
    """

    def __init__(
        self,
        store: Store,
        space: SearchSpace,
        setting: Setting,
        rung_epochs: Sequence[int],
        claims: Claims,
        exchange: Exchange,
    ) -> None:
        self.store, self.space, self.setting = store, space, setting
        self._claims, self._exchange = claims, exchange
        self.archive = Archive(space.metrics, space.objectives, space.parsed_constraints)
        # accuracy is scaled by its range, costs, which span decades, by ratio
        self.rungs = Rungs(rung_epochs, [metric.direction == "minimize" for metric in space.metrics])
        self.failures: dict[str, str] = {}  # reasons of networks that could not be trained at all
        self._first, self._complete = rung_epochs[0], rung_epochs[-1]
        self._epochs: dict[str, int] = {}
        self._indispensable: set[str] = set()
        self._recall()

    def _recall(self) -> None:
        """Take up what earlier sessions of this run stored, and what others have published."""
        self.store.remove_unfinished()
        self._exchange.take_in()
        for key in self.store:
            self._recall_network(key)
            self._exchange.publish(key)

    def _recall_network(self, key: str) -> None:
        stored = self.store.read(key)
        for epochs in self.store.earlier_epochs(key):
            points = self.store.read_earlier_points(key, epochs)
            self._enter(key, epochs, self._costed(points, stored.splits, stored.num_samples))
        now = self._costed(stored.points, stored.splits, stored.num_samples)
        self._enter(key, stored.training.epochs, now)

    def take_in(self) -> None:
        """Take up what other processes of the study trained meanwhile."""
        for key in self._exchange.take_in():
            self._recall_network(key)

    def claim(self, key: str) -> bool:
        """Claim a network for training; False if it is being trained."""
        return self._claims.take(f"network {key}")

    def release(self, key: str) -> None:
        """Let others train a network."""
        self._claims.release(f"network {key}")

    def __contains__(self, key: str) -> bool:
        return key in self._epochs

    def __len__(self) -> int:
        return len(self._epochs)

    @property
    def complete(self) -> int:
        """How many networks are trained to the end."""
        return sum(epochs == self._complete for epochs in self._epochs.values())

    def task(self, spec: NetworkSpec) -> TrainingTask:
        """Training of a new network, claimed already, up to the first rung."""
        return TrainingTask(spec, self._first)

    def answer(self, key: str) -> tuple[Evidence, tuple[SplitCosts, ...]]:
        """Evidence and costs of a network at the first rung: what samplers are told from."""
        earlier = None if self._epochs[key] == self._first else self._first
        return self.store.read_evidence(key, earlier), self.store.read_splits(key)

    def keep(self, network: EvaluatedNetwork) -> pd.DataFrame:
        """Sweep and store a network, new or trained further; returns its operating points."""
        key, thresholds = network.spec.key, self.space.confidence_thresholds
        swept = self._allowed(sweep(network.evidence, thresholds.low, thresholds.high), network.spec)
        (self.store.replace if key in self else self.store.write)(network, swept)
        points = self._costed(swept, network.splits, network.evidence.num_samples)
        self._enter(key, network.epochs, points)
        self._exchange.publish(key)
        return points

    def keep_in_any_case(self, key: str) -> None:
        """Have a network trained to the end before the search is over, whatever its results."""
        self._indispensable.add(key)

    def fail(self, key: str, reason: str) -> None:
        """A training failed: a network that is stored stays as it is, a new one is never tried again."""
        self.rungs.fail(key)
        if key not in self:
            self.failures[key] = reason

    def promotion(self) -> TrainingTask | None:
        """Training of a paused network up to its next rung, if one deserves it now."""
        others = set[str]()
        while (found := self.rungs.promotable(others)) is not None:
            if self._claim_as_known(found[0]):
                return self._further(*found)
            others.add(found[0])
        return None

    def completion(self) -> TrainingTask | None:
        """Training to the end of a network of the front, or of one wanted in any case."""
        for key in self._incomplete():
            if self._claim_as_known(key):
                return self._further(key, self._complete)
        return None

    @property
    def needs_completion(self) -> bool:
        """Whether :meth:`completion` has or will have something left, here or in another process."""
        return bool(self._incomplete())

    def _incomplete(self) -> list[str]:
        wanted = [*sorted(self._indispensable), *self.archive.networks()]
        return [key for key in wanted if key in self and self.rungs.may_continue(key)]

    def _claim_as_known(self, key: str) -> bool:
        """Claim a network unless it is being trained, or was trained further than was known."""
        epochs = self._epochs[key]
        if self.claim(key):
            self.take_in()
            if self._epochs[key] == epochs:
                return True
            self.release(key)
        return False

    def _further(self, key: str, until_epoch: int) -> TrainingTask:
        self.rungs.promote(key, until_epoch)
        return TrainingTask(self.store.read(key).spec, until_epoch, self.store.read_training_state(key))

    def _enter(self, key: str, epochs: int, points: pd.DataFrame) -> None:
        self.archive.put(key, points)
        self.rungs.record(key, epochs, self.archive.inside(key))
        self._epochs[key] = epochs

    def _costed(self, swept: pd.DataFrame, splits: tuple[SplitCosts, ...], num_samples: int) -> pd.DataFrame:
        return operating_points(swept, splits, num_samples, self.setting)

    def _allowed(self, points: pd.DataFrame, spec: NetworkSpec) -> pd.DataFrame:
        """Rows at split points that the space allows."""
        allowed = self.space.backbones[spec.backbone].split_points
        if allowed == "all":
            return points
        return points[points["split_point"].isin([*allowed, NARROW_POINT])].reset_index(drop=True)
