"""How a training went: the loss of each epoch, and what output and exits were worth at a few of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from explorer.core.graph.split_points import OUTPUT
from explorer.core.network import Network
from explorer.data.dataset import Subset

CHECKS = 4  # looks at the quality in a whole training
COST_SHARE = 0.01  # of the training's time that the looks may take, by count; small networks take twice that
_FORWARD_SHARE = 1 / 3  # of a training step: backward takes about two forwards
_BATCH, _FEWEST_SAMPLES = 512, 16  # fewer tell nothing


@dataclass(frozen=True)
class LearningCurve:
    """Losses and validation accuracies of a training, as far as it came.

    Attributes:
        losses: Mean loss of each epoch, with all that the recipe adds to it.
        epochs: Epochs after which the quality was looked at, counted from 1.
        samples: First validation samples that it was looked at with.
        names: Split points of the exits in order, then ``output``.
        accuracies: One row per entry of ``epochs``, one share per name.

    Example:
        >>> curve = LearningCurve((1.2, 0.8), (2,), 100, ("relu1", "output"), ((0.5, 0.75),))
        >>> LearningCurve.from_json({"losses": [1.2, 0.8], "epochs": [2], "samples": 100,
        ...     "names": ["relu1", "output"], "accuracies": [[0.5, 0.75]]}) == curve
        True
    """

    losses: tuple[float, ...] = ()
    epochs: tuple[int, ...] = ()
    samples: int = 0
    names: tuple[str, ...] = ()
    accuracies: tuple[tuple[float, ...], ...] = ()

    def after(self, loss: float) -> Self:
        """The curve with one more epoch."""
        return replace(self, losses=(*self.losses, loss))

    def checked(self, samples: int, exit_names: Sequence[str], accuracies: Sequence[float]) -> Self:
        """The curve with a look at the quality after its last epoch."""
        return replace(
            self,
            epochs=(*self.epochs, len(self.losses)),
            samples=samples,
            names=(*exit_names, OUTPUT),
            accuracies=(*self.accuracies, tuple(accuracies)),
        )

    def tensors(self) -> dict[str, Tensor]:
        """The curve without its names, for a training state; inverse of :meth:`of_tensors`."""
        return {
            "losses": torch.tensor(self.losses, dtype=torch.float64),
            "epochs": torch.tensor(self.epochs, dtype=torch.int64),
            "samples": torch.tensor(self.samples),
            "accuracies": torch.tensor(self.accuracies, dtype=torch.float64),
        }

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor], exit_names: Sequence[str]) -> Self:
        """Rebuild a curve."""
        rows = tensors["accuracies"].tolist()
        return cls(
            tuple(tensors["losses"].tolist()),
            tuple(tensors["epochs"].tolist()),
            int(tensors["samples"]),
            (*exit_names, OUTPUT) if rows else (),
            tuple(tuple(row) for row in rows),
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Rebuild a curve from its fields as JSON has them."""
        rows = tuple(tuple(row) for row in content["accuracies"])
        lists = {name: tuple(content[name]) for name in ("losses", "epochs", "names")}
        return cls(**lists, samples=content["samples"], accuracies=rows)


def checked_epochs(total: int) -> tuple[int, ...]:
    """Epochs after which the quality is looked at, ascending; the last is ``total``.

    Example:
        >>> checked_epochs(10), checked_epochs(3)
        ((3, 5, 8, 10), (1, 2, 3))
    """
    return tuple(sorted({-(-total * check // CHECKS) for check in range(1, CHECKS + 1)}))


def checked_samples(total_epochs: int, train_samples: int, validation_samples: int) -> int:
    """With how many validation samples, so that all looks take :data:`COST_SHARE` of the training; 0: none.

    Example:
        >>> checked_samples(10, 1000, 400), checked_samples(10, 10_000, 400), checked_samples(1, 50, 400)
        (75, 400, 0)
    """
    affordable = (
        COST_SHARE / _FORWARD_SHARE * total_epochs * train_samples / len(checked_epochs(total_epochs))
    )
    samples = min(int(affordable + 1e-9), validation_samples)
    return samples if samples >= _FEWEST_SAMPLES else 0


@torch.no_grad()
def accuracies(network: Network, samples: Subset) -> list[float]:
    """Shares of right answers of every exit in order, then of the output; leaves the network in eval mode.

    Args:
        network: Trained so far.
        samples: At least one.

    Example:
        >>> network = Network(torch.nn.Linear(4, 2), torch.zeros(1, 4), num_classes=2, exit_features=4)
        >>> len(accuracies(network, Subset(torch.zeros(8, 4), torch.arange(8) % 2)))
        2
    """
    network.eval()
    right = sum(
        torch.stack([(logits.argmax(-1) == labels).sum() for logits in network(inputs)])
        for inputs, labels in samples.batches(_BATCH)
    )
    assert isinstance(right, Tensor)
    return [count / len(samples) for count in right.tolist()]
