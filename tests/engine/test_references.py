"""Reference networks that every search starts with."""

from fractions import Fraction
from typing import Any

import optuna
import pytest
from stand_ins import SPACE, make_proposer

from explorer.engine.proposals import Proposer
from explorer.engine.references import references
from explorer.space.candidate import Candidate
from explorer.space.inventory import build_inventory
from explorer.space.schema import SearchSpace

TWO_BACKBONES: dict[str, Any] = {
    "backbones": SPACE["backbones"]
    | {"deep": {"factory": "explorer.backbones:mlp", "arguments": {"hidden": [[8, 8, 8]]}}}
}


def suggested(proposer: Proposer, params: dict[str, Any]) -> Candidate:
    return proposer.suggest(optuna.trial.FixedTrial(params))


def candidates(**changes: Any) -> dict[str, Candidate]:
    proposer = make_proposer(**changes)
    return {reference.name: suggested(proposer, reference.params) for reference in references(proposer)}


def test_references() -> None:
    own = candidates()
    assert list(own) == ["small_dense", "large_sparse", "dense", "all_edge", "all_server"]
    large = [own[name].network for name in ("dense", "all_edge", "all_server", "large_sparse")]
    assert all(network.argument_values == {"hidden": [16, 8]} for network in large)
    assert not any(network.is_sparse for network in large[:3])
    assert large[3].is_sparse
    assert own["small_dense"].network.argument_values == {"hidden": [4]}
    assert not own["small_dense"].network.is_sparse
    places = {name: tuple(c.point.to_row().values()) for name, c in own.items()}
    assert places == {
        "dense": ("relu2", 0.5, 8, 32),  # the middle of input, relu1, relu2, output
        "all_edge": ("output", 0.0, None, 32),
        "all_server": ("input", None, 8, 32),
        "large_sparse": ("output", 0.0, None, 32),
        "small_dense": ("output", 0.0, None, 32),
    }


def test_large_sparse_has_about_as_many_weights_as_small_dense() -> None:
    large_sparse = dict(candidates()["large_sparse"].network.densities)
    # small: 8 x 4 + 4 x 4 = 48; large: 128, 128 and 32, at 1/4 72 in all, the fewest there are
    assert large_sparse == {path: Fraction(1, 4) for path in ("fc1", "fc2", "classifier")}


def test_small_dense_pooled_is_the_nearest_dense_network_on_a_smaller_input() -> None:
    backbone = SPACE["backbones"]["mlp"] | {"input_pool": [1, 2, 4]}
    inventory = build_inventory(
        SearchSpace.model_validate(SPACE | {"backbones": {"mlp": backbone}}), (1, 8, 8), 4
    )
    proposer = Proposer(inventory, {})
    own = {reference.name: suggested(proposer, reference.params) for reference in references(proposer)}
    assert list(own) == [
        *("small_dense", "small_dense_pooled", "large_sparse", "dense", "all_edge", "all_server")
    ]
    rival = own.pop("small_dense_pooled")
    assert {candidate.network.input_pool for candidate in own.values()} == {1}
    # large_sparse: 64 x 16, 16 x 8 and 8 x 4 at densities of 1/4: 296. Dense: 4 x 4 + 4 x 4 = 32 and
    # 4 x 16 + 16 x 8 + 8 x 4 = 224 at a pool of 4; 16 x 4 + 4 x 4 = 80 and 16 x 16 + 160 = 416 at one of 2
    assert (
        sum(
            int(junction.num_weights * dict(own["large_sparse"].network.densities)[junction.path])
            for junction in inventory.variants["mlp"][3].junctions
        )
        == 296
    )
    assert (rival.network.argument_values, rival.network.input_pool) == ({"hidden": [16, 8]}, 4)
    assert not rival.network.is_sparse
    assert tuple(rival.point.to_row().values()) == ("output", 0.0, None, 32)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        (
            {"confidence_thresholds": {"low": 0.0, "high": 0.9}},
            ["small_dense", "large_sparse", "dense", "all_edge"],
        ),
        (
            {"backbones": {"mlp": SPACE["backbones"]["mlp"] | {"split_points": ["input", "relu1"]}}},
            ["dense", "all_server"],
        ),
        (
            {"backbones": {"mlp": SPACE["backbones"]["mlp"] | {"arguments": {"hidden": [[4]]}}}},
            ["dense", "all_edge", "all_server"],
        ),
    ],
)
def test_only_references_that_the_space_allows(changes: dict[str, Any], names: list[str]) -> None:
    assert list(candidates(**changes)) == names


@pytest.mark.parametrize(
    "thresholds",
    [
        {"low": 0.0, "high": 1.0, "step": 0.01},
        {"low": 0.3, "high": 1.0, "step": 0.1},
        {"low": 0.0, "high": 1.0, "step": 0.125},
        {"low": 0.5, "high": 0.5},
        {"low": 0.1, "high": 0.4, "step": 0.3},
    ],
)
def test_references_survive_optuna(thresholds: dict[str, float]) -> None:
    """Enqueued parameters lie inside every range, so that Optuna takes them as they are."""
    proposer = make_proposer(
        patterns=["structured", "block"], confidence_thresholds=thresholds, **TWO_BACKBONES
    )
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for reference in references(proposer):
        study.enqueue_trial(reference.params)
        trial = study.ask()
        assert proposer.suggest(trial) == suggested(proposer, reference.params)
        assert trial.params == reference.params
        study.tell(trial, 0.0)


def test_narrow_networks_come_first() -> None:
    widths = {
        reference.name: suggested(make_proposer(), reference.params).network.argument_values["hidden"]
        for reference in references(make_proposer())[:2]
    }
    assert list(widths) == ["small_dense", "large_sparse"]
    assert widths["small_dense"] < widths["large_sparse"]
