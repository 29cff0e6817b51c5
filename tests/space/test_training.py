"""The recipe of a space, and what a backbone has in place of it."""

from dataclasses import replace
from typing import Any

import pytest

from explorer.core.losses import Distillation
from explorer.core.recipe import Recipe
from explorer.engine.proposals import Proposer
from explorer.errors import UserError
from explorer.space.files import load_space, parse_space, space_from, space_text
from explorer.space.inventory import build_inventory
from explorer.space.schema import SearchSpace
from explorer.space.training import QUANTISED_EPOCHS


def space(training: dict[str, Any], own: dict[str, Any] | None = None) -> SearchSpace:
    """The digits space with other training, for all and for its MLPs."""
    content = load_space("digits")[0].model_dump(mode="json", exclude_defaults=True)
    content["training"] |= training
    content["backbones"]["mlp"]["training"] = own or {}
    return space_from(content)


def recipe(training: dict[str, Any], own: dict[str, Any] | None = None) -> Recipe:
    return space(training, own).recipe_of("mlp")


def test_defaults_are_those_of_a_recipe() -> None:
    """So keys of networks that ask for nothing new stay as they were."""
    plain = load_space("digits")[0].recipe
    given = (
        "epochs",
        "batch_size",
        "learning_rate",
        "weight_decay",
        "exit_loss_weight",
        "output_loss_weight",
    )
    least = Recipe(**{name: getattr(plain, name) for name in (*given, "seed", "precision")})
    assert plain == least


def test_keys_of_a_recipe() -> None:
    asked = recipe({"augment": ["mixup", {"cutout": {"size": 2}}], "self_distillation": {"weight": 0.3}})
    assert [(step.name, step.options) for step in asked.augment] == [
        ("mixup", (("alpha", 0.2),)),
        ("cutout", (("size", 2),)),
    ]
    assert asked.self_distillation == Distillation(0.3, 2.0)
    assert recipe({"self_distillation": {"weight": 0}}).self_distillation is None
    assert recipe({"optimizer": "sgd"}).momentum == 0.9
    assert recipe({"optimizer": "sgd", "momentum": 0}).momentum == 0
    assert recipe({}).momentum == 0


def test_a_quantised_training_has_some_last_epochs_of_it() -> None:
    content = load_space("digits_stm32")[0].model_dump(mode="json", exclude_defaults=True)
    plain = space_from(content)
    content["training"]["quantised"] = True
    asked = space_from(content)
    assert (plain.recipe.quantised_epochs, asked.recipe.quantised_epochs) == (0, QUANTISED_EPOCHS)
    assert replace(asked.recipe, quantised_epochs=0) == plain.recipe
    assert parse_space(space_text(asked), "written") == asked


@pytest.mark.parametrize(
    ("training", "own", "expected"),
    [
        ({}, {"learning_rate": 0.5}, {"learning_rate": 0.5}),
        ({"augment": ["mixup"]}, {}, {"augment": ["mixup"]}),
        ({"augment": ["mixup"]}, {"augment": []}, {}),
        (
            {"optimizer": "sgd", "momentum": 0.5},
            {"weight_decay": 0},
            {"optimizer": "sgd", "momentum": 0.5, "weight_decay": 0},
        ),
        ({"optimizer": "sgd", "momentum": 0.5}, {"optimizer": "adamw"}, {}),
        ({"self_distillation": {}}, {"self_distillation": {"weight": 0}}, {}),
        ({"warm_up": 0.5}, {"warm_up": 0, "label_smoothing": 0.1}, {"label_smoothing": 0.1}),
    ],
)
def test_a_backbone_has_its_own(
    training: dict[str, Any], own: dict[str, Any], expected: dict[str, Any]
) -> None:
    both = space(training, own)
    assert both.recipe_of("mlp") == recipe(expected)
    assert both.recipe_of("cnn") == recipe(training)
    assert parse_space(space_text(both), "written") == both
    assert SearchSpace.model_validate(both.model_dump(mode="json")) == both


def test_a_function_goes_by_its_name() -> None:
    def mine(inputs: Any, labels: Any, generator: Any) -> Any:
        return inputs, labels

    (step,) = recipe({"augment": [mine]}).augment
    assert step.name.endswith("mine")
    assert ":" in step.name


def test_augmentations_of_a_backbone_are_checked_against_the_data() -> None:
    with pytest.raises(UserError, match=r"^backbones.mlp.training.augment: shift is for series"):
        build_inventory(space({}, {"augment": ["shift"]}), (1, 8, 8), 10)


def test_only_sparse_networks_have_a_teacher() -> None:
    """The dense one is that of a search without teachers."""

    def proposer(training: dict[str, Any]) -> Proposer:
        return Proposer(build_inventory(space(training), (1, 8, 8), 10), {"source": "digits"})

    taught = proposer({"teacher": "dense", "distillation": {"weight": 0.7, "temperature": 4}})
    (variant, *_) = taught.inventory.variants["mlp"]
    sparse = taught.network(variant, "block", {path: own[0] for path, own in variant.densities.items()})
    dense = taught.network(variant, "block", variant.densest)
    assert sparse.recipe.teacher == Distillation(0.7, 4.0)
    assert sparse.recipe.epochs == dense.recipe.epochs == sparse.dense_epochs
    assert not sparse.starts_from_dense
    assert (dense.recipe.teacher, dense.dense) == (None, None)
    assert sparse.dense is not None
    assert sparse.dense.key == dense.key == proposer({}).network(variant, "block", variant.densest).key
    both = proposer({"teacher": "dense", "start": "dense"})
    (variant, *_) = both.inventory.variants["mlp"]
    spec = both.network(variant, "block", dict(sparse.densities))
    assert spec.starts_from_dense
    assert spec.recipe.teacher == Distillation()
    assert spec.recipe.epochs == 5
    assert len({spec.key, sparse.key, dense.key}) == 3
