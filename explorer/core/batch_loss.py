"""The loss of one batch under a recipe: what is done to its samples, and what is learned from them."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor

from explorer.core.augment import Batch
from explorer.core.augmenter import Augmenter
from explorer.core.losses import Lesson, joint_loss, loss_weights
from explorer.core.network import Network
from explorer.core.recipe import Recipe
from explorer.data.dataset import Subset

Teacher = Callable[[Tensor], Tensor]  # inputs (B, ...) to logits (B, classes)
_TEACHER_BATCH = 512  # samples that a teacher answers at once before the training


class BatchLoss:
    """Gives the loss of any samples of a training subset.

    A teacher answers for every sample once, before the training; where batches are augmented it answers for
    what the network sees (Beyer et al., CVPR 2022), which costs a forward pass per step.

    Args:
        network: In its memory format.
        data: Training subset, in that format.
        recipe: Says how.
        teacher: Where the recipe has one.

    Example:
        >>> network = Network(torch.nn.Linear(4, 2), torch.zeros(1, 4), num_classes=2, exit_features=4)
        >>> recipe = Recipe(
        ...     epochs=1, batch_size=4, learning_rate=0.01, weight_decay=0.0, exit_loss_weight=1.0,
        ...     output_loss_weight=1.0, seed=0, precision="float32",
        ... )
        >>> loss_of = BatchLoss(network, Subset(torch.zeros(8, 4), torch.arange(8) % 2), recipe)
        >>> loss_of(torch.arange(4), step=0).requires_grad
        True
    """

    def __init__(
        self, network: Network, data: Subset, recipe: Recipe, teacher: Teacher | None = None
    ) -> None:
        assert (teacher is None) == (recipe.teacher is None), "a recipe with a teacher needs one"
        self._data, self._recipe, self._teacher = data, recipe, teacher
        self._forward = partial(network, detach_exits=True) if recipe.exit_training == "frozen" else network
        self._exit_weights = recipe.exit_weights(network.exit_names)
        weights = loss_weights(data.labels, network.num_classes, recipe.quality)
        self._class_weights = None if weights is None else weights.to(data.device)
        self._augmenter: Augmenter | None = None
        self._answers: Tensor | None = None
        if recipe.augment:
            self._num_classes = network.num_classes
            self._augmenter = Augmenter(recipe.augment, recipe.seed, data.device)
        elif teacher is not None:
            with torch.no_grad():
                self._answers = torch.cat([teacher(some) for some, _ in data.batches(_TEACHER_BATCH)])

    def __call__(self, samples: Tensor, step: int) -> Tensor:
        """The mean loss of a batch.

        Args:
            samples: Their places in the training subset, shape (B,).
            step: Counted from the first of the training.
        """
        recipe = self._recipe
        inputs, labels = self._data.take(samples)
        if self._augmenter is not None:
            batch = self._augmenter(Batch(inputs, labels, self._num_classes), step)
            inputs, labels = batch.inputs, batch.labels
        taught = self._lesson(inputs, samples)
        half = recipe.precision == "bfloat16"
        with torch.autocast(inputs.device.type, torch.bfloat16) if half else nullcontext():
            logits = self._forward(inputs)
            own = recipe.self_distillation
            return joint_loss(
                *(logits, labels, self._exit_weights, recipe.output_loss_weight),
                class_weights=self._class_weights,
                label_smoothing=recipe.label_smoothing,
                for_exits=taught if own is None else Lesson(logits[-1].detach(), own),
                for_output=taught,
            )

    def _lesson(self, inputs: Tensor, samples: Tensor) -> Lesson | None:
        if self._teacher is None or self._recipe.teacher is None:
            return None
        if self._answers is not None:
            return Lesson(self._answers[samples], self._recipe.teacher)
        with torch.no_grad():
            return Lesson(self._teacher(inputs), self._recipe.teacher)
