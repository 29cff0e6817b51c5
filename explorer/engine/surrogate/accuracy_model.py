"""Accuracies of networks not trained yet: one regression per backbone, over all exits and the output."""

from collections.abc import Sequence

import numpy as np

from explorer.engine.surrogate.architectures import Architecture
from explorer.engine.surrogate.features import Features
from explorer.engine.surrogate.gaussian_process import Floats, GaussianProcess, Hyperparameters
from explorer.engine.surrogate.observation import Observation, Target, from_logit

LEAST = 2  # observations of a backbone before anything is predicted
MAX_POINTS = 300  # of a regression; beyond, the newest and an even choice of the older ones
_LEAST_SD = 0.05  # of a target, a logit: less is noise
_GROWTH = 1.4  # hyperparameters are fitted again when there are so many times more observations
_SECONDS: Target = ("seconds", "")


class AccuracyModel:
    """Predicts the shares of one backbone's networks, as logits.

    Args:
        backbone: Its name.
        features: Of its networks.
        observations: Of networks of the backbone, at least :data:`LEAST`, in the order they were told.
        hyperparameters: None to fit them now.
        with_seconds: Predict logarithms of training seconds, too.

    Attributes:
        observations: Those it rests on.
        X: Their features (N, D).
        hyperparameters: Of all its targets.
        targets: What is predicted, in order.

    Example:
        >>> from explorer.engine.proposals import Proposer
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> inventory = build_inventory(load_space("digits")[0], (1, 8, 8), 10)
        >>> from explorer.engine.surrogate.architectures import Architectures
        >>> from explorer.engine.surrogate.observation import Rows
        >>> networks = Architectures(inventory, Proposer(inventory, {}).network)
        >>> rng, zero = np.random.default_rng(0), np.zeros(1)
        >>> rows = Rows(("output",), np.array([0]), zero, zero, zero, {"correct": zero + 0.8})
        >>> some = [networks.draw(rng, "mlp") for _ in range(5)]
        >>> trained = [Observation(one, 400, {("correct", "output"): 0.8}, rows, 1.0) for one in some]
        >>> model = AccuracyModel("mlp", Features(networks, "mlp"), trained)
        >>> mean, sd = model.predict(model.features.of(some))
        >>> from_logit(mean[:, 0]).round(2), model.targets
        (array([0.8, 0.8, 0.8, 0.8, 0.8]), [('correct', 'output')])
    """

    def __init__(
        self,
        backbone: str,
        features: Features,
        observations: Sequence[Observation],
        hyperparameters: Hyperparameters | None = None,
        with_seconds: bool = False,
    ) -> None:
        self.backbone, self.features = backbone, features
        self.observations = _thinned(observations)
        self.targets = list(dict.fromkeys(key for one in self.observations for key in one.shares))
        if with_seconds:
            self.targets.append(_SECONDS)
        X = self.X = features.of_trained([one.architecture for one in self.observations])
        Y = np.array([[_value(one, target) for target in self.targets] for one in self.observations])
        known = ~np.isnan(Y)
        shares = np.array([target != _SECONDS for target in self.targets])  # seconds do not shape accuracies
        everywhere = known.all(axis=0) & shares
        self.hyperparameters = hyperparameters or Hyperparameters.fit(X, _standardised(Y[:, everywhere]))
        self._parts = []  # (places among the targets, regression), by the observations that have them
        for mask in np.unique(known, axis=1).T:
            places = np.flatnonzero((known == mask[:, np.newaxis]).all(axis=0))
            own = Y[np.ix_(mask, places)]
            self._parts.append((places, GaussianProcess(X[mask], own, self.hyperparameters, _LEAST_SD)))

    def predict(self, X_MD: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of every target's logit, noise included; both (M, T)."""
        mean, sd = np.empty((2, len(X_MD), len(self.targets)))
        for places, process in self._parts:
            mean[:, places], sd[:, places] = process.predict(X_MD)
        return mean, sd

    def seconds(self, one: Architecture) -> float:
        """Predicted seconds of a network's training."""
        mean, _ = self.predict(self.features.of([one]))
        return float(np.exp(mean[0, self.targets.index(_SECONDS)]))

    def left_out(self, target: Target) -> tuple[Floats, Floats]:
        """Observed and predicted share of each network that has a target, predicted from all others.

        Hyperparameters, the mean and the spread of the target are those of all.
        """
        process, column = self._part_of(target)
        observed = [one.shares[target] for one in self.observations if target in one.shares]
        return np.array(observed), from_logit(process.left_out()[:, column])

    def left_out_surprise(self, target: Target) -> Floats:
        """How many standard deviations, noise included, each observed logit is off its prediction."""
        process, column = self._part_of(target)
        known = [one for one in self.observations if target in one.shares]
        observed = np.array([_value(one, target) for one in known])
        return np.asarray((observed - process.left_out()[:, column]) / process.left_out_sd()[:, column])

    def _part_of(self, target: Target) -> tuple[GaussianProcess, int]:
        """The regression of a target, and its column there."""
        place = self.targets.index(target)
        places, process = next(part for part in self._parts if place in part[0])
        return process, places.tolist().index(place)


def milestone(count: int) -> int:
    """How many of ``count`` observations the hyperparameters are fitted to.

    So they depend on the observations alone, not on when the search was interrupted.

    Example:
        >>> [milestone(count) for count in (2, 3, 4, 5, 10, 100)]
        [2, 3, 4, 5, 9, 81]
    """
    size = LEAST
    while (following := max(size + 1, int(size * _GROWTH))) <= count:
        size = following
    return size


def _value(one: Observation, target: Target) -> float:
    if target == _SECONDS:
        return float(np.log(one.seconds + 1e-3))
    return one.logits.get(target, np.nan)


def _thinned(observations: Sequence[Observation]) -> list[Observation]:
    if len(observations) <= MAX_POINTS:
        return list(observations)
    newest, older = observations[-MAX_POINTS // 2 :], observations[: -MAX_POINTS // 2]
    chosen = np.linspace(0, len(older) - 1, MAX_POINTS - len(newest)).round().astype(int)
    return [*(older[place] for place in chosen), *newest]


def _standardised(Y_NT: Floats) -> Floats:
    return np.asarray((Y_NT - Y_NT.mean(axis=0)) / (Y_NT.std(axis=0) + _LEAST_SD))
