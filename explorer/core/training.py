"""Joint training of a backbone and all its exit classifiers, in one straight loop."""

import time
from dataclasses import dataclass
from math import cos, pi
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from explorer.core.network import Network
from explorer.data import Subset

Precision = Literal["float32", "bfloat16"]


class TrainingFailedError(RuntimeError):
    """Training cannot go on; the message is the reason shown to the user."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Attributes:
        epochs: Passes over the training subset.
        batch_size: Samples per step; a last incomplete batch is trained too, a single sample left over joins
            the batch before it (batch normalisation cannot learn from one).
        learning_rate: Peak rate of AdamW; follows half a cosine down to zero.
        weight_decay: Decoupled decay, over kept weights only since no others exist.
        exit_loss_weight: Weight of each exit's cross-entropy (joint loss of BranchyNet, ICPR 2016).
        output_loss_weight: Weight of the backbone's own cross-entropy.
        seed: Initial weights, order of samples, dropout and placement of connections.
        precision: Of forward products; weights, gradients and optimiser stay float32 (autocast).
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    exit_loss_weight: float
    output_loss_weight: float
    seed: int
    precision: Precision = "float32"


@dataclass(frozen=True)
class TrainingRecord:
    """What training took. ``seconds`` is measured; the loss is the mean over the last epoch."""

    epochs: int
    steps: int
    seconds: float
    final_loss: float


def train(network: Network, data: Subset, recipe: Recipe) -> TrainingRecord:
    """Train all parameters of ``network`` jointly; leaves it in eval mode.

    Raises:
        TrainingFailedError: The loss became infinite or NaN.
    """
    with torch.random.fork_rng(devices=[]):  # dropout draws from torch's global generator
        torch.manual_seed(recipe.seed)
        return _train(network, data, recipe)


def _train(network: Network, data: Subset, recipe: Recipe) -> TrainingRecord:
    start = time.perf_counter()
    order = torch.Generator().manual_seed(recipe.seed)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    sizes = _batch_sizes(len(data), recipe.batch_size)
    total_steps, step, mean_loss = recipe.epochs * len(sizes), 0, 0.0
    inputs = data.inputs
    if inputs.dim() == 4:  # measured on CPU: a training step of a small CNN takes 0.7 of the time
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.train()
    for epoch in range(recipe.epochs):
        epoch_loss = torch.zeros(())
        for batch in torch.randperm(len(data), generator=order).split(sizes):
            optimiser.param_groups[0]["lr"] = recipe.learning_rate * (1 + cos(pi * step / total_steps)) / 2
            with torch.autocast(inputs.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
                loss = joint_loss(network(inputs[batch]), data.labels[batch], recipe)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            epoch_loss += loss.detach() * len(batch)
            step += 1
        mean_loss = epoch_loss.item() / len(data)
        if not torch.isfinite(epoch_loss):
            raise TrainingFailedError(f"diverged: loss {mean_loss} in epoch {epoch + 1} of {recipe.epochs}")
    network.to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
    return TrainingRecord(recipe.epochs, step, time.perf_counter() - start, mean_loss)


def _batch_sizes(samples: int, batch_size: int) -> list[int]:
    full, left_over = divmod(samples, batch_size)
    if left_over == 1 and full > 0:
        return [batch_size] * (full - 1) + [batch_size + 1]
    return [batch_size] * full + [left_over] * (left_over > 0)


def joint_loss(logits: list[Tensor], labels: Tensor, recipe: Recipe) -> Tensor:
    """Weighted sum of cross-entropies; ``logits`` are the exits' in order, then the backbone's."""
    *exits, output = logits
    loss = recipe.output_loss_weight * F.cross_entropy(output, labels)
    if recipe.exit_loss_weight > 0:
        for exit_logits in exits:
            loss = loss + recipe.exit_loss_weight * F.cross_entropy(exit_logits, labels)
    return loss
