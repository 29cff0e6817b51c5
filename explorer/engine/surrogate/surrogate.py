"""What to train next: the network whose predicted front adds most to the one that is known."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd

from explorer.core.evidence import Evidence
from explorer.core.run_point import RunPoint
from explorer.costs.model import CostModel
from explorer.engine.surrogate.accuracy_model import LEAST, AccuracyModel, milestone
from explorer.engine.surrogate.architectures import Architecture, Architectures, MakeSpec
from explorer.engine.surrogate.features import Features
from explorer.engine.surrogate.gain import (
    OPTIMISTIC,
    QUANTILES,
    best_first,
    hypervolume_gain,
    margins,
    without_dominated,
)
from explorer.engine.surrogate.gaussian_process import Floats, Hyperparameters
from explorer.engine.surrogate.history import History
from explorer.engine.surrogate.observation import Observation
from explorer.engine.surrogate.predicted_fronts import FrontPredictor
from explorer.engine.surrogate.starts import STARTS_OF_A_VARIANT, starts
from explorer.front.pareto import Losses, hypervolume, log_scaled, reference_and_ideal
from explorer.space.candidate import NetworkSpec
from explorer.space.metrics import SEARCHED_METRICS
from explorer.space.variants import Inventory

CANDIDATES = 160  # networks looked at per proposal: half drawn, half one step away from the front
_FINALISTS = 16  # whose gain is computed
_ENUMERATED = 5_000  # networks of a space small enough to be listed
_EXPLORE = 20  # every so many proposals are drawn: what the model is wrong about shall not stay hidden
_ROUNDS = 5  # of candidates, for what the model would try next
_TWO_STEPS = 0.3  # of the neighbours
_TRIES = 20  # draws per candidate, before a space is taken to have no more


@dataclass(frozen=True)
class Suggestion:
    """A network to train and how to run it.

    Attributes:
        architecture: The network.
        point: Where it is predicted to gain most; None if nothing is predicted.
        gain: Hypervolume it is expected to add, in logarithmic costs.

    Example:
        >>> Suggestion(Architecture(0, 0, (1, 2)), gain=0.01).point is None
        True
    """

    architecture: Architecture
    point: RunPoint | None = None
    gain: float = 0.0


class Surrogate:
    """Learns from trained networks, and proposes others.

    What it proposes follows from what was observed, told and failed, from the trial's number and the seed: a
    search that was interrupted goes on as one that was not. With ``gain-per-second`` measured seconds decide,
    too.

    Args:
        inventory: Variants of the space.
        make_spec: Makes a network of a variant, a pattern and densities.
        costs: The cost model of the search.
        prefer: ``gain`` or ``gain-per-second``: what is largest of the network proposed.

    Example:
        >>> from explorer.engine.proposals import Proposer
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> inventory = build_inventory(load_space("digits")[0], (1, 8, 8), 10)
        >>> from explorer.devices import Setting
        >>> costs = CostModel(Setting.load("rpi4", "nvidia_t4", "lte_2021"))
        >>> surrogate = Surrogate(inventory, Proposer(inventory, {}).network, costs)
        >>> surrogate.suggest(number=0, seed=0, front=np.empty((0, 4)), on_front=[])  # one to start with
        Suggestion(architecture=Architecture(variant=0, pattern=0, places=(2, 2, 0)), point=None, gain=0.0)
    """

    def __init__(
        self, inventory: Inventory, make_spec: MakeSpec, costs: CostModel, prefer: str = "gain"
    ) -> None:
        self.architectures = Architectures(inventory, make_spec)
        self._prefer = prefer
        limits = inventory.space.constraints_on(costs.setting)  # what they allow must stay
        asked_for = *inventory.space.metrics, *(SEARCHED_METRICS[own.column] for own in limits)
        self.metrics = tuple({metric.name: metric for metric in asked_for}.values())
        self._corners = reference_and_ideal(inventory.space.metrics, inventory.space.objectives)
        self._predictor = FrontPredictor(self.architectures, costs, inventory.space, *self._corners)
        self.history = History()
        self._dense: dict[str, str] = {}  # what a network started from, by key
        self._features: dict[str, Features] = {}
        self._fitted: dict[str, tuple[int, Hyperparameters]] = {}
        self._starts: list[Architecture] | None = None
        self._listed: list[Architecture] | None = None

    def observe(self, spec: NetworkSpec, evidence: Evidence, points: pd.DataFrame, seconds: float) -> None:
        """Learn from a trained network; what it became when it was trained further is no news.

        Args:
            spec: What was trained.
            evidence: Its validation outcomes.
            points: Its swept points with the columns of :attr:`metrics`.
            seconds: What training took.
        """
        where = self.architectures.of(spec)
        if (
            spec.key not in self.history
            and where is not None
            and self.architectures.is_countable(where.variant)
        ):
            observation = Observation.of(where, evidence, points, self.metrics, seconds)
            self.history.observe(spec.key, spec.backbone, observation)
            self._dense |= {} if spec.dense is None else {spec.key: spec.dense.key}

    def tell(self, key: str) -> None:
        """Note that a proposal's network is known: observations count in the order they were told.

        With a network what it started from is told, which nobody proposed.
        """
        if key in self._dense:
            self.history.tell(self._dense[key])
        self.history.tell(key)

    def fail(self, spec: NetworkSpec) -> None:
        """Learn that a network cannot be trained."""
        if spec.dense is not None:
            self.history.tell(spec.dense.key)
        if (where := self.architectures.of(spec)) is not None:
            self.history.fail(where)

    def pass_over(self, spec: NetworkSpec) -> None:
        """Note that a network cannot be run as proposed; the model may find another way to run it."""
        if (where := self.architectures.of(spec)) is not None:
            self.history.passed_over[where] = None

    def suggest(
        self,
        number: int,
        seed: int,
        front: Losses,
        on_front: Collection[str],
        pending: Iterable[NetworkSpec] = (),
    ) -> Suggestion | None:
        """What to propose as trial ``number``; None when every network is known or pending.

        Args:
            number: Of the trial.
            seed: Of the search.
            front: Losses of the front that is known, (points, objectives).
            on_front: Keys of the networks that have a point on it.
            pending: Networks under way. They are taken to turn out as predicted, and not proposed again.
        """
        under_way = [one for one in map(self.architectures.of, pending) if one is not None]
        if (start := self._next_start(under_way)) is not None:
            return Suggestion(start)
        rng = np.random.default_rng([seed, number])
        candidates = self._candidates(rng, self.history.of(on_front), under_way)
        if not candidates:
            return None
        if number % _EXPLORE != _EXPLORE - 1:
            ranked = self.ranked(candidates, front, under_way)
            if ranked:
                return ranked[0]
        return Suggestion(next((o for o in candidates if o not in self.history.passed_over), candidates[0]))

    def _next_start(self, pending: Sequence[Architecture]) -> Architecture | None:
        """The next of the networks to start with, of a variant of which fewer than two are known."""
        if self._starts is None:
            self._starts = starts(self.architectures)
        for one in self._starts:
            few = self.history.tried(one.variant, pending) < STARTS_OF_A_VARIANT
            taken = one in self.history.known or one in self.history.passed_over or one in pending
            if few and not taken:
                return one
        return None

    def ranked(
        self, candidates: Sequence[Architecture], front: Losses, pending: Sequence[Architecture] = ()
    ) -> list[Suggestion]:
        """The candidates that may gain anything, best first."""
        models = self.models()
        scaled = without_dominated(log_scaled(front, *self._corners))
        if pending:
            scaled = self._with_fantasies(scaled, pending, models)
        found = [
            suggestion for model in models for suggestion in self._of_backbone(model, candidates, scaled)
        ]
        return sorted(found, key=lambda own: -own.gain)

    def promising(
        self, front: Losses, on_front: Collection[str], backbones: Collection[str]
    ) -> list[Suggestion]:
        """Networks of some backbones that may gain anything, best first; each as if it came alone.

        If few networks are left all are looked at, else candidates of several proposals, always the same.
        """
        candidates = self._left((), most=_ROUNDS * CANDIDATES + 1)
        if not 0 < len(candidates) <= _ROUNDS * CANDIDATES:
            rngs, parents = map(np.random.default_rng, range(_ROUNDS)), self.history.of(on_front)
            found = (one for rng in rngs for one in self._candidates(rng, parents, ()))
            candidates = list(dict.fromkeys(found))
        own = [one for one in candidates if self.architectures.backbone(one) in backbones]
        return self.ranked(own, front)

    def _with_fantasies(
        self, front: Floats, pending: Sequence[Architecture], models: Sequence[AccuracyModel]
    ) -> Floats:
        """The front as it would be with the networks under way as they are predicted (Kriging believer)."""
        for model in models:
            own = [one for one in pending if self.architectures.backbone(one) == model.backbone]
            if own:
                losses = self._predictor.losses(self._predictor.predict(model, own), 0.0)
                front = without_dominated(np.vstack([front, losses]))
        return front

    def _of_backbone(
        self, model: AccuracyModel, candidates: Sequence[Architecture], front: Floats
    ) -> list[Suggestion]:
        own = [one for one in candidates if self.architectures.backbone(one) == model.backbone]
        if not own:
            return []
        fronts = self._predictor.predict(model, own)
        margin = margins(self._predictor.losses(fronts, OPTIMISTIC), front)
        drawn = [self._predictor.losses(fronts, z) for z in QUANTILES]
        known = hypervolume(front, np.ones(front.shape[1]), np.zeros(front.shape[1]))
        found = []
        for owner in best_first(fronts.owner_R, margin, _FINALISTS):
            rows = np.flatnonzero(fronts.owner_R == owner)
            gain = np.mean([hypervolume_gain(losses[rows], front, known) for losses in drawn])
            worth = float(gain) * self.history.success_rate(own[owner].variant)
            if self._prefer == "gain-per-second":
                worth /= model.seconds(own[owner])
            found.append(Suggestion(own[owner], fronts.point(rows[margin[rows].argmax()]), worth))
        return found

    def models(self) -> list[AccuracyModel]:
        """One per backbone with observations enough."""
        return [
            self._model(backbone, observations)
            for backbone, observations in self.history.by_backbone.items()
            if len(observations) >= LEAST
        ]

    def _model(self, backbone: str, observations: Sequence[Observation]) -> AccuracyModel:
        """Its hyperparameters are those of the first so many observations, see :func:`milestone`."""
        if backbone not in self._features:
            self._features[backbone] = Features(self.architectures, backbone)
        how = (backbone, self._features[backbone])
        with_seconds, size = self._prefer == "gain-per-second", milestone(len(observations))
        if self._fitted.get(backbone, (0, None))[0] != size:
            fitted = AccuracyModel(*how, observations[:size], None, with_seconds)
            self._fitted[backbone] = size, fitted.hyperparameters
        return AccuracyModel(*how, observations, self._fitted[backbone][1], with_seconds)

    def _candidates(
        self, rng: np.random.Generator, parents: Sequence[Architecture], pending: Sequence[Architecture]
    ) -> list[Architecture]:
        """Networks neither known nor pending: drawn ones first, then neighbours of those on the front."""
        architectures, known = self.architectures, self.history.known
        found: dict[Architecture, None] = {}
        for _ in range(_TRIES * CANDIDATES if architectures.countable else 0):
            if len(found) >= CANDIDATES // 2:
                break
            if (drawn := architectures.draw(rng)) not in known and drawn not in pending:
                found.setdefault(drawn)
        for _ in range(CANDIDATES if parents else 0):
            near = architectures.neighbour(parents[int(rng.integers(len(parents)))], rng)
            if rng.random() < _TWO_STEPS:
                near = architectures.neighbour(near, rng)
            if near not in known and near not in pending and len(found) < CANDIDATES:
                found.setdefault(near)
        return list(found) or self._left(pending)

    def _left(self, pending: Sequence[Architecture], most: int = CANDIDATES) -> list[Architecture]:
        """What is left of a space of which nearly all is known, if it can be listed."""
        if self._listed is None:
            count = sum(variant.num_networks for variant in self.architectures.variants)
            few = count * len(self.architectures.patterns) <= _ENUMERATED
            self._listed = list(self.architectures.every()) if few else []
        left = (one for one in self._listed if one not in self.history.known and one not in pending)
        return list(islice(left, most))
