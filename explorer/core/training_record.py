"""What a training took, and how it went: plain data that is stored beside the network."""

from dataclasses import dataclass, field
from typing import Any, Self

from explorer.core.learning_curve import LearningCurve


@dataclass(frozen=True)
class TrainingRecord:
    """What training took. ``seconds`` is measured; the loss is the mean over the last epoch.

    Where nothing could be trained, no steps were taken.

    Example:
        >>> record = TrainingRecord(epochs=2, steps=40, seconds=8.0, final_loss=0.31)
        >>> f"{record.seconds / record.steps:.1f} s per step"
        '0.2 s per step'
    """

    epochs: int
    steps: int
    seconds: float
    final_loss: float
    curve: LearningCurve = field(default_factory=LearningCurve)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Rebuild a record from its fields as JSON has them."""
        return cls(**(content | {"curve": LearningCurve.from_json(content["curve"])}))
