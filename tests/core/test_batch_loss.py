"""What each part of a recipe changes in training, held against a loop by hand."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from trainings import RECIPE, data, network

from explorer.core.augmenter import AugmentStep
from explorer.core.batch_loss import BatchLoss
from explorer.core.losses import Distillation
from explorer.core.recipe import Recipe
from explorer.core.training import train
from explorer.data.dataset import Subset

NOISE = (AugmentStep.of("noise", {"std": 0.5}), AugmentStep.of("mixup"))


def weights_after(
    recipe: Recipe, pieces: tuple[int, ...] = (), subset: Subset | None = None
) -> dict[str, Tensor]:
    subset, state = subset or data(50), None
    teacher = None if recipe.teacher is None else network(seed=5).eval().backbone
    for until in (*pieces, recipe.total_epochs):
        trained = network()
        state = train(trained, subset, recipe, until, state, teacher=teacher).state
    return trained.weights()


RECIPES = [
    replace(RECIPE, augment=NOISE),
    replace(RECIPE, optimizer="sgd", momentum=0.9),
    replace(RECIPE, optimizer="sgd"),
    replace(RECIPE, gradient_clip=0.01, optimizer="sgd"),
    replace(RECIPE, label_smoothing=0.1),
    replace(RECIPE, warm_up=0.5),
    replace(RECIPE, self_distillation=Distillation()),
    replace(RECIPE, teacher=Distillation()),
    replace(RECIPE, teacher=Distillation(), augment=NOISE),
    replace(RECIPE, teacher=Distillation(), self_distillation=Distillation(), exit_training="frozen"),
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_training_is_another_and_a_stop_changes_nothing(recipe: Recipe) -> None:
    plain, whole = weights_after(RECIPE), weights_after(recipe)
    assert any(not torch.equal(whole[name], tensor) for name, tensor in plain.items())
    pieces = weights_after(recipe, (1,))
    assert all(torch.equal(pieces[name], tensor) for name, tensor in whole.items())


def test_gradients_together_have_at_most_the_norm() -> None:
    """One step of plain gradient descent at rate 1 moves all weights together by that norm."""
    recipe = replace(RECIPE, epochs=1, learning_rate=1.0, optimizer="sgd", gradient_clip=0.01)
    before = dict(network().named_parameters())
    trained = network()
    train(trained, data(8), recipe)
    moved = [(p - before[name]).detach().flatten() for name, p in trained.named_parameters()]
    assert float(torch.cat(moved).norm()) == pytest.approx(0.01, rel=1e-3)


def test_an_exit_learns_from_the_output_without_labels() -> None:
    """With weight 1 labels do not count for exits; the output learns from labels alone."""
    recipe = replace(RECIPE, self_distillation=Distillation(weight=1.0), exit_training="frozen")
    one, other = network().eval(), network().eval()
    subset = data(16)
    wrong = Subset(subset.inputs, 1 - subset.labels)
    samples = torch.arange(16)
    for own, labelled in ((one, subset), (other, wrong)):
        BatchLoss(own, labelled, recipe)(samples, step=0).backward()
    of_exits = [
        torch.equal(p.grad, q.grad)
        for p, q in zip(one.exits.parameters(), other.exits.parameters(), strict=True)
        if p.grad is not None and q.grad is not None
    ]
    assert of_exits
    assert all(of_exits)
    outputs = zip(one.backbone.parameters(), other.backbone.parameters(), strict=True)
    assert not all(torch.equal(p.grad, q.grad) for p, q in outputs)


def test_a_teacher_answers_once_where_samples_stay_as_they_are() -> None:
    asked: list[int] = []

    def teacher(inputs: Tensor) -> Tensor:
        asked.append(len(inputs))
        return torch.zeros(len(inputs), 2)

    recipe = replace(RECIPE, teacher=Distillation())
    train(network(), data(50), recipe, teacher=teacher)
    assert asked == [50]
    asked.clear()
    train(network(), data(50), replace(recipe, augment=NOISE), teacher=teacher)
    assert len(asked) == 2 * 7
    assert sum(asked) == 2 * 50


def test_a_student_comes_near_its_teacher() -> None:
    """A teacher that says the opposite of the labels wins over them with weight 0.9."""
    subset = data(256)

    def teacher(inputs: Tensor) -> Tensor:
        against = (inputs[:, 0] <= 0).float()
        return 8 * torch.stack([1 - against, against], 1)

    recipe = replace(RECIPE, epochs=20, teacher=Distillation(weight=0.9))
    trained = network()
    train(trained, subset, recipe, teacher=teacher)
    with torch.no_grad():
        for own in trained(subset.inputs):
            assert (own.argmax(1) != subset.labels).float().mean() > 0.85
