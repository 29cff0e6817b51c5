"""Augmentations of training batches: a registry by name, and those that come with the explorer.

Shapes: B samples, C channels, H and W pixels, L time steps. Inputs are normalised, so a zero is the mean of
the training subset. Everything runs on the batch's device.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

IMAGES, SERIES = 4, 3  # axes of a batch; flat features have 2


@dataclass(frozen=True)
class Batch:
    """Samples of one step.

    Attributes:
        inputs: Shape (B, ...), normalised.
        labels: Classes (B,), or a probability of each class (B, classes).
        num_classes: Of the data.

    Example:
        >>> batch = Batch(torch.zeros(2, 8), torch.tensor([1, 0]), num_classes=2)
        >>> batch.probabilities.tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """

    inputs: Tensor
    labels: Tensor
    num_classes: int

    @property
    def probabilities(self) -> Tensor:
        """Labels as a probability of each class, shape (B, classes)."""
        if self.labels.dim() == 2:
            return self.labels
        return F.one_hot(self.labels, self.num_classes).to(self.inputs.dtype)


@dataclass(frozen=True)
class Option:
    """What an option of an augmentation may be: ``low <= value <= high``, whole where its default is.

    Example:
        >>> Option(default=0.5, high=1.0).low
        0.0
    """

    default: float
    low: float = 0.0
    high: float = float("inf")


Augmentation = Callable[..., Batch]


@dataclass(frozen=True)
class Registered:
    """An augmentation that spaces may name.

    Attributes:
        function: Takes a batch, a generator on its device, and the options by name; gives another batch.
        options: By name.
        axes: Of the batches it is for; 0 for any.

    Example:
        >>> AUGMENTATIONS["cutout"].options["size"].default
        8
    """

    function: Augmentation
    options: Mapping[str, Option]
    axes: int


AUGMENTATIONS: dict[str, Registered] = {}


def augmentation(name: str, axes: int = 0, **options: Option) -> Callable[[Augmentation], Augmentation]:
    """Register a function as the augmentation ``name``; from then on spaces may ask for it.

    Args:
        name: As spaces say it.
        axes: Of the batches it is for, 4 for images (B, C, H, W), 3 for series (B, C, L); 0 for any.
        options: What may be said of it.

    Example:
        >>> augmentation("cutout")(lambda batch, generator: batch)
        Traceback (most recent call last):
            ...
        ValueError: augmentation 'cutout' is registered already
    """

    def register(function: Augmentation) -> Augmentation:
        if name in AUGMENTATIONS:
            raise ValueError(f"augmentation {name!r} is registered already")
        AUGMENTATIONS[name] = Registered(function, options, axes)
        return function

    return register


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(count, generator=generator, device=generator.device)
    return low + (high - low) * drawn


def _whole(count: int, below: int, generator: torch.Generator) -> Tensor:
    return torch.randint(below, (count, 1), generator=generator, device=generator.device)


@augmentation("crop_and_flip", IMAGES, pixels=Option(4), flip=Option(0.5, high=1.0))
def _crop_and_flip(batch: Batch, generator: torch.Generator, pixels: int, flip: float) -> Batch:
    """Pad by so many pixels, cut out a window at random, mirror with this probability (He et al., 2016)."""
    images, device = batch.inputs, batch.inputs.device
    count, channels, height, width = images.shape
    top, left = (_whole(count, 2 * pixels + 1, generator) for _ in range(2))
    columns = torch.arange(width, device=device).expand(count, width)
    mirrored = _uniform(count, 0.0, 1.0, generator)[:, None] < flip
    columns = torch.where(mirrored, width - 1 - columns, columns) + left
    rows = torch.arange(height, device=device) + top
    places = (rows[:, :, None] * (width + 2 * pixels) + columns[:, None, :]).view(count, 1, -1)
    padded = F.pad(images, [pixels] * 4).flatten(2)
    taken = padded.gather(2, places.expand(count, channels, -1))
    return replace(batch, inputs=taken.view(images.shape))


@augmentation("cutout", IMAGES, size=Option(8, low=1))
def _cutout(batch: Batch, generator: torch.Generator, size: int) -> Batch:
    """Blank one square, which may reach over the edge (DeVries and Taylor, arXiv 1708.04552)."""
    count, _, height, width = batch.inputs.shape
    rows, columns = (
        _inside(extent, _whole(count, extent, generator) - size // 2, size) for extent in (height, width)
    )
    blank = rows[:, None, :, None] & columns[:, None, None, :]
    return replace(batch, inputs=batch.inputs.masked_fill(blank, 0.0))


def _inside(extent: int, start: Tensor, length: Tensor | int) -> Tensor:
    """Whether places lie in [start, start + length), shape (B, extent)."""
    places = torch.arange(extent, device=start.device)
    return (places >= start) & (places < start + length)


@augmentation("mixup", alpha=Option(0.2, low=0.01))
def _mixup(batch: Batch, generator: torch.Generator, alpha: float) -> Batch:
    """Mix each sample and label with another's, by a share ~ Beta(alpha, alpha) (Zhang et al., 2018)."""
    share = _beta(alpha, generator)
    others = torch.randperm(len(batch.inputs), generator=generator, device=generator.device)
    labels = batch.probabilities
    return replace(
        batch,
        inputs=torch.lerp(batch.inputs[others], batch.inputs, share.to(batch.inputs.dtype)),
        labels=torch.lerp(labels[others], labels, share.to(labels.dtype)),
    )


