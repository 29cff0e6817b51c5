"""What the surrogate model knows after a search: how well it predicts, what matters, and what it would try.

It does not matter how the search was sampled: a surrogate is judged by whatever networks it observed.
"""

from collections.abc import Collection

import numpy as np
from scipy.stats import norm

from explorer.core.graph.split_points import OUTPUT
from explorer.engine.surrogate.accuracy_model import AccuracyModel
from explorer.engine.surrogate.architectures import Architecture, Architectures
from explorer.engine.surrogate.gaussian_process import Floats
from explorer.engine.surrogate.observation import Target, from_logit
from explorer.engine.surrogate.surrogate import Suggestion, Surrogate
from explorer.front.pareto import Losses
from explorer.runs.learned import BackboneLearned, Learned, NextNetwork

ACCURACY: Target = ("correct", OUTPUT)
LEAST_NETWORKS = 10  # of a backbone before anything is said of it
NEXT_NETWORKS = 10
LEVEL = 0.95  # of the intervals
_Z = float(norm.ppf((1 + LEVEL) / 2))
_DRAWN = 256  # networks that importances are estimated from


def what_was_learned(
    surrogate: Surrogate, front: Losses, on_front: Collection[str], epochs: int | None = None
) -> Learned | None:
    """What a surrogate knows of the backbones that it observed enough networks of; None if of none.

    Args:
        surrogate: Has observed the trained networks.
        front: Losses of the front that is known, (points, objectives).
        on_front: Keys of the networks that have a point on it.
        epochs: After which networks were observed; None: each after its whole training.

    Example:
        >>> from explorer.costs.model import CostModel
        >>> from explorer.devices import Setting
        >>> from explorer.engine.proposals import Proposer
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> inventory = build_inventory(load_space("digits")[0], (1, 8, 8), 10)
        >>> costs = CostModel(Setting.load("rpi4", "nvidia_t4", "lte_2021"))
        >>> surrogate = Surrogate(inventory, Proposer(inventory, {}).network, costs)
        >>> what_was_learned(surrogate, np.empty((0, 4)), []) is None  # nothing is trained yet
        True
    """
    models = [model for model in surrogate.models() if len(model.observations) >= LEAST_NETWORKS]
    if not models:
        return None
    networks, by_backbone = surrogate.architectures, {model.backbone: model for model in models}
    promising = surrogate.promising(front, on_front, by_backbone)[:NEXT_NETWORKS]
    return Learned(
        epochs=epochs,
        level=LEVEL,
        backbones=[
            _judged(by_backbone[name], networks) for name in networks.space.backbones if name in by_backbone
        ],
        next_networks=[
            _as_predicted(own, networks, by_backbone[networks.backbone(own.architecture)])
            for own in promising
        ],
    )


def _judged(model: AccuracyModel, architectures: Architectures) -> BackboneLearned:
    observed, predicted = model.left_out(ACCURACY)
    return BackboneLearned(
        backbone=model.backbone,
        networks=len(observed),
        error=100 * float(np.abs(observed - predicted).mean()),
        guess_error=100 * float(np.abs(observed - observed.mean()).mean()),
        covered=float((np.abs(model.left_out_surprise(ACCURACY)) <= _Z).mean()),
        importances=importances(model, architectures),
    )


def importances(model: AccuracyModel, architectures: Architectures) -> dict[str, float]:
    """Share of each choice in what moves the predicted accuracy of the output, largest first.

    Choices are the density of each group, each argument with several values, input pooling, a learned
    bottleneck and the pattern. Sizes are none: they follow from these. Of a choice i the total effect is
    taken, in the form

        T_i = E[(f(x) - f(x with choice i drawn anew))^2] / 2,

    with f the mean prediction (Jansen, Computer Physics Communications 117, 1999; Saltelli et al., Computer
    Physics Communications 181, 2010, table 2), and divided by the sum over all choices. x is drawn from the
    whole space, each variant and each density as likely as any other: so it does not depend on which
    networks the search favoured. Of another argument's networks the densities are the nearest legal ones.

    Args:
        model: Of a backbone.
        architectures: Networks to draw from.

    Returns:
        Shares that add up to 1, by the name of the choice; none where nothing moves the prediction.

    Example:
        >>> from explorer.engine.proposals import Proposer
        >>> from explorer.engine.surrogate.features import Features
        >>> from explorer.engine.surrogate.observation import Observation, Rows
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> inventory = build_inventory(load_space("digits")[0], (1, 8, 8), 10)
        >>> networks = Architectures(inventory, Proposer(inventory, {}).network)
        >>> rng, none = np.random.default_rng(0), np.empty(0)
        >>> rows = Rows((), none.astype(int), none, none, none, {})
        >>> observed = [
        ...     Observation(own, 400, {("correct", "output"): 0.7 + 0.02 * own.places[0]}, rows, 1.0)
        ...     for own in (networks.draw(rng, "mlp") for _ in range(40))
        ... ]
        >>> next(iter(importances(AccuracyModel("mlp", Features(networks, "mlp"), observed), networks)))
        'density of fc1'
    """
    rng = np.random.default_rng(0)
    drawn = [architectures.draw(rng, model.backbone) for _ in range(_DRAWN)]
    changed: dict[str, list[tuple[int, Architecture]]] = {}
    for place, one in enumerate(drawn):
        for name, other in architectures.redrawn(one, rng).items():
            changed.setdefault(name, []).append((place, other))
    every = _predicted(model, [*drawn, *(other for own in changed.values() for _, other in own)])
    base, rest = every[:_DRAWN], every[_DRAWN:]
    effects: dict[str, float] = {}
    for name, own in changed.items():
        moved, rest = rest[: len(own)], rest[len(own) :]
        effects[name] = float(np.square(moved - base[[place for place, _ in own]]).sum()) / (2 * _DRAWN)
    total = sum(effects.values())
    if total <= 1e-12:  # a millionth of a share, squared
        return {}
    return {name: effects[name] / total for name in sorted(effects, key=lambda name: -effects[name])}


def _predicted(model: AccuracyModel, some: list[Architecture]) -> Floats:
    """Mean predicted accuracies."""
    mean, _ = model.predict(model.features.of(some))
    return from_logit(mean[:, model.targets.index(ACCURACY)])


def _as_predicted(own: Suggestion, architectures: Architectures, model: AccuracyModel) -> NextNetwork:
    mean, sd = model.predict(model.features.of([own.architecture]))
    place = model.targets.index(ACCURACY)
    low, middle, high = (float(from_logit(mean[0, place] + z * sd[0, place])) for z in (-_Z, 0.0, _Z))
    variant, pattern, densities = architectures.choice(own.architecture)
    return NextNetwork(
        variant=variant.name,
        pattern=pattern if any(density < 1 for density in densities.values()) else "dense",
        densities={path: round(float(density), 9) for path, density in densities.items()},
        gain=own.gain,
        accuracy=middle,
        accuracy_low=low,
        accuracy_high=high,
    )
