"""The canonical key: equal for the same network, different for any other, stable across processes."""

import json
import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from recipes import recipe

from explorer.core.bottleneck import Bottleneck
from explorer.core.quality import Quality
from explorer.core.run_point import RunPoint
from explorer.core.sparsity.layers import InitialWeights
from explorer.space.candidate import Candidate, NetworkSpec

RECIPE = recipe(epochs=1)
SPEC = NetworkSpec(
    backbone="mlp",
    factory="explorer.backbones:mlp",
    arguments='{"hidden": [8, 4]}',
    pattern="block",
    densities=(("fc1", Fraction(1, 4)), ("classifier", Fraction(1))),
    exit_features=64,
    recipe=RECIPE,
    data='{"source": "digits"}',
)
DENSE = replace(SPEC, densities=(("fc1", Fraction(1)), ("classifier", Fraction(1))))
WARM = replace(SPEC, dense_epochs=1, initial=InitialWeights("dense", "all"))


@pytest.mark.parametrize(
    "change",
    [
        {"factory": "explorer.backbones:cnn"},
        {"arguments": '{"hidden": [8, 5]}'},
        {"pattern": "structured"},
        {"densities": (("fc1", Fraction(1, 2)), ("classifier", Fraction(1)))},
        {"exit_features": 32},
        {"max_crossing_tensors": 2},
        {"recipe": replace(RECIPE, epochs=2)},
        {"recipe": replace(RECIPE, seed=1)},
        {"recipe": replace(RECIPE, quantised_epochs=3)},
        {"data": '{"source": "mnist"}'},
        {"backbone": "other"},
        {"exit_kind": "conv"},
        {"exits_at": ("fc1",)},
        {"bottleneck": Bottleneck("fc1", 4)},
        {"input_pool": 2},
        {"recipe": replace(RECIPE, exit_training="frozen")},
        {"recipe": replace(RECIPE, exit_loss_weights=(("fc1", 0.5),))},
        {"dense_epochs": 2},
        {"recipe": replace(RECIPE, quality=Quality("balanced_accuracy"))},
        {"recipe": replace(RECIPE, quality=Quality("weighted_accuracy", ((1, 3.0),)))},
    ],
)
def test_key_changes_with_everything_that_is_trained(change: dict[str, Any]) -> None:
    assert replace(SPEC, **change).key != SPEC.key


def test_key_ignores_what_means_the_same() -> None:
    assert replace(SPEC, densities=SPEC.densities[::-1]).key == SPEC.key
    assert replace(SPEC, arguments='{"hidden":[8,4]}').key == SPEC.key
    assert replace(DENSE, pattern="random").key == DENSE.key  # no sparse junction: nothing is placed


def test_key_is_a_folder_name_that_does_not_depend_on_the_process() -> None:
    assert re.fullmatch(r"mlp-[0-9a-f]{12}", SPEC.key)
    assert SPEC.key == "mlp-e5b16a3601c9"


def test_the_dense_network_of_a_warm_start_is_the_one_of_a_search_from_scratch() -> None:
    assert WARM.dense is not None
    assert WARM.dense.key == DENSE.key
    assert (WARM.dense.dense, SPEC.dense) == (None, None)
    other = replace(WARM, dense_epochs=3)
    assert other.dense is not None
    assert len({WARM.key, SPEC.key, other.key, other.dense.key, DENSE.key}) == 5


def test_is_sparse() -> None:
    assert SPEC.is_sparse
    assert not DENSE.is_sparse
    assert not replace(SPEC, densities=()).is_sparse


def test_json_round_trip() -> None:
    others = replace(
        SPEC,
        exit_kind="conv",
        exits_at=("fc1",),
        recipe=replace(RECIPE, exit_training="frozen", exit_loss_weights=(("fc1", 0.5),)),
    )
    weighed = replace(SPEC, recipe=replace(RECIPE, quality=Quality("weighted_accuracy", ((1, 3.0),))))
    for spec in (
        SPEC,
        DENSE,
        weighed,
        others,
        replace(others, bottleneck=Bottleneck("fc1", 4), input_pool=2),
        WARM,
    ):
        again = NetworkSpec.from_json(json.loads(json.dumps(spec.to_json())))
        assert again == spec
        assert again.key == spec.key
    assert "input_pool" not in SPEC.to_json()  # keys of networks without pooling stay
    assert SPEC.to_json()["densities"] == {"fc1": "1/4", "classifier": "1"}
    assert SPEC.argument_values == {"hidden": [8, 4]}


@pytest.mark.parametrize(
    ("split_point", "threshold", "expected"),
    [
        ("fc1", 0.5, ("fc1", 0.5, 8)),
        ("fc1", 0.0, ("fc1", 0.0, 8)),
        ("input", 1.0, ("input", None, 8)),  # no exit classifier
        ("output", 0.5, ("output", 0.0, None)),  # the edge always answers, nothing is sent
        ("output", 1.0, ("output", 0.0, None)),
    ],
)
def test_canonical(split_point: str, threshold: float, expected: tuple[Any, ...]) -> None:
    own = Candidate.canonical(SPEC, RunPoint(split_point, threshold, 8))
    assert own.point == RunPoint(*expected)
    assert own.network is SPEC


def test_a_split_point_without_exit_classifier_has_no_threshold() -> None:
    some = replace(SPEC, exits_at=("fc1",))
    points = [Candidate.canonical(some, RunPoint(name, 0.5, 8)).point for name in ("fc1", "input")]
    assert [point.confidence_threshold for point in points] == [0.5, None]
