"""Joint training of a backbone and all its early exits, in one straight loop that stops at checkpoints."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor

from explorer.core.batch_loss import BatchLoss, Teacher
from explorer.core.bottleneck import BOTTLENECK
from explorer.core.device import CPU, FUSED, drawing_from
from explorer.core.fake_quantisation import FakeQuantisation
from explorer.core.learning_curve import accuracies, checked_epochs, checked_samples
from explorer.core.network import Network
from explorer.core.recipe import Recipe
from explorer.core.training_record import TrainingRecord
from explorer.core.training_state import restore, training_state
from explorer.data.dataset import Subset


class TrainingFailedError(RuntimeError):
    """Training cannot go on; the message is the reason shown to the user."""


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
    *,
    validation: Subset | None = None,
    teacher: Teacher | None = None,
) -> Training:
    """Train all parameters of ``network`` jointly; leaves it in eval mode.

    Training may stop early and go on later, also in another process. With the same data and number of threads
    the weights are then the same, bit for bit, as without the stop.

    Args:
        network: As built; its weights come from ``state`` where one is given.
        data: Training subset, on the device of the network. Nothing waits for the device within an epoch.
        recipe: Learning rates follow its epochs, wherever training stops.
        until_epoch: Stop after so many epochs, counted from the first; None for all.
        state: What an earlier call left.
        validation: Whose first samples show how the quality grows, see
            :class:`explorer.core.learning_curve.LearningCurve`; None: nobody looks. No weight depends on
            them.
        teacher: Gives logits for inputs; where the recipe has a teacher.

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
    # dropout draws from torch's global generators
    with drawing_from(recipe.seed, data.device), network.laid_out(data) as laid_out:
        until_epoch = recipe.total_epochs if until_epoch is None else until_epoch
        return _train(network, laid_out, recipe, until_epoch, state, validation, teacher)


def _train(
    network: Network,
    data: Subset,
    recipe: Recipe,
    until_epoch: int,
    state: dict[str, Tensor] | None,
    validation: Subset | None,
    teacher: Teacher | None,
) -> Training:
    start = time.perf_counter()
    order = torch.Generator().manual_seed(recipe.seed)  # one order on every device
    optimiser = _optimiser(network, recipe, fused=data.device.type in FUSED)
    so_far = TrainingRecord(0, 0, 0.0, 0.0) if state is None else restore(state, network, optimiser, order)
    if not so_far.epochs < until_epoch <= recipe.total_epochs:
        limits = f"`{so_far.epochs} < until_epoch <= {recipe.total_epochs}`"
        raise ValueError(f"{limits} must hold, got {until_epoch=}")
    sizes = _batch_sizes(len(data), recipe.batch_size)
    batch_loss = BatchLoss(network, data, recipe, teacher)
    looked_at = _looked_at(recipe, len(data), validation)
    steps, curve = so_far.steps, so_far.curve
    for epoch in range(so_far.epochs, until_epoch):
        epoch_loss = torch.zeros((), device=data.device)
        rounding = FakeQuantisation(network).rounding if recipe.quantises(epoch) else nullcontext
        with _mode_of_training(network, recipe.freezes(epoch)):
            order_of_samples = torch.randperm(len(data), generator=order, device=CPU)
            order_of_samples = order_of_samples.to(data.index_device)
            for number, samples in enumerate(order_of_samples.split(sizes)):
                optimiser.param_groups[0]["lr"] = recipe.learning_rate_at(epoch, number, len(sizes))
                optimiser.zero_grad()
                with rounding():
                    loss = batch_loss(samples, epoch * len(sizes) + number)
                    if loss.requires_grad:
                        loss.backward()
                if loss.requires_grad:
                    _step(optimiser, recipe.gradient_clip)
                    steps += 1
                epoch_loss += loss.detach() * len(samples)
        mean_loss = epoch_loss.item() / len(data)
        if not isfinite(mean_loss):
            raise TrainingFailedError(
                f"diverged: loss {mean_loss} in epoch {epoch + 1} of {recipe.total_epochs}"
            )
        curve = curve.after(mean_loss)
        if looked_at is not None and epoch + 1 in checked_epochs(recipe.total_epochs):
            shares = accuracies(network, looked_at)
            curve = curve.checked(len(looked_at), network.exit_names, shares)
    network.eval()
    seconds = so_far.seconds + time.perf_counter() - start
    record = TrainingRecord(until_epoch, steps, seconds, mean_loss, curve)
    complete = until_epoch == recipe.total_epochs
    return Training(record, None if complete else training_state(record, network, optimiser, order))


def _optimiser(network: Network, recipe: Recipe, fused: bool) -> torch.optim.Optimizer:
    own, rate, decay = network.parameters(), recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(own, lr=rate, momentum=recipe.momentum, weight_decay=decay, fused=fused)
    return torch.optim.AdamW(own, lr=rate, weight_decay=decay, fused=fused)


def _step(optimiser: torch.optim.Optimizer, largest_norm: float) -> None:
    if largest_norm > 0:
        torch.nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], largest_norm)
    optimiser.step()


def _looked_at(recipe: Recipe, train_samples: int, validation: Subset | None) -> Subset | None:
    """The validation samples that show how the quality grows; None where too few are affordable."""
    if validation is None:
        return None
    samples = checked_samples(recipe.total_epochs, train_samples, len(validation))
    return validation.head(samples) if samples else None


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


def _batch_sizes(samples: int, batch_size: int) -> list[int]:
    full, left_over = divmod(samples, batch_size)
    if left_over == 1 and full > 0:
        return [batch_size] * (full - 1) + [batch_size + 1]
    return [batch_size] * full + [left_over] * (left_over > 0)
