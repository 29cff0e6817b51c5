"""What a search space contains once built: choices of densities, split points, number of networks."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from explorer.errors import UserError
from explorer.space.density_groups import proposal_for, snap_group
from explorer.space.inventory import build_inventory
from explorer.space.schema import SearchSpace
from explorer.space.variants import Inventory

ONE = Fraction(1)


def inventory(backbone: dict[str, Any], input_shape: tuple[int, ...] = (8,), **space: Any) -> Inventory:
    """One backbone, an MLP on 8 features unless given otherwise, and 4 classes."""
    content = {
        "data": {"source": "digits", "validation_samples": 10},
        "backbones": {"mlp": {"factory": "explorer.backbones:mlp"} | backbone},
        "training": {"epochs": 1},
        "objectives": {"accuracy": 0.5},
        "edge_device": "rpi4",
        "server_device": "rpi4",
        "link": "ble_2m_dle",
    }
    return build_inventory(SearchSpace.model_validate(content | space), input_shape, 4)


HIDDEN = {"arguments": {"hidden": [[16, 6]]}}


def test_junctions_split_points_and_macs() -> None:
    (variant,) = inventory(HIDDEN).variants["mlp"]
    assert variant.arguments == {"hidden": [16, 6]}
    assert [junction.path for junction in variant.junctions] == ["fc1", "fc2", "classifier"]
    assert [point.name for point in variant.split_points] == ["input", "relu1", "relu2", "output"]
    assert variant.macs == (0, 8 * 16, 8 * 16 + 16 * 6, 8 * 16 + 16 * 6 + 6 * 4)


def test_density_range_keeps_legal_densities_inside() -> None:
    (variant,) = inventory(HIDDEN | {"densities": {"low": 0.2, "high": 1.0, "limit": 8}}).variants["mlp"]
    eighths = tuple(Fraction(k, 8) for k in range(2, 9))  # gcd(8, 16) = 8, from 0.2 on
    assert variant.densities == {
        "fc1": eighths,
        "fc2": (Fraction(1, 2), ONE),  # gcd(16, 6) = 2
        "classifier": (Fraction(1, 2), ONE),  # gcd(6, 4) = 2
    }
    assert variant.num_networks == 7 * 2 * 2


def test_density_bounds_belong_to_the_range() -> None:
    (variant,) = inventory(HIDDEN | {"densities": {"low": 0.125, "high": 0.5}}).variants["mlp"]
    assert variant.densities["fc1"] == tuple(Fraction(k, 8) for k in range(1, 5))


def test_exact_densities_and_junctions_not_named() -> None:
    (variant,) = inventory(HIDDEN | {"densities": {"fc1": [1.0, 0.25, "1/8"]}}).variants["mlp"]
    assert variant.densities == {
        "fc1": (Fraction(1, 8), Fraction(1, 4), ONE),
        "fc2": (ONE,),
        "classifier": (ONE,),
    }


def test_weights_at_given_densities() -> None:
    (variant,) = inventory(HIDDEN).variants["mlp"]
    assert variant.num_weights({}) == 8 * 16 + 16 * 6 + 6 * 4
    assert variant.num_weights({"fc1": Fraction(1, 4), "fc2": Fraction(1, 2)}) == 32 + 48 + 24


def test_arguments_are_multiplied_out_in_order() -> None:
    built = inventory({"arguments": {"hidden": [[4], [8], [6]]}, "densities": {"low": 0.5}})
    assert [variant.arguments["hidden"] for variant in built.variants["mlp"]] == [[4], [8], [6]]
    # 8 x 4 and 4 x 4: quarters from 1/2 on, 3 x 3; 8 x 8 and 8 x 4: 5 x 3; 8 x 6 and 6 x 4: halves, 2 x 2
    assert [variant.num_networks for variant in built.variants["mlp"]] == [9, 15, 4]
    assert built.num_networks == 9 + 15 + 4
    assert built.density_range("mlp", "fc1") == (0.5, 1.0)
    assert built.free_groups("mlp") == ["fc1", "classifier"]


def test_dense_networks_count_once_for_all_patterns() -> None:
    built = inventory(
        {"arguments": {"hidden": [[4]]}, "densities": {"low": 0.5}}, patterns=["block", "random"]
    )
    assert built.num_networks == 1 + (9 - 1) * 2


CNN = {"factory": "explorer.backbones:cnn", "arguments": {"channels": [[6, 4]], "hidden": [8]}}


def test_periodic_has_densities_of_its_own() -> None:
    built = inventory(CNN | {"densities": {"low": 0.2, "high": 0.5}}, (3, 8, 8), patterns=["periodic"])
    (variant,) = built.variants["mlp"]
    ninths = tuple(Fraction(kept, 9) for kept in (2, 3, 4))
    assert variant.densities == {
        junction.path: ninths if junction.kind == "Conv2d" else (ONE,) for junction in variant.junctions
    }
    assert variant.num_weights({"conv1": Fraction(2, 9)}) == variant.num_weights({}) - 3 * 6 * 7
    assert built.num_networks == 3 * 3


@pytest.mark.parametrize(
    ("densities", "message"),
    [
        (
            {"conv1": [0.25]},
            r"conv1: density must be k / 9 for kernels of 9 taps under periodic .* 2/9, 1/3$",
        ),
        ({"low": 0.4, "high": 0.43}, r"conv1: no legal density between 0\.4 and 0\.43; .* k / 9$"),
    ],
)
def test_periodic_density_that_is_not_legal(densities: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        inventory(CNN | {"densities": densities}, (3, 8, 8), patterns=["periodic"])


def test_split_points_can_be_chosen() -> None:
    (variant,) = inventory(HIDDEN | {"split_points": ["output", "relu1"]}).variants["mlp"]
    assert [point.name for point in variant.split_points] == ["relu1", "output"]
    assert variant.macs == (8 * 16, 8 * 16 + 16 * 6 + 6 * 4)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (
            {"split_points": ["relu7"]},
            r"backbones\.mlp\.split_points: no split point 'relu7'; this backbone has: input, relu1, ",
        ),
        (
            {"densities": {"fc9": "auto"}},
            r"backbones\.mlp\.densities: no junction 'fc9'; this backbone has: fc1, fc2, classifier",
        ),
        ({"densities": {"fc2": [0.3]}}, r"backbones\.mlp\.densities\.fc2: density must be k / 2 "),
        (
            {"densities": {"low": 0.51, "high": 0.9}},
            r"backbones\.mlp\.densities\.fc2: no legal density between 0\.51 and 0\.9; .* k / 2$",
        ),
        (
            {"arguments": {"hidden": [[-3]]}},
            r"explorer\.backbones:mlp\(hidden=\[-3\]\) with input ",
        ),
        ({"arguments": {"depth": [3]}}, r"explorer\.backbones:mlp\(depth=3\): arguments do not fit"),
    ],
)
def test_what_does_not_fit_names_the_key(backbone: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        inventory(HIDDEN | backbone)


def test_junction_that_cannot_be_sparse_ignores_the_range() -> None:
    built = inventory({"arguments": {"hidden": [[7]]}, "densities": {"low": 0.1, "high": 0.9}})
    (variant,) = built.variants["mlp"]
    assert variant.densities == {"fc1": (ONE,), "classifier": (ONE,)}  # gcd(8, 7) = gcd(7, 4) = 1
    assert built.free_groups("mlp") == []
    assert built.num_networks == 1


def test_bottlenecks_are_variants_of_their_own() -> None:
    backbone = {
        "factory": "explorer.backbones:mlp",
        "arguments": {"hidden": [[6]]},
        "bottleneck": [None, {"at": "relu1", "channels": 2}],
        "split_points": ["relu1", "output"],
        "exits": ["relu1", "bottleneck.encode"],
    }
    built = inventory(backbone)
    plain, narrowed = built.variants["mlp"]
    assert [point.name for point in plain.split_points] == ["relu1", "output"]
    # the narrow tensor is always a split point: nobody asks for a bottleneck who does not want it
    assert [point.name for point in narrowed.split_points] == ["relu1", "bottleneck.encode", "output"]
    assert [junction.path for junction in plain.junctions] == [j.path for j in narrowed.junctions]
    macs = dict(zip((point.name for point in narrowed.split_points), narrowed.macs, strict=True))
    assert macs["bottleneck.encode"] - macs["relu1"] == 6 * 2
    assert plain.choices == {"hidden": [6], "input-pool": 1, "learned-bottleneck": None}
    narrow = {"at": "relu1", "channels": 2}
    assert narrowed.choices == {"hidden": [6], "input-pool": 1, "learned-bottleneck": narrow}
    assert built.num_networks == 2 * plain.num_networks


def test_input_pools_are_variants_of_their_own() -> None:
    backbone = {
        "arguments": {"hidden": [[6]]},
        "input_pool": [1, 2],
        "split_points": ["input", "input_pool", "output"],
        "exits": ["input_pool"],
    }
    built = inventory(backbone, input_shape=(1, 4, 4))
    whole, pooled = built.variants["mlp"]
    assert [variant.name for variant in (whole, pooled)] == [
        "mlp(hidden=[6])",
        "mlp(hidden=[6]), input pool 2",
    ]
    assert [variant.num_weights(variant.densest) for variant in (whole, pooled)] == [
        16 * 6 + 6 * 4,
        4 * 6 + 6 * 4,
    ]
    assert [point.name for point in whole.split_points] == ["input", "output"]
    assert [point.name for point in pooled.split_points] == ["input", "input_pool", "output"]
    assert (pooled.macs, pooled.exits) == ((0, 0, 4 * 6 + 6 * 4), ("input_pool",))
    assert pooled.choices == {"hidden": [6], "input-pool": 2, "learned-bottleneck": None}
    assert len(built.signatures) == 2  # their factory was given two input shapes


@pytest.mark.parametrize(
    ("change", "shape", "message"),
    [
        (
            {"input_pool": [1, 3]},
            (1, 4, 4),
            "backbones.mlp.input_pool: must divide the extents 4 x 4 of a sample",
        ),
        ({"input_pool": [1, 2]}, (8,), r"backbones.mlp.input_pool: must be 1 but for images .* shape \(8\)"),
    ],
)
def test_inputs_that_cannot_be_pooled(change: dict[str, Any], shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        inventory(HIDDEN | change, input_shape=shape)


def test_a_backbone_that_cannot_take_a_pooled_input_fails_alone() -> None:
    backbone = {
        "factory": "explorer.backbones:cnn",
        "arguments": {"channels": [[4, 4]], "hidden": [4]},
        "input_pool": [1, 4],
    }
    whole, pooled = inventory(backbone, input_shape=(1, 8, 8)).variants["mlp"]
    assert not whole.failure
    assert "images must be at least 4 high and wide, got 2 x 2" in pooled.failure


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exits": ["nowhere"]}, "backbones.mlp.exits: no split point 'nowhere'"),
        ({"exits": ["bottleneck.encode"]}, "no split point 'bottleneck.encode'"),
        ({"exits": ["output"]}, "backbones.mlp.exits: no split point 'output'"),
        (
            {"bottleneck": [{"at": "nowhere", "channels": 1}]},
            "backbones.mlp.bottleneck: no split point 'nowhere'",
        ),
    ],
)
def test_exits_and_bottlenecks_need_a_split_point(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        inventory({"arguments": {"hidden": [[6]]}, **change})


def test_loss_weights_need_an_exit() -> None:
    built = inventory(HIDDEN, exits={"loss_weights": {"relu1": 0.5, "input": 0.0}})
    recipe = built.space.recipe
    assert recipe.exit_weights(["input", "relu1", "relu2"]) == [0.0, 0.5, recipe.exit_loss_weight]
    with pytest.raises(UserError, match=r"exits\.loss_weights: no exit classifier at 'output'"):
        inventory(HIDDEN, exits={"loss_weights": {"output": 0.5}})
    with pytest.raises(UserError, match="no exit classifier at 'relu1'; there are some at: relu2"):
        inventory(HIDDEN | {"exits": ["relu2"]}, exits={"loss_weights": {"relu1": 0.5}})


# density groups

DEEP = {"arguments": {"hidden": [[16, 8, 8]]}, "densities": {"low": 0.2, "high": 1.0}}


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ("junction", {"fc1": ["fc1"], "fc2": ["fc2"], "fc3": ["fc3"], "classifier": ["classifier"]}),
        ("all", {"all": ["fc1", "fc2", "fc3", "classifier"]}),
        (["fc[23]"], {"fc1": ["fc1"], "fc[23]": ["fc2", "fc3"], "classifier": ["classifier"]}),
        (["fc?", "class*"], {"fc?": ["fc1", "fc2", "fc3"], "class*": ["classifier"]}),
    ],
)
def test_junctions_are_tied(groups: Any, expected: dict[str, list[str]]) -> None:
    built = inventory(DEEP | {"density_groups": groups})
    (variant,) = built.variants["mlp"]
    assert {name: list(members) for name, members in variant.groups.items()} == expected
    assert built.free_groups("mlp") == list(expected)


def test_a_stage_is_the_first_part_of_the_path() -> None:
    built = inventory(
        {"factory": "factories:staged", "density_groups": "stage"}, input_shape=(8,), patterns=["random"]
    )
    (variant,) = built.variants["mlp"]
    assert variant.groups == {"stem": ("stem",), "body": ("body.0", "body.1"), "head": ("head",)}


def test_a_layer_whose_weight_a_forward_reads_stays_dense() -> None:
    (variant,) = inventory({"factory": "factories:read_directly"}).variants["mlp"]
    assert variant.densities["fc1"] == (ONE,)
    assert variant.junctions[0].stays_dense == "its weight is read outside the layer, too"
    assert len(variant.densities["fc2"]) > 1


def test_networks_of_tied_junctions_are_counted_exactly() -> None:
    densities = {"fc1": [0.25, 0.5, 1.0], "fc2": [0.125, 0.5, 1.0], "fc3": [1.0]}
    built = inventory(DEEP | {"densities": densities, "density_groups": "all"})
    (variant,) = built.variants["mlp"]
    found = {
        tuple(snap_group(float(proposed), variant.groups["all"], variant.densities).items())
        for proposed in np.geomspace(0.125, 1.0, 5000)
    }
    assert built.num_networks == len(found) == 4  # (1/4, 1/8), (1/4, 1/2), (1/2, 1/2), (1, 1)
    for assignment in map(dict, found):
        proposal = proposal_for(assignment, variant.groups["all"], variant.densities)
        assert snap_group(proposal, variant.groups["all"], variant.densities) == assignment
        assert 0.125 <= proposal <= 1.0


def test_densities_by_pattern() -> None:
    (variant,) = inventory(DEEP | {"densities": {"fc*": [0.5, 1.0], "fc3": [0.25]}}).variants["mlp"]
    half, quarter = Fraction(1, 2), Fraction(1, 4)
    assert variant.densities == {
        "fc1": (half, ONE),
        "fc2": (half, ONE),
        "fc3": (quarter,),  # its own path goes before a pattern
        "classifier": (ONE,),
    }


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (
            {"density_groups": ["fc*", "fc1"]},
            r"mlp\.density_groups: each .* one group, got 'fc1' in fc\*, fc1",
        ),
        (
            {"density_groups": ["stage9.*"]},
            r"mlp\.density_groups: no junction fits 'stage9\.\*'; .* fc1",
        ),
        ({"densities": {"gc*": "auto"}}, r"mlp\.densities: no junction 'gc\*'"),
    ],
)
def test_groups_that_do_not_fit(backbone: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        inventory(DEEP | backbone)


def test_group_rule_is_validated() -> None:
    with pytest.raises(ValidationError, match=r"'junction', 'stage' or 'all'"):
        inventory(DEEP | {"density_groups": "layer"})