def _beta(alpha: float, generator: torch.Generator) -> Tensor:
    """One draw of Beta(alpha, alpha), from two Gamma draws; shape ()."""
    shape = torch.full((2,), alpha, dtype=torch.float64, device=generator.device)
    gamma = torch._standard_gamma(shape, generator=generator)
    return gamma[0] / gamma.sum().clamp(min=torch.finfo(gamma.dtype).tiny)


@augmentation("shift", SERIES, steps=Option(8, low=1))
def _shift(batch: Batch, generator: torch.Generator, steps: int) -> Batch:
    """Move each series in time by up to so many steps, either way; what is left free is the mean."""
    count, channels, length = batch.inputs.shape
    start = _whole(count, 2 * steps + 1, generator)
    places = (torch.arange(length, device=batch.inputs.device) + start)[:, None, :]
    moved = F.pad(batch.inputs, [steps] * 2).gather(2, places.expand(count, channels, length))
    return replace(batch, inputs=moved)


@augmentation("scale", std=Option(0.1))
def _scale(batch: Batch, generator: torch.Generator, std: float) -> Batch:
    """Multiply each sample by a factor ~ N(1, std^2)."""
    count, axes = len(batch.inputs), batch.inputs.dim()
    factors = 1 + std * torch.randn(count, *[1] * (axes - 1), generator=generator, device=generator.device)
    return replace(batch, inputs=batch.inputs * factors)


@augmentation("noise", std=Option(0.1))
def _noise(batch: Batch, generator: torch.Generator, std: float) -> Batch:
    """Add noise ~ N(0, std^2) to every value; the data's own standard deviation is 1."""
    drawn = torch.randn(batch.inputs.shape, generator=generator, device=generator.device)
    return replace(batch, inputs=batch.inputs + std * drawn)


@augmentation("time_mask", SERIES, length=Option(8, low=1))
def _time_mask(batch: Batch, generator: torch.Generator, length: int) -> Batch:
    """Blank a run of time steps, of a length drawn up to this (Park et al., SpecAugment, 2019)."""
    count, _, extent = batch.inputs.shape
    lengths = _whole(count, length + 1, generator)
    start = _whole(count, extent, generator)
    return replace(batch, inputs=batch.inputs.masked_fill(_inside(extent, start, lengths)[:, None, :], 0.0))
