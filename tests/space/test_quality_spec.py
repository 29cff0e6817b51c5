"""What a space may say of its quality, and what it is told when that does not fit."""

from typing import Any

import pytest
import yaml

from explorer.core.quality import Quality
from explorer.errors import UserError
from explorer.space.files import load_space, parse_space, space_from, space_text
from explorer.space.quality_spec import ClassWeights, with_class_numbers

PLAIN = yaml.safe_load(load_space("digits")[1])


def changed(quality: Any, **objectives: float) -> dict[str, Any]:
    return PLAIN | {"quality": quality, "objectives": objectives | {"payload_bytes": 300}}


def test_plain_accuracy_is_the_default_and_changes_no_recipe() -> None:
    assert space_from(PLAIN | {"quality": "accuracy"}).recipe == space_from(PLAIN).recipe
    assert space_from(PLAIN).recipe.quality.is_plain


def test_a_quality_is_part_of_the_recipe() -> None:
    space = space_from(changed("balanced_accuracy", balanced_accuracy=0.5))
    assert (
        space.recipe.quality
        == space.sparse_recipe_of(next(iter(space.backbones))).quality
        == Quality("balanced_accuracy")
    )
    space = space_from(changed({"weights": {3: 5, "1": 2}}, weighted_accuracy=0.5))
    assert space.recipe.quality == Quality("weighted_accuracy", ((1, 2.0), (3, 5.0)))
    assert parse_space(space_text(space), "written").recipe == space.recipe


def test_a_constraint_is_enough() -> None:
    content = changed("balanced_accuracy") | {"constraints": ["balanced_accuracy_ci95_low >= 0.8"]}
    assert space_from(content).recipe.quality.name == "balanced_accuracy"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed("f1", accuracy=0.5), "quality: must be 'accuracy' or 'balanced_accuracy', got 'f1'"),
        (changed({"weights": {}}, accuracy=0.5), "quality.weights: must hold at least 1 entry"),
        (
            changed({"weights": {1: 0}}, accuracy=0.5),
            "quality.weights.1: .* greater than 0, got 0",
        ),
        (changed({"weight": {1: 2}}, accuracy=0.5), "quality.weight: unknown key"),
        (
            changed("balanced_accuracy", accuracy=0.5),
            "quality: balanced_accuracy must be an objective or under a constraint, got accuracy, p",
        ),
        (
            changed("accuracy", balanced_accuracy=0.5),
            "objectives: balanced_accuracy needs quality: balanced_accuracy, got quality: accuracy",
        ),
        (
            changed("balanced_accuracy", balanced_accuracy=0.5)
            | {"constraints": ["weighted_accuracy >= 0.5"]},
            "constraints: weighted_accuracy needs quality: {weights: ..}, got quality: balanced_accuracy",
        ),
    ],
)
def test_what_does_not_fit_is_named(content: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        space_from(content)


def test_names_of_classes_become_numbers() -> None:
    named = ClassWeights(weights={"cat": 2, 0: 3})
    assert with_class_numbers(named, ["dog", "cat"], 2) == ClassWeights(weights={1: 2, 0: 3})
    assert with_class_numbers("balanced_accuracy", [], 2) == "balanced_accuracy"


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"cow": 2}, "a class must be a number 0 .. 1, or one of dog, cat, got 'cow'"),
        ({2: 2}, "a class must be a number 0 .. 1, or one of dog, cat, got 2"),
        ({"cat": 2, 1: 3}, "every class must be given once"),
    ],
)
def test_unknown_classes_are_refused(weights: dict[int | str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        with_class_numbers(ClassWeights(weights=weights), ["dog", "cat"], 2)
