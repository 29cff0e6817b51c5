"""Networks by their place in the space: legal, each once, and back."""

from typing import Any

import numpy as np
import pytest
from stand_ins import make_proposer

from explorer.engine.surrogate.architectures import Architectures
from explorer.engine.surrogate.features import Features
from explorer.engine.surrogate.starts import MAX_STARTS, STARTS_OF_A_VARIANT, starts

MLP: dict[str, Any] = {
    "factory": "explorer.backbones:mlp",
    "arguments": {"hidden": [[4], [16, 8]]},
    "densities": {"low": 0.25, "high": 1.0, "limit": 3},
}
SPACES: list[dict[str, Any]] = [
    {},
    {"patterns": ["block", "random"]},
    {"backbones": {"mlp": MLP | {"density_groups": "all"}}},
    {"backbones": {"mlp": MLP, "other": MLP | {"arguments": {"hidden": [[8]]}}}},
    {"backbones": {"mlp": MLP | {"bottleneck": [None, {"at": "relu1", "channels": 2}]}}},
]


def make(changes: dict[str, Any]) -> Architectures:
    proposer = make_proposer(**changes)
    return Architectures(proposer.inventory, proposer.network)


@pytest.fixture(params=SPACES, ids=["plain", "patterns", "groups", "backbones", "bottleneck"])
def networks(request: pytest.FixtureRequest) -> Architectures:
    return make(request.param)


def test_every_network_once_and_back(networks: Architectures) -> None:
    every = list(networks.every())
    assert len(set(every)) == len(every) == networks.inventory.num_networks
    specs = [networks.spec(one) for one in every]
    assert len({spec.key for spec in specs}) == len(every)
    assert [networks.of(spec) for spec in specs] == every


def test_drawn_ones_and_neighbours_are_in_the_space(networks: Architectures) -> None:
    every, rng = set(networks.every()), np.random.default_rng(0)
    for _ in range(100):
        one = networks.draw(rng)
        near = networks.neighbour(one, rng)
        assert {one, near} <= every
        assert networks.backbone(near) == networks.backbone(one)
        differing = (one.variant != near.variant, one.pattern != near.pattern)
        if one.variant == near.variant and not differing[1]:
            assert sum(a != b for a, b in zip(one.places, near.places, strict=True)) <= 1


def test_all_networks_are_drawn_in_the_end(networks: Architectures) -> None:
    rng = np.random.default_rng(0)
    drawn = {networks.draw(rng) for _ in range(30 * networks.inventory.num_networks)}
    assert len(drawn) > 0.9 * networks.inventory.num_networks


def test_densities_are_those_of_the_specification(networks: Architectures) -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        one = networks.draw(rng)
        _, _, densities = networks.choice(one)
        row = networks.densities(one.variant, [one])[0]
        assert row.tolist() == [float(density) for density in densities.values()]


def test_a_ladder_climbs(networks: Architectures) -> None:
    for number in networks.countable:
        sums = networks.densities(number, networks.ladder(number)).sum(axis=1)
        assert (np.diff(sums) > 0).all()


def test_features_are_finite_standardised_and_apart(networks: Architectures) -> None:
    for backbone in networks.space.backbones:
        features = Features(networks, backbone)
        rng = np.random.default_rng(1)
        some = [networks.draw(rng, backbone) for _ in range(200)]
        found = features.of(some)
        assert found.shape == (200, len(features.names))
        assert np.isfinite(found).all()
        assert np.abs(found.mean(axis=0)).max() < 0.6
        assert features.of(some[:3]).tolist() == found[:3].tolist()
        unique = {tuple(row) for row in found.round(9).tolist()}
        assert len(unique) == len(set(some))


def test_starts_hold_every_variant_at_two_sizes_cheapest_first(networks: Architectures) -> None:
    found = starts(networks)
    assert len(found) == len(set(found)) <= MAX_STARTS
    assert {one.variant for one in found} == set(networks.countable)
    macs = [networks.costs(o.variant).totals(networks.densities(o.variant, [o]))[0, 0] for o in found]
    first = len(networks.countable)
    assert macs[:first] == sorted(macs[:first])


def test_a_space_of_many_variants_starts_with_some() -> None:
    hidden = [[size] for size in range(4, 8 + MAX_STARTS // STARTS_OF_A_VARIANT)]
    many = make({"backbones": {"mlp": MLP | {"arguments": {"hidden": hidden}}}})
    assert len(starts(many)) == MAX_STARTS
