"""From Optuna's parameters to legal candidates, and the references every search begins with."""

from fractions import Fraction
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stand_ins import INPUTS, NUM_CLASSES, SPACE, make_inventory, make_proposer

from explorer.candidate import Candidate
from explorer.core.bottleneck import Bottleneck
from explorer.engine.proposals import Proposer
from explorer.evaluate import build_network

TWO_BACKBONES: dict[str, Any] = {
    "backbones": SPACE["backbones"]
    | {"deep": {"factory": "explorer.backbones:mlp", "arguments": {"hidden": [[8, 8, 8]]}}}
}


def suggested(proposer: Proposer, params: dict[str, Any]) -> Candidate:
    return proposer.suggest(optuna.trial.FixedTrial(params))


def params(**changes: Any) -> dict[str, Any]:
    chosen = {
        "backbone": "mlp",
        "mlp.hidden": "[16, 8]",
        "mlp.density.fc1": 1.0,
        "mlp.density.fc2": 1.0,
        "mlp.density.classifier": 1.0,
        "mlp.split_point": 0.5,
        "confidence_threshold": 0.5,
        "payload_bits": 8,
    }
    return chosen | {key.replace("__", "."): value for key, value in changes.items()}


def test_candidate_by_hand() -> None:
    own = suggested(make_proposer(), params(mlp__density__fc1=0.3, mlp__split_point=0.49))
    assert own.network.argument_values == {"hidden": [16, 8]}
    # choices from 1/4 to 1 are thinned to 1/4, 1/2, 1; 0.3 is nearest to 1/4
    assert dict(own.network.densities) == {
        "fc1": Fraction(1, 4),
        "fc2": Fraction(1),
        "classifier": Fraction(1),
    }
    assert own.network.pattern == "block"
    # input, relu1, relu2, output share [0, 1]: 0.49 lies in the second quarter
    assert (own.split_point, own.confidence_threshold, own.payload_bits) == ("relu1", 0.5, 8)
    assert own.network.recipe.epochs == 1
    assert own.network.exit_features == 64


@pytest.mark.parametrize(
    ("depth", "name"), [(0.0, "input"), (0.2499, "input"), (0.25, "relu1"), (0.75, "output"), (1.0, "output")]
)
def test_split_point_by_depth(depth: float, name: str) -> None:
    assert suggested(make_proposer(), params(mlp__split_point=depth)).split_point == name


def test_smaller_variant_has_fewer_junctions() -> None:
    # hidden [4]: the density of fc2 exists for the larger variant only and is not asked for
    chosen = params(mlp__hidden="[4]")
    del chosen["mlp.density.fc2"]
    own = suggested(make_proposer(), chosen)
    assert [path for path, _ in own.network.densities] == ["fc1", "classifier"]


def test_bottleneck_is_a_choice_like_an_argument() -> None:
    choices, name = [None, {"at": "relu1", "channels": 2}], "mlp.learned-bottleneck"
    proposer = make_proposer(backbones={"mlp": SPACE["backbones"]["mlp"] | {"bottleneck": choices}})
    own = suggested(proposer, params(mlp__split_point=0.5) | {name: '{"at": "relu1", "channels": 2}'})
    assert own.network.bottleneck == Bottleneck("relu1", 2)
    # input, relu1, bottleneck.encode, bottleneck.decode, relu2, output
    assert own.split_point == "bottleneck.decode"
    plain = suggested(proposer, params() | {name: "null"})
    assert plain.network.bottleneck is None
    assert plain.network.key == suggested(make_proposer(), params()).network.key
    again = proposer.point_params(own.network, "bottleneck.encode", 0.5, 8)
    assert again["mlp.split_point"] == pytest.approx(2.5 / 6)
    assert all(suggested(proposer, r.params).network.bottleneck is None for r in proposer.references())


def test_threshold_of_one_leaves_the_exit_classifier_out() -> None:
    assert suggested(make_proposer(), params(confidence_threshold=1.0)).confidence_threshold is None


