"""Joint training of a backbone and all its early exits, in one straight loop that stops at checkpoints."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import cos, pi
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from explorer.core.bottleneck import BOTTLENECK
from explorer.core.graph.same_training import Precision
from explorer.core.network import Network
from explorer.core.quality import ACCURACY, Quality, counts
from explorer.data.dataset import Subset

ExitTraining = Literal["joint", "frozen"]
BackboneTraining = Literal["train", "frozen"]


class TrainingFailedError(RuntimeError):
    """Training cannot go on; the message is the reason shown to the user."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Attributes:
        epochs: Passes over the training subset in which all is trained.
        batch_size: Samples per step; a last incomplete batch is trained too, a single sample left over joins
            the batch before it (batch normalisation cannot learn from one).
        learning_rate: Peak rate of AdamW; follows half a cosine down to zero.
        weight_decay: Decoupled decay, over kept weights only since no others exist.
        exit_loss_weight: Weight of each exit's cross-entropy (joint loss of BranchyNet, ICPR 2016).
        exit_epochs: Passes after those, in which exits and bottlenecks alone are trained.
        backbone: ``frozen``: exits and bottlenecks alone are trained all along; parameters and running
            statistics of the backbone stay as they are, bit for bit.
        exit_loss_weights: Others for the exits at some split points, as (name, weight).
        output_loss_weight: Weight of the backbone's own cross-entropy.
        seed: Initial weights, order of samples, dropout and placement of connections.
        precision: Of forward products; weights, gradients and optimiser stay float32 (autocast).
        exit_training: ``joint``: exits shape the backbone too; ``frozen``: it is to them what it is without
            exits, which only follow.
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
    quality: Quality = ACCURACY

    @property
    def total_epochs(self) -> int:
        """Passes over the training subset in all."""
        return self.epochs + self.exit_epochs

    def freezes(self, epoch: int) -> bool:
        """Whether the backbone stays as it is in an epoch, counted from 0."""
        return self.backbone == "frozen" or epoch >= self.epochs

    def learning_rate_at(self, epoch: int, step: int, steps: int) -> float:
        """Half a cosine over each phase: the joint epochs, then those of the exits alone.

        Args:
            epoch: Counted from 0.
            step: Of the epoch, counted from 0.
            steps: Of every epoch.
        """
        start, length = (0, self.epochs) if epoch < self.epochs else (self.epochs, self.exit_epochs)
        return self.learning_rate * (1 + cos(pi * ((epoch - start) * steps + step) / (length * steps))) / 2

    def exit_weights(self, split_points: Sequence[str]) -> list[float]:
        """Weight of the exit at each of these split points."""
        own = dict(self.exit_loss_weights)
        return [own.get(name, self.exit_loss_weight) for name in split_points]


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


@dataclass(frozen=True)
class Training:
    """How far a training came.

    Attributes:
        record: What it took so far.
        state: All it needs to go on, by name; None when it is complete.

    Example:
        >>> network = Network(torch.nn.Linear(4, 2), torch.zeros(1, 4), num_classes=2, exit_features=4)
        >>> data = Subset(torch.zeros(8, 4), torch.arange(8) % 2)
        >>> recipe = Recipe(
        ...     epochs=2, batch_size=4, learning_rate=0.01, weight_decay=0.0, exit_loss_weight=1.0,
        ...     output_loss_weight=1.0, seed=0, precision="float32",
        ... )
        >>> first = train(network, data, recipe, until_epoch=1)
        >>> first.record.steps, train(network, data, recipe, state=first.state).state
        (2, None)
    """

    record: TrainingRecord
    state: dict[str, Tensor] | None


