"""What a network with early exits learns from: labels, its own output, or a teacher."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from explorer.core.quality import Quality, counts


@dataclass(frozen=True)
class Distillation:
    """How much is learned from a teacher's answers instead of labels.

    Attributes:
        weight: Share a of the loss (1 - a) CE(labels) + a T^2 KL(teacher || student), in [0, 1].
        temperature: T, divides the logits of both; T^2 keeps the size of the gradients (Hinton et al., 2015,
            arXiv 1503.02531).

    Example:
        >>> Distillation()
        Distillation(weight=0.5, temperature=2.0)
    """

    weight: float = 0.5
    temperature: float = 2.0


@dataclass(frozen=True)
class Lesson:
    """A teacher's logits for one batch, through which no gradient flows, and how they are learned from.

    Example:
        >>> from torch import zeros
        >>> Lesson(zeros(2, 10), Distillation(weight=1.0)).logits.shape
        torch.Size([2, 10])
    """

    logits: Tensor
    how: Distillation


def joint_loss(
    logits: list[Tensor],
    labels: Tensor,
    exit_weights: Sequence[float],
    output_weight: float,
    *,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
    for_exits: Lesson | None = None,
    for_output: Lesson | None = None,
) -> Tensor:
    """Weighted sum of the losses of all exits and of the backbone.

    Args:
        logits: Of the exits in order, then the backbone's; each (B, classes).
        labels: Classes (B,), or a probability of each class (B, classes).
        exit_weights: One per exit; without weight an exit is not trained.
        output_weight: Of the backbone's own loss.
        class_weights: How much a sample of each class counts among the labels (classes,), see
            :func:`loss_weights`; the loss of labels is then the weighted mean over the batch.
        label_smoothing: Share of each label that is spread over all classes, in [0, 1).
        for_exits: What the exits learn from besides labels; None for nothing.
        for_output: What the backbone learns from besides labels; None for nothing.

    Example:
        >>> from torch import tensor, zeros
        >>> same = zeros(1, 2)  # both classes are equally likely: a cross-entropy of log 2
        >>> joint_loss([same, same], tensor([0]), exit_weights=[0.5], output_weight=1.0)
        tensor(1.0397)
    """
    *exits, output = logits
    of_labels = partial(F.cross_entropy, target=labels, weight=class_weights, label_smoothing=label_smoothing)
    loss = output_weight * _taught(output, of_labels(output), for_output)
    for exit_logits, weight in zip(exits, exit_weights, strict=True):
        if weight > 0:
            loss = loss + weight * _taught(exit_logits, of_labels(exit_logits), for_exits)
    return loss


def loss_weights(labels: Tensor, num_classes: int, quality: Quality) -> Tensor | None:
    """How much a sample of each class counts in the loss, float32 (classes,); None where all count the same.

    Example:
        >>> loss_weights(torch.tensor([0, 0, 0, 1]), 2, Quality("balanced_accuracy"))
        tensor([0.6667, 2.0000])
    """
    if quality.is_plain:
        return None
    count_C = np.pad(counts(labels.cpu().numpy()), (0, num_classes))[:num_classes]
    return torch.tensor(quality.class_worths(count_C), dtype=torch.float32, device=labels.device)


def _taught(logits: Tensor, of_labels: Tensor, lesson: Lesson | None) -> Tensor:
    if lesson is None:
        return of_labels
    share = lesson.how.weight
    return (1 - share) * of_labels + share * distillation_loss(logits, lesson)


def distillation_loss(logits: Tensor, lesson: Lesson) -> Tensor:
    """T^2 KL(teacher || student), the mean over the batch, of probabilities at temperature T.

    Args:
        logits: The student's (B, classes).
        lesson: The teacher's.

    Example:
        >>> from torch import tensor
        >>> taught = Lesson(tensor([[1.0, 0.0]]), Distillation(temperature=1.0))
        >>> distillation_loss(tensor([[1.0, 0.0]]), taught), distillation_loss(tensor([[0.0, 0.0]]), taught)
        (tensor(0.), tensor(0.1109))
    """
    temperature = lesson.how.temperature
    student = (logits / temperature).log_softmax(-1)
    teacher = (lesson.logits / temperature).log_softmax(-1)
    return temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)