@given(seed=st.integers(0, 2**31))
def test_whatever_is_drawn_is_legal(seed: int) -> None:
    proposer = make_proposer(patterns=["block", "structured"], **TWO_BACKBONES)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    own = proposer.suggest(study.ask())
    variants = make_inventory(patterns=["block", "structured"], **TWO_BACKBONES).variants[
        own.network.backbone
    ]
    (variant,) = (v for v in variants if v.arguments == own.network.argument_values)
    densities = dict(own.network.densities)
    assert list(densities) == list(variant.densities)
    assert all(densities[path] in choices for path, choices in variant.densities.items())
    assert own.split_point in [point.name for point in variant.split_points]
    assert own.payload_bits in (None, 8, 32)
    assert own.confidence_threshold is None or 0 <= own.confidence_threshold < 1


def test_parameters_of_one_backbone_have_the_same_range_for_all_variants() -> None:
    """Optuna cannot cope with a value space that changes within a study."""
    proposer = make_proposer(**TWO_BACKBONES)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen: dict[str, set[str]] = {}
    for _ in range(40):
        trial = study.ask()
        proposer.suggest(trial)
        for name, distribution in trial.distributions.items():
            seen.setdefault(name, set()).add(repr(distribution))
        study.tell(trial, 0.0)
    assert all(len(distributions) == 1 for distributions in seen.values())
    assert {name for name in seen if "." not in name} == {"backbone", "confidence_threshold", "payload_bits"}


def references(**changes: Any) -> dict[str, Candidate]:
    proposer = make_proposer(**changes)
    return {reference.name: suggested(proposer, reference.params) for reference in proposer.references()}


def test_references() -> None:
    own = references()
    assert list(own) == ["small_dense", "large_sparse", "dense", "all_edge", "all_server"]
    large = [own[name].network for name in ("dense", "all_edge", "all_server", "large_sparse")]
    assert all(network.argument_values == {"hidden": [16, 8]} for network in large)
    assert not any(network.is_sparse for network in large[:3])
    assert large[3].is_sparse
    assert own["small_dense"].network.argument_values == {"hidden": [4]}
    assert not own["small_dense"].network.is_sparse
    places = {name: (c.split_point, c.confidence_threshold, c.payload_bits) for name, c in own.items()}
    assert places == {
        "dense": ("relu2", 0.5, 8),  # the middle of input, relu1, relu2, output
        "all_edge": ("output", 0.0, None),
        "all_server": ("input", None, 8),
        "large_sparse": ("output", 0.0, None),
        "small_dense": ("output", 0.0, None),
    }


def test_large_sparse_has_about_as_many_weights_as_small_dense() -> None:
    large_sparse = dict(references()["large_sparse"].network.densities)
    # small: 8 x 4 + 4 x 4 = 48; large: 128, 128 and 32, at 1/4 72 in all, the fewest there are
    assert large_sparse == {path: Fraction(1, 4) for path in ("fc1", "fc2", "classifier")}


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
    assert list(references(**changes)) == names


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
    for reference in proposer.references():
        study.enqueue_trial(reference.params)
        trial = study.ask()
        assert proposer.suggest(trial) == suggested(proposer, reference.params)
        assert trial.params == reference.params
        study.tell(trial, 0.0)


def test_key_depends_on_the_data() -> None:
    inventory = make_inventory()
    first, second = (
        suggested(Proposer(inventory, {"fingerprint": text}), params()).network.key for text in ("a", "b")
    )
    assert first != second


@pytest.mark.parametrize(("hidden", "first"), [([[8], [32]], "large_sparse"), ([[4], [5]], "small_dense")])
def test_of_two_references_of_equal_weights_the_one_with_fewer_macs_comes_first(
    hidden: list[list[int]], first: str
) -> None:
    backbone = SPACE["backbones"]["mlp"] | {
        "arguments": {"hidden": hidden},
        "densities": {"low": 0.05, "high": 1.0},
    }
    own = make_proposer(backbones={"mlp": backbone})
    macs = {}
    for reference in own.references()[:2]:
        candidate = suggested(own, reference.params)
        network = build_network(candidate.network, (INPUTS,), NUM_CLASSES)
        macs[reference.name] = sum(value.macs for value in network.dataflow.values.values())
    assert next(iter(macs)) == first
    assert (macs["large_sparse"] > 1.2 * macs["small_dense"]) == (first == "small_dense")