def train(
    network: Network,
    data: Subset,
    recipe: Recipe,
    until_epoch: int | None = None,
    state: dict[str, Tensor] | None = None,
) -> Training:
    """Train all parameters of ``network`` jointly; leaves it in eval mode.

    Training may stop early and go on later, also in another process. With the same data and number of threads
    the weights are then the same, bit for bit, as without the stop.

    Args:
        network: As built; its weights come from ``state`` where one is given.
        data: Training subset.
        recipe: Learning rates follow its epochs, wherever training stops.
        until_epoch: Stop after so many epochs, counted from the first; None for all.
        state: What an earlier call left.

    Raises:
        TrainingFailedError: The loss became infinite or NaN.
        ValueError: No epoch lies between ``state`` and ``until_epoch``, or ``state`` is of another network.

    Example:
        >>> network = Network(torch.nn.Linear(4, 2), torch.zeros(1, 4), num_classes=2, exit_features=4)
        >>> data = Subset(torch.zeros(8, 4), torch.arange(8) % 2)
        >>> recipe = Recipe(
        ...     epochs=1, batch_size=4, learning_rate=0.01, weight_decay=0.0, exit_loss_weight=1.0,
        ...     output_loss_weight=1.0, seed=0, precision="float32",
        ... )
        >>> record = train(network, data, recipe).record
        >>> record.epochs, record.steps
        (1, 2)
    """
    # dropout draws from torch's global generator
    with torch.random.fork_rng(devices=[]), network.laid_out(data.inputs) as inputs:
        torch.manual_seed(recipe.seed)
        until_epoch = recipe.total_epochs if until_epoch is None else until_epoch
        return _train(network, replace(data, inputs=inputs), recipe, until_epoch, state)


def _train(
    network: Network, data: Subset, recipe: Recipe, until_epoch: int, state: dict[str, Tensor] | None
) -> Training:
    start = time.perf_counter()
    order = torch.Generator().manual_seed(recipe.seed)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    epochs, seconds = (0, 0.0) if state is None else _restore(state, network, optimiser, order)
    if not epochs < until_epoch <= recipe.total_epochs:
        raise ValueError(f"`{epochs} < until_epoch <= {recipe.total_epochs}` must hold, got {until_epoch=}")
    sizes = _batch_sizes(len(data), recipe.batch_size)
    steps, mean_loss = 0 if state is None else int(state["steps"]), 0.0
    forward = partial(network, detach_exits=True) if recipe.exit_training == "frozen" else network
    class_weights = loss_weights(data.labels, network.split_points[-1].shape[0], recipe.quality)
    exit_weights, half = recipe.exit_weights(network.exit_names), recipe.precision == "bfloat16"
    inputs = data.inputs
    for epoch in range(epochs, until_epoch):
        epoch_loss = torch.zeros(())
        with _mode_of_training(network, recipe.freezes(epoch)):
            order_of_samples = torch.randperm(len(data), generator=order)
            for number, batch in enumerate(order_of_samples.split(sizes)):
                optimiser.param_groups[0]["lr"] = recipe.learning_rate_at(epoch, number, len(sizes))
                with torch.autocast(inputs.device.type, torch.bfloat16, enabled=half):
                    logits = forward(inputs[batch])
                    loss = joint_loss(
                        *(logits, data.labels[batch], exit_weights, recipe.output_loss_weight, class_weights)
                    )
                if loss.requires_grad:
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()
                    steps += 1
                epoch_loss += loss.detach() * len(batch)
        mean_loss = epoch_loss.item() / len(data)
        if not torch.isfinite(epoch_loss):
            raise TrainingFailedError(
                f"diverged: loss {mean_loss} in epoch {epoch + 1} of {recipe.total_epochs}"
            )
    network.eval()
    record = TrainingRecord(until_epoch, steps, seconds + time.perf_counter() - start, mean_loss)
    complete = until_epoch == recipe.total_epochs
    return Training(record, None if complete else _state(record, network, optimiser, order))


@contextmanager
def _mode_of_training(network: Network, frozen: bool) -> Iterator[None]:
    """Training mode. With a frozen backbone only exits and bottlenecks learn, and it runs in eval mode."""
    network.train()
    if not frozen:
        yield
        return
    network.backbone.eval()
    fixed = [
        parameter
        for name, parameter in network.backbone.named_parameters()
        if parameter.requires_grad and not name.startswith(f"{BOTTLENECK}.")
    ]
    for parameter in fixed:
        parameter.grad = None
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in fixed:
            parameter.requires_grad = True


