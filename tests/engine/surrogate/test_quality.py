"""What the model knows after a search, from networks made up by formulas."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from stand_ins import SETTING, fabricate, make_proposer

from explorer.core.sweep import sweep
from explorer.costs.model import CostModel
from explorer.engine.surrogate.accuracy_model import AccuracyModel
from explorer.engine.surrogate.architectures import Architecture, Architectures
from explorer.engine.surrogate.features import Features
from explorer.engine.surrogate.gaussian_process import GaussianProcess, Hyperparameters
from explorer.engine.surrogate.observation import Observation, Rows
from explorer.engine.surrogate.quality import (
    ACCURACY,
    LEAST_NETWORKS,
    NEXT_NETWORKS,
    importances,
    what_was_learned,
)
from explorer.engine.surrogate.surrogate import Surrogate
from explorer.front.pareto import Losses
from explorer.runs.learned import Learned

NO_FRONT: Losses = np.empty((0, 2))
NOTHING = np.empty(0)
NO_ROWS = Rows((), NOTHING.astype(np.int64), NOTHING, NOTHING, NOTHING, {})


def make_surrogate() -> Surrogate:
    proposer = make_proposer()
    return Surrogate(proposer.inventory, proposer.network, CostModel(SETTING))


def drawn(architectures: Architectures, count: int, seed: int = 0) -> list[Architecture]:
    rng, found = np.random.default_rng(seed), dict[Architecture, None]()
    while len(found) < count:
        found.setdefault(architectures.draw(rng))
    return list(found)


def observe(surrogate: Surrogate, some: Sequence[Architecture]) -> None:
    """Let it learn from networks as trainings made up from their keys alone leave them."""
    costs = CostModel(SETTING)
    for one in some:
        network = fabricate(surrogate.architectures.spec(one))
        points = costs.points(sweep(network.evidence, 0.0, 1.0), network.splits, network.evidence.num_samples)
        surrogate.observe(network.spec, network.evidence, points, 1.0)
        surrogate.tell(network.spec.key)


def model_of(
    accuracy: Callable[[Architecture], float], count: int = 40
) -> tuple[AccuracyModel, Architectures]:
    """A model of networks whose accuracy follows a formula."""
    architectures = make_surrogate().architectures
    rng = np.random.default_rng(0)
    known = [architectures.draw(rng) for _ in range(40)]
    observed = [Observation(one, 1000, {ACCURACY: accuracy(one)}, NO_ROWS, 1.0) for one in known]
    return AccuracyModel("mlp", Features(architectures, "mlp"), observed), architectures


ARCHITECTURES = make_surrogate().architectures


def densities(one: Architecture) -> list[float]:
    """Of its junctions."""
    return [float(own) for own in ARCHITECTURES.choice(one)[2].values()]


def learned_of(count: int, seed: int = 0) -> Learned | None:
    surrogate = make_surrogate()
    observe(surrogate, drawn(surrogate.architectures, count, seed))
    return what_was_learned(surrogate, NO_FRONT, [])


def test_nothing_is_said_of_too_few_networks() -> None:
    assert learned_of(LEAST_NETWORKS - 1) is None
    found = learned_of(LEAST_NETWORKS)
    assert found is not None
    assert found.backbones[0].networks == LEAST_NETWORKS


def test_figures_are_those_of_networks_left_out() -> None:
    surrogate = make_surrogate()
    observe(surrogate, drawn(surrogate.architectures, 20))
    found = what_was_learned(surrogate, NO_FRONT, [])
    assert found is not None
    (own,), (model,) = found.backbones, surrogate.models()
    observed, predicted = model.left_out(ACCURACY)
    assert own.backbone == "mlp"
    assert own.error == pytest.approx(100 * np.mean(np.abs(observed - predicted)))
    assert own.guess_error == pytest.approx(100 * np.mean(np.abs(observed - np.mean(observed))))
    assert 0.8 <= own.covered <= 1
    assert sum(own.importances.values()) == pytest.approx(1)
    assert list(own.importances.values()) == sorted(own.importances.values(), reverse=True)
    assert (found.error, found.guess_error) == pytest.approx((own.error, own.guess_error))


def test_what_follows_from_densities_is_predicted_better_than_by_guessing() -> None:
    model, _ = model_of(lambda one: 0.5 + 0.4 * float(np.mean(densities(one))))
    observed, predicted = model.left_out(ACCURACY)
    assert np.abs(observed - predicted).mean() < 0.2 * np.abs(observed - observed.mean()).mean()


def test_spread_of_networks_left_out_is_that_of_a_process_that_never_saw_them() -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
    Y = (Y - Y.mean(axis=0)) / Y.std(axis=0)
    own = Hyperparameters(np.array([1.0, 2.0, 0.7]), 0.9, 0.3, 0.2)
    spread = GaussianProcess(X, Y, own, least_sd=0.0).left_out_sd()
    for left in range(12):
        rest = np.arange(12) != left
        K = own.covariance(X[rest], X[rest]) + (own.noise**2 + 1e-6) * np.eye(11)
        cross = own.covariance(X[[left]], X[rest])
        expected = own.variance(X[[left]]) - cross @ np.linalg.solve(K, cross.T) + own.noise**2
        assert spread[left] == pytest.approx(np.full(2, np.sqrt(expected.item())), rel=1e-4)


def test_surprise_is_in_standard_deviations_of_the_logit() -> None:
    rng = np.random.default_rng(1)
    model, _ = model_of(lambda one: 0.8 + 0.03 * rng.normal())
    surprise = model.left_out_surprise(ACCURACY)
    assert surprise.shape == (40,)
    assert 0.5 < np.square(surprise).mean() < 2


def test_the_one_choice_that_counts_is_found() -> None:
    by_density, architectures = model_of(lambda one: 0.6 + 0.3 * densities(one)[-1])
    shares = importances(by_density, architectures)
    assert next(iter(shares)) == "density of classifier"
    assert shares["density of classifier"] > 0.7
    by_variant, architectures = model_of(lambda one: 0.6 + 0.3 * one.variant)
    assert next(iter(importances(by_variant, architectures))) == "argument hidden"


def test_every_choice_has_a_share_and_no_other_has() -> None:
    model, architectures = model_of(lambda one: 0.5 + 0.4 * float(np.mean(densities(one))))
    shares = importances(model, architectures)
    choices = {"argument hidden", "density of fc1", "density of fc2", "density of classifier"}
    assert set(shares) - {"pattern"} == choices
    assert sum(shares.values()) == pytest.approx(1)
    assert importances(model, architectures) == shares


def test_where_nothing_moves_the_prediction_nothing_is_important() -> None:
    model, architectures = model_of(lambda one: 0.75)
    assert importances(model, architectures) == {}


def test_one_choice_is_drawn_anew_and_the_others_stay() -> None:
    architectures, rng = make_surrogate().architectures, np.random.default_rng(0)
    for one in drawn(architectures, 20):
        own = architectures.choice(one)[2]
        for name, other in architectures.redrawn(one, rng).items():
            assert architectures.of(architectures.spec(other)) == other
            changed = architectures.choice(other)[2]
            if name.startswith("density of "):
                assert other.variant == one.variant
                group = name.removeprefix("density of ")
                assert {path for path in own if own[path] != changed[path]} <= {group}
            elif name == "pattern":
                assert (other.variant, changed) == (one.variant, own)


def test_next_networks_are_unknown_and_best_first() -> None:
    surrogate = make_surrogate()
    known = drawn(surrogate.architectures, 20)
    observe(surrogate, known)
    failed = next(one for one in surrogate.architectures.every() if one not in known)
    surrogate.fail(surrogate.architectures.spec(failed))
    found = what_was_learned(surrogate, NO_FRONT, [])
    assert found is not None
    assert len(found.next_networks) == NEXT_NETWORKS
    gains = [own.gain for own in found.next_networks]
    assert gains == sorted(gains, reverse=True)
    assert gains[-1] > 0
    taken = {_named(surrogate, one) for one in [*known, failed]}
    for own in found.next_networks:
        assert own.accuracy_low < own.accuracy < own.accuracy_high
        assert (own.variant, own.pattern, tuple(own.densities.values())) not in taken
        assert own.pattern != "dense" or set(own.densities.values()) == {1.0}


def _named(surrogate: Surrogate, one: Architecture) -> tuple[str, str, tuple[float, ...]]:
    variant, pattern, densities = surrogate.architectures.choice(one)
    sparse = any(density < 1 for density in densities.values())
    values = tuple(round(float(density), 9) for density in densities.values())
    return variant.name, pattern if sparse else "dense", values


def test_an_exhausted_space_leaves_nothing_to_try() -> None:
    surrogate = make_surrogate()
    observe(surrogate, list(surrogate.architectures.every()))
    found = what_was_learned(surrogate, NO_FRONT, [])
    assert found is not None
    assert found.next_networks == []


def test_the_order_of_observations_does_not_count_but_that_of_tellings_does() -> None:
    first, second = make_surrogate(), make_surrogate()
    known = drawn(first.architectures, 20)
    observe(first, known)
    for one in known:
        second.tell(second.architectures.spec(one).key)
    observe(second, known)
    assert what_was_learned(first, NO_FRONT, []) == what_was_learned(second, NO_FRONT, [])
