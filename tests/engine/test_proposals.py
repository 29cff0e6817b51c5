"""From Optuna's parameters to legal candidates, and the references every search begins with."""

from fractions import Fraction
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stand_ins import SPACE, make_inventory, make_proposer

from explorer.core.bottleneck import Bottleneck
from explorer.core.run_point import RunPoint
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
    assert own.point == RunPoint("relu1", 0.5, 8)
    assert own.network.recipe.epochs == 1
    assert own.network.exit_features == 64


@pytest.mark.parametrize(
    ("depth", "name"), [(0.0, "input"), (0.2499, "input"), (0.25, "relu1"), (0.75, "output"), (1.0, "output")]
)
def test_split_point_by_depth(depth: float, name: str) -> None:
    assert suggested(make_proposer(), params(mlp__split_point=depth)).point.split_point == name


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
    assert own.point.split_point == "bottleneck.decode"
    plain = suggested(proposer, params() | {name: "null"})
    assert plain.network.bottleneck is None
    assert plain.network.key == suggested(make_proposer(), params()).network.key
    assert all(suggested(proposer, r.params).network.bottleneck is None for r in references(proposer))


def test_input_pool_is_a_choice_like_an_argument() -> None:
    backbone = SPACE["backbones"]["mlp"] | {"input_pool": [1, 2]}
    space = SearchSpace.model_validate(SPACE | {"backbones": {"mlp": backbone}})
    proposer = Proposer(build_inventory(space, (2, 4), 4), {})
    pooled = suggested(proposer, params(mlp__split_point=0.3) | {"mlp.input-pool": "2"})
    assert pooled.network.input_pool == 2
    assert pooled.point.split_point == "input_pool"  # the second of input, input_pool, relu1, relu2, output
    whole = suggested(proposer, params() | {"mlp.input-pool": "1"})
    without = SearchSpace.model_validate(SPACE)
    unasked = suggested(Proposer(build_inventory(without, (2, 4), 4), {}), params())
    assert whole.network.key == unasked.network.key


def test_threshold_of_one_leaves_the_exit_classifier_out() -> None:
    assert suggested(make_proposer(), params(confidence_threshold=1.0)).point.confidence_threshold is None


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
    assert own.point.split_point in [point.name for point in variant.split_points]
    assert own.point.payload_bits in (None, 8, 32)
    threshold = own.point.confidence_threshold
    assert threshold is None or 0 <= threshold < 1


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


def test_key_depends_on_the_data() -> None:
    inventory = make_inventory()
    first, second = (
        suggested(Proposer(inventory, {"fingerprint": text}), params()).network.key for text in ("a", "b")
    )
    assert first != second
