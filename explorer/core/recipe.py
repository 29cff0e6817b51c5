"""How a network is trained, as plain data: epochs, rates, losses and what is done to each batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi
from typing import Any, Literal, Self

from explorer.core.augmenter import AugmentStep
from explorer.core.graph.same_training import Precision
from explorer.core.losses import Distillation
from explorer.core.quality import ACCURACY, Quality

ExitTraining = Literal["joint", "frozen"]
BackboneTraining = Literal["train", "frozen"]
OptimizerName = Literal["adamw", "sgd"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Attributes:
        epochs: Passes over the training subset in which all is trained.
        batch_size: Samples per step; a last incomplete batch is trained too, a single sample left over joins
            the batch before it (batch normalisation cannot learn from one).
        learning_rate: Peak rate; follows half a cosine down to zero.
        weight_decay: Over kept weights only, since no others exist. Decoupled with ``adamw`` (Loshchilov and
            Hutter, ICLR 2019), added to the gradient with ``sgd``.
        exit_loss_weight: Weight of each exit's loss (joint loss of BranchyNet, ICPR 2016).
        exit_epochs: Passes after those, in which exits and bottlenecks alone are trained.
        backbone: ``frozen``: exits and bottlenecks alone are trained all along; parameters and running
            statistics of the backbone stay as they are, bit for bit.
        exit_loss_weights: Others for the exits at some split points, as (name, weight).
        output_loss_weight: Weight of the backbone's own loss.
        seed: Initial weights, order of samples, augmentation, dropout and placement of connections.
        precision: Of forward products; weights, gradients and optimiser stay float32 (autocast).
        exit_training: ``joint``: exits shape the backbone too; ``frozen``: it is to them what it is without
            exits, which only follow.
        optimizer: ``adamw``, or ``sgd`` with ``momentum``.
        momentum: In [0, 1), of ``sgd``.
        warm_up: In the joint epochs the rate rises linearly before it falls: for this share of them below 1,
            for so many epochs from 1 on.
        gradient_clip: Largest norm of all gradients together; 0 for any.
        label_smoothing: Share of each label that is spread over all classes, in [0, 1).
        augment: What is done to each batch, in order.
        self_distillation: Exits learn from the backbone's own output; None: from labels alone.
        quantised_epochs: The last of the joint epochs, and all behind them, run as int8 would, see
            :mod:`explorer.core.fake_quantisation`; 0 for none.
        teacher: All learn from the trained dense network of their variant; None: from labels alone. Exits
            that learn from the backbone's own output do not.
        quality: What right answers are worth; classes weigh in the loss as they do in it.

    Example:
        >>> recipe = Recipe(
        ...     epochs=4, batch_size=32, learning_rate=0.01, weight_decay=0.0, exit_loss_weight=0.5,
        ...     output_loss_weight=1.0, seed=0, precision="float32", exit_epochs=2,
        ... )
        >>> [round(recipe.learning_rate_at(epoch, step=0, steps=10), 4) for epoch in range(6)]
        [0.01, 0.0085, 0.005, 0.0015, 0.01, 0.005]
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    exit_loss_weight: float
    output_loss_weight: float
    seed: int
    precision: Precision
    exit_training: ExitTraining = "joint"
    exit_loss_weights: tuple[tuple[str, float], ...] = ()
    exit_epochs: int = 0
    backbone: BackboneTraining = "train"
    optimizer: OptimizerName = "adamw"
    momentum: float = 0.0
    warm_up: float = 0.0
    gradient_clip: float = 0.0
    label_smoothing: float = 0.0
    augment: tuple[AugmentStep, ...] = ()
    self_distillation: Distillation | None = None
    teacher: Distillation | None = None
    quality: Quality = ACCURACY
    quantised_epochs: int = 0

    @property
    def total_epochs(self) -> int:
        """Passes over the training subset in all."""
        return self.epochs + self.exit_epochs

    def freezes(self, epoch: int) -> bool:
        """Whether the backbone stays as it is in an epoch, counted from 0."""
        return self.backbone == "frozen" or epoch >= self.epochs

    def quantises(self, epoch: int) -> bool:
        """Whether an epoch, counted from 0, is one of fake quantisation.

        Epochs in which exits alone are trained follow the joint ones, so they belong to it.
        """
        return self.quantised_epochs > 0 and epoch >= self.epochs - self.quantised_epochs

    def learning_rate_at(self, epoch: int, step: int, steps: int) -> float:
        """Half a cosine over each phase: the joint epochs, after their warm-up, then those of exits alone.

        With w steps of warm-up the rate at step t < w is (t + 1) / (w + 1) of the peak, which step w has.

        Args:
            epoch: Counted from 0.
            step: Of the epoch, counted from 0.
            steps: Of every epoch.
        """
        joint = epoch < self.epochs
        start, length = (0, self.epochs) if joint else (self.epochs, self.exit_epochs)
        done, rising = (epoch - start) * steps + step, self._warm_up_steps(steps) if joint else 0
        if done < rising:
            return self.learning_rate * (done + 1) / (rising + 1)
        return self.learning_rate * (1 + cos(pi * (done - rising) / (length * steps - rising))) / 2

    def _warm_up_steps(self, steps: int) -> int:
        return round(self.warm_up * steps * (self.epochs if self.warm_up < 1 else 1))

    def exit_weights(self, split_points: Sequence[str]) -> list[float]:
        """Weight of the exit at each of these split points."""
        own = dict(self.exit_loss_weights)
        return [own.get(name, self.exit_loss_weight) for name in split_points]

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Rebuild a recipe from its fields as JSON has them; those left out are at their default."""
        typed: dict[str, Any] = {
            "exit_loss_weights": tuple(
                (name, weight) for name, weight in content.get("exit_loss_weights", ())
            ),
            "augment": tuple(AugmentStep.from_json(step) for step in content.get("augment", ())),
        }
        quality = dict(content.get("quality", {}))
        quality["class_weights"] = tuple(map(tuple, quality.get("class_weights", ())))
        typed["quality"] = Quality(**quality)
        for name in ("self_distillation", "teacher"):
            typed[name] = Distillation(**content[name]) if content.get(name) else None
        return cls(**(content | typed))
