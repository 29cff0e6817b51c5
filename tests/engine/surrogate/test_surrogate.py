"""What is predicted of networks, and what is proposed next."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from stand_ins import SETTING, SPACE, fabricate, make_proposer

from explorer.core.sweep import sweep
from explorer.costs.evaluate import EvaluatedNetwork
from explorer.costs.model import CostModel
from explorer.engine.archive import Archive
from explorer.engine.surrogate.accuracy_model import MAX_POINTS, AccuracyModel, milestone
from explorer.engine.surrogate.architectures import Architecture
from explorer.engine.surrogate.features import Features
from explorer.engine.surrogate.gain import best_first, hypervolume_gain, margins, without_dominated
from explorer.engine.surrogate.history import History
from explorer.engine.surrogate.observation import MAX_ROWS, Observation, from_logit, shares_alone, to_logit
from explorer.engine.surrogate.predicted_fronts import FrontPredictor
from explorer.engine.surrogate.surrogate import Surrogate
from explorer.front.pareto import log_scaled, non_dominated, reference_and_ideal
from explorer.space.metrics import loss_values

MLP = SPACE["backbones"]["mlp"]
FEW = {"backbones": {"mlp": MLP | {"densities": {"low": 0.25, "high": 1.0, "limit": 2}}}}
FOUR = {"accuracy": 0.1, "edge_macs": 400.0, "payload_bytes": 100.0, "latency_model_s": 1.0}


class World:
    """A space with a surrogate and a front, networks made up from their keys."""

    def __init__(self, prefer: str = "gain", **changes: Any) -> None:
        self.proposer = make_proposer(**changes)
        self.space, self.costs = self.proposer.space, CostModel(SETTING)
        self.surrogate = Surrogate(self.proposer.inventory, self.proposer.network, self.costs, prefer)
        self.networks = self.surrogate.architectures
        self.archive = Archive(self.space.metrics, self.space.objectives, self.space.parsed_constraints)

    def train(self, one: Architecture, tell: bool = True, seconds: float = 1.0) -> EvaluatedNetwork:
        network = fabricate(self.networks.spec(one))
        points = self.points(network)
        self.archive.put(network.spec.key, points)
        self.surrogate.observe(network.spec, network.evidence, points, seconds)
        if tell:
            self.surrogate.tell(network.spec.key)
        return network

    def points(self, network: EvaluatedNetwork) -> Any:
        swept = sweep(network.evidence, 0.0, 1.0)
        return self.costs.points(swept, network.splits, network.evidence.num_samples)

    def suggest(self, number: int, pending: Sequence[Architecture] = ()) -> Architecture | None:
        specs = [self.networks.spec(one) for one in pending]
        found = self.surrogate.suggest(number, 0, self.archive.front, self.archive.networks(), specs)
        return None if found is None else found.architecture


def trained(world: World, count: int) -> list[Architecture]:
    """Networks in the order in which a search would train them."""
    order: list[Architecture] = []
    for number in range(count):
        one = world.suggest(number)
        assert one is not None
        world.train(one)
        order.append(one)
    return order


@pytest.mark.parametrize(
    ("changes", "prefer"),
    [
        ({}, "gain"),
        (FEW, "gain-per-second"),
        (FEW | {"patterns": ["block", "random"]}, "gain"),
        (FEW | {"objectives": FOUR}, "gain"),
    ],
)
def test_no_network_twice_until_none_is_left(changes: dict[str, Any], prefer: str) -> None:
    world = World(prefer, **changes)
    total = world.proposer.inventory.num_networks
    order = trained(world, total)
    assert len(set(order)) == total
    assert world.suggest(total) is None


@pytest.mark.parametrize("objectives", [{"accuracy": 0.1}, {"edge_macs": 400.0}, FOUR])
@pytest.mark.parametrize("constraints", [[], ["accuracy >= 0.5"], ["edge_macs <= 100"], ["exit_rate >= 0.2"]])
def test_any_objectives_and_constraints(objectives: dict[str, float], constraints: list[str]) -> None:
    world = World(objectives=objectives, constraints=constraints)
    assert len(set(trained(world, 10))) == 10


def test_proposals_follow_from_number_and_history_alone() -> None:
    one, two = World(), World()
    order = trained(one, 15)
    for known in reversed(order):  # as a run folder is read again
        two.train(known, tell=False)
    for known in order:
        two.surrogate.tell(two.networks.spec(known).key)
    assert [one.suggest(number) for number in range(15, 20)] == [two.suggest(n) for n in range(15, 20)]


def test_neither_failed_nor_pending_networks_are_proposed() -> None:
    world = World()
    trained(world, 8)
    for number in range(8, 14):
        first = world.suggest(number)
        assert first is not None
        second = world.suggest(number, pending=[first])
        assert second not in (None, first)
        world.surrogate.fail(world.networks.spec(first))
        assert world.suggest(number) != first


def test_a_failed_network_is_no_observation_and_lowers_its_variant() -> None:
    history = History()
    for place in range(3):
        history.fail(Architecture(0, 0, (place,)))
    history.fail(Architecture(0, 0, (0,)))  # the same again
    assert history.success_rate(0) == pytest.approx(1 / 4)
    assert (history.success_rate(1), history.tried(0, [Architecture(0, 0, (9,))])) == (1.0, 4)
    assert history.by_backbone == {}


def model_and_predictor(world: World, prefer_seconds: bool = False) -> tuple[AccuracyModel, FrontPredictor]:
    (model,) = world.surrogate.models()
    return model, world.surrogate._predictor


def test_a_networks_own_front_is_predicted_where_its_shares_are() -> None:
    """Exact costs; accuracy moves with the regression, which is off by a known logit."""
    world = World()
    order = trained(world, 12)
    model, predictor = model_and_predictor(world)
    corners = reference_and_ideal(world.space.metrics, world.space.objectives)
    for place, one in enumerate(order):
        fronts = predictor.predict(model, [one])
        observation = world.surrogate.history.by_backbone["mlp"][place]
        assert observation.architecture == one
        mean, _ = model.predict(model.features.of([one]))
        at = {target: n for n, target in enumerate(model.targets)}
        rows = observation.rows
        moved = [
            exited * (mean[0, at["correct", name]] - observation.logits["correct", name])
            + (1 - exited) * (mean[0, at["correct", "output"]] - observation.logits["correct", "output"])
            for name, exited in zip(rows.split_points, rows.exited, strict=True)
        ]
        logits = to_logit(rows.shares["correct"], observation.num_samples) + np.array(moved)
        losses = predictor.losses(fronts, 0.0)
        expected = (-from_logit(logits) - corners[1][0]) / (corners[0][0] - corners[1][0])
        np.testing.assert_allclose(losses[:, 0], expected)


def test_costs_of_predicted_points_are_those_of_the_network() -> None:
    world = World(objectives={"accuracy": 0.1, "edge_macs": 400.0, "payload_bytes": 100.0})
    trained(world, 10)
    model, predictor = model_and_predictor(world)
    rng = np.random.default_rng(3)
    for _ in range(5):
        one = world.networks.draw(rng)
        fronts = predictor.predict(model, [one])
        table = world.networks.costs(one.variant)
        macs = table.table(world.networks.densities(one.variant, [one]), ["block"], SETTING)
        for row in range(len(fronts.owner_R)):
            point = fronts.point(row)
            split = table.split_points.index(point.split_point)
            with_exit = point.confidence_threshold is not None
            expected = macs["edge_macs"][0, split] + with_exit * macs["exit_macs"][0, split]
            scaled = np.log1p(expected / 0.4) / np.log1p(1000)
            assert fronts.scaled[row, 1] == pytest.approx(scaled)


def test_what_violates_a_constraint_is_infinitely_bad() -> None:
    world = World(constraints=["accuracy >= 0.6", "edge_macs <= 200"])
    trained(world, 10)
    model, predictor = model_and_predictor(world)
    some = [world.networks.draw(np.random.default_rng(seed)) for seed in range(8)]
    fronts = predictor.predict(model, some)
    low, high = (predictor.losses(fronts, z) for z in (-2.0, 2.0))
    assert (low >= high).all()
    shares = from_logit(fronts.logits["correct"][:, 0] - 2.0 * fronts.logits["correct"][:, 1])
    assert np.isinf(low[(shares < 0.6) | ~fronts.known_R]).all()
    assert np.isfinite(low[(shares >= 0.6) & fronts.known_R]).all()


def test_shares_alone_are_means() -> None:
    evidence = World().train(Architecture(0, 0, (0, 0))).evidence
    found = shares_alone(evidence)
    assert found["correct", "output"] == evidence.output_correct_N.mean()
    assert found["correct", "relu1"] == evidence.exit_correct_SN[1].mean()


def test_an_observation_keeps_a_part_of_its_own_front() -> None:
    world = World()
    network = world.train(Architecture(0, 0, (0, 0)))
    points = world.points(network)
    own = Observation.of(Architecture(0, 0, (0, 0)), network.evidence, points, world.space.metrics, 1.0)
    losses = loss_values(points, world.space.metrics).to_numpy()
    front = points[non_dominated(losses)]
    assert len(own.rows.bits) == min(len(front), MAX_ROWS)
    assert set(own.rows.shares["correct"]) <= set(front["correct"] / network.evidence.num_samples)


def test_logits_and_back() -> None:
    shares = np.array([0.0, 0.25, 1.0])
    np.testing.assert_allclose(from_logit(to_logit(shares, 1000)), shares, atol=1e-3)
    assert (np.diff(to_logit(shares, 10)) > 0).all()


def test_milestones_never_fall_and_stay_where_they_are() -> None:
    found = [milestone(count) for count in range(2, 500)]
    assert found == sorted(found)
    assert all(own <= count for own, count in zip(found, range(2, 500), strict=True))
    assert [milestone(own) for own in found] == found


def test_a_regression_rests_on_no_more_than_so_many() -> None:
    world = World()
    own = trained(world, 4)
    features = Features(world.networks, "mlp")
    many = (world.surrogate.history.by_backbone["mlp"] * 200)[: 2 * MAX_POINTS]
    model = AccuracyModel("mlp", features, many, world.surrogate.models()[0].hyperparameters)
    assert len(model.observations) == MAX_POINTS
    assert model.observations[-MAX_POINTS // 2 :] == many[-MAX_POINTS // 2 :]
    assert len(own) == 4


def test_a_target_that_some_networks_lack_is_learned_from_the_others() -> None:
    world = World()  # [4] has no relu2, [16, 8] has
    trained(world, 12)
    (model,) = world.surrogate.models()
    assert ("correct", "relu2") in model.targets
    observed, predicted = model.left_out(("correct", "relu2"))
    assert 2 <= len(observed) == len(predicted) < 12


def test_gain_per_second_is_the_gain_over_predicted_seconds() -> None:
    gains, models = [], []
    for prefer in ("gain", "gain-per-second"):
        world = World(prefer)
        for seed in range(12):
            one = world.networks.draw(np.random.default_rng(seed))
            world.train(one, seconds=1.0 + seed)
        ranked = world.surrogate.ranked(list(world.networks.every()), world.archive.front)
        gains.append({own.architecture: own.gain for own in ranked})
        models.append(world.surrogate.models()[0])
    shared = gains[0].keys() & gains[1].keys()
    assert len(shared) > 3
    for one in shared:
        assert gains[0][one] == pytest.approx(gains[1][one] * models[1].seconds(one))
    assert models[1].seconds(one) == pytest.approx(6.0, rel=1.0)


def test_margins_are_those_of_the_nearest_dominating_point() -> None:
    rng = np.random.default_rng(0)
    front, points = rng.random((6, 3)), rng.random((20, 3))
    expected = [min(min(max(known - own) for known in front), min(1 - own)) for own in points]
    np.testing.assert_allclose(margins(points, front), expected)
    np.testing.assert_allclose(margins(points, front[:0]), (1 - points).min(axis=1))


def test_gains_are_areas() -> None:
    front = np.array([[0.2, 0.6], [0.6, 0.2]])
    known = 0.8 * 0.4 + 0.4 * 0.8 - 0.4 * 0.4
    assert hypervolume_gain(np.array([[0.4, 0.4]]), front, known) == pytest.approx(0.2 * 0.2)
    assert hypervolume_gain(np.array([[0.7, 0.7]]), front, known) == pytest.approx(0.0)


def test_the_front_of_scaled_losses() -> None:
    losses = np.array([[0.5, 0.5], [0.5, 0.6], [np.inf, np.inf], [0.1, 1.0]])
    assert without_dominated(losses).tolist() == [[0.5, 0.5]]
    assert best_first(np.array([0, 1, 1]), np.array([0.1, 0.2, 0.2]), 1) == [1]


@pytest.mark.parametrize("worst_accuracy", [0.5, 0.0])
def test_scaled_losses_put_the_reference_at_one_and_the_ideal_at_zero(worst_accuracy: float) -> None:
    reference, ideal = np.array([-worst_accuracy, 1e3]), np.array([-1.0, 0.0])
    corners = np.array([[-worst_accuracy, 1e3], [-1.0, 0.0]])
    with np.errstate(all="raise"):
        np.testing.assert_allclose(log_scaled(corners, reference, ideal), [[1, 1], [0, 0]])


def test_what_was_stored_but_not_told_changes_no_proposal() -> None:
    """As when a search is killed in between: the same trial is made again."""
    world, again = World(), World()
    for one in trained(world, 12):
        again.train(one)
    following = world.suggest(12)
    assert following is not None
    again.train(following, tell=False)
    told = again.surrogate.history.told.keys()
    found = again.surrogate.suggest(12, 0, *again.archive.part(told))
    assert found is not None
    assert found.architecture == following


def test_a_start_that_constraints_forbid_is_passed_over() -> None:
    world = World()
    first = world.suggest(0)
    assert first is not None
    world.surrogate.pass_over(world.networks.spec(first))
    assert world.suggest(1) not in (None, first)


def test_points_that_a_constraint_allows_stay_known() -> None:
    world = World(constraints=["payload_bytes <= 4"])
    network = world.train(Architecture(0, 0, (1, 1)))
    (observation,) = world.surrogate.history.by_backbone["mlp"]
    allowed = world.points(network)["payload_bytes"].min()
    samples = network.evidence.num_samples
    assert observation.rows.sent_bytes.min() / samples == pytest.approx(allowed)