def _state(
    record: TrainingRecord, network: Network, optimiser: torch.optim.Optimizer, order: torch.Generator
) -> dict[str, Tensor]:
    """All that :func:`_restore` needs, as contiguous tensors that share no memory."""
    moments = {
        f"optimiser.{index}.{name}": tensor
        for index, parameter in enumerate(network.parameters())
        for name, tensor in optimiser.state[parameter].items()
    }
    weights = {f"network.{name}": tensor.detach() for name, tensor in _own_tensors(network).items()}
    return {
        "epochs": torch.tensor(record.epochs),
        "steps": torch.tensor(record.steps),
        "seconds": torch.tensor(record.seconds, dtype=torch.float64),
        "generator.order": order.get_state(),
        "generator.dropout": torch.get_rng_state(),
        **{name: t.clone(memory_format=torch.contiguous_format) for name, t in (weights | moments).items()},
    }


def _restore(
    state: dict[str, Tensor], network: Network, optimiser: torch.optim.Optimizer, order: torch.Generator
) -> tuple[int, float]:
    """Go on from the checkpoint ``state``; returns epochs and seconds so far."""
    load_trained_weights(network, state)
    for index, parameter in enumerate(network.parameters()):
        for name, tensor in _under(state, f"optimiser.{index}.").items():
            # the fused step walks through memory: moments must lie there as their parameter does
            like = parameter if tensor.shape == parameter.shape else tensor
            optimiser.state[parameter][name] = torch.empty_like(like).copy_(tensor)
    order.set_state(state["generator.order"])
    torch.set_rng_state(state["generator.dropout"])
    return int(state["epochs"]), float(state["seconds"])


def load_trained_weights(network: Network, state: dict[str, Tensor]) -> None:
    """Give ``network`` the weights of a :attr:`Training.state`.

    Raises:
        ValueError: ``state`` is of another network.

    Example:
        >>> one, other = (Network(torch.nn.Linear(4, 2), torch.zeros(1, 4), 2, exit_features=4) for _ in "ab")
        >>> recipe = Recipe(
        ...     epochs=2, batch_size=4, learning_rate=0.01, weight_decay=0.0, exit_loss_weight=1.0,
        ...     output_loss_weight=1.0, seed=0, precision="float32",
        ... )
        >>> training = train(one, Subset(torch.zeros(4, 4), torch.arange(4) % 2), recipe, until_epoch=1)
        >>> load_trained_weights(other, training.state)
        >>> torch.equal(one(torch.ones(1, 4))[-1], other(torch.ones(1, 4))[-1])
        True
    """
    own, stored = _own_tensors(network), _under(state, "network.")
    if {name: tensor.shape for name, tensor in own.items()} != {n: t.shape for n, t in stored.items()}:
        raise ValueError("training state is not of this network: names or shapes differ")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(stored[name])


def _own_tensors(network: Network) -> dict[str, Tensor]:
    """Parameters and persistent buffers by their first name; parts and taps of a network share them."""
    named: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in network.state_dict(keep_vars=True).items():
        named.setdefault(id(tensor), (name, tensor))
    return dict(named.values())


def _under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}


def _batch_sizes(samples: int, batch_size: int) -> list[int]:
    full, left_over = divmod(samples, batch_size)
    if left_over == 1 and full > 0:
        return [batch_size] * (full - 1) + [batch_size + 1]
    return [batch_size] * full + [left_over] * (left_over > 0)


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


def joint_loss(
    logits: list[Tensor],
    labels: Tensor,
    exit_weights: Sequence[float],
    output_weight: float,
    class_weights: Tensor | None = None,
) -> Tensor:
    """Weighted sum of cross-entropies; ``logits`` are the exits' in order, then the backbone's.

    With ``class_weights`` (classes,) each cross-entropy is the weighted mean over the batch.

    Example:
        >>> same = torch.zeros(1, 2)  # both classes are equally likely: a cross-entropy of log 2
        >>> joint_loss([same, same], torch.tensor([0]), exit_weights=[0.5], output_weight=1.0)
        tensor(1.0397)
    """
    *exits, output = logits
    loss = output_weight * F.cross_entropy(output, labels, class_weights)
    for exit_logits, weight in zip(exits, exit_weights, strict=True):
        if weight > 0:
            loss = loss + weight * F.cross_entropy(exit_logits, labels, class_weights)
    return loss
