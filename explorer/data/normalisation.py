"""From values of a source to inputs: the mean and deviation of the training subset, or others, taken off.

Done in float64, a bounded number of samples at a time.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from explorer.data.archives import Array
from explorer.data.division import IndexArray
from explorer.data.sources import RawData
from explorer.errors import UserError
from explorer.utils.numbers import shown

Scaling = Literal["train", "none"]
GivenMoments = tuple[Sequence[float], Sequence[float]]  # mean, std

_CHUNK, _CHUNK_VALUES = 1024, 2**24  # samples and values normalised at once; bounds the float64 copies


@dataclass(frozen=True, eq=False)
class Normalisation:
    """From values of the source to inputs: ``(value / divisor - mean) / std``, in float64, then float32.

    Large offsets lose no digits so, and every device gives the same bits.

    Attributes:
        divisor, mean, std: float64, shapes that broadcast over a batch.

    Example:
        >>> normalise = Normalisation.of(255.0, np.full((1, 1), 0.5), np.full((1, 1), 0.25))
        >>> normalise(torch.tensor([[0], [255]], dtype=torch.uint8)).tolist()
        [[-2.0], [2.0]]
    """

    divisor: Tensor
    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, divisor: float, mean: Any, std: Any) -> "Normalisation":
        """With numbers and arrays."""
        values = (np.array(value, dtype=np.float64) for value in (divisor, mean, std))
        return cls(*(torch.from_numpy(value) for value in values))

    def to(self, device: torch.device) -> "Normalisation":
        """The same on another device."""
        return Normalisation(self.divisor.to(device), self.mean.to(device), self.std.to(device))

    def __call__(self, samples: Tensor) -> Tensor:
        """Inputs of samples (B, ...)."""
        values = samples.to(torch.float64, copy=True)
        return values.div_(self.divisor).sub_(self.mean).div_(self.std).float()


def chunks(inputs: Array, indices: IndexArray) -> Iterator[IndexArray]:
    """The chosen samples, a bounded number at a time.

    Example:
        >>> [len(chosen) for chosen in chunks(np.zeros((3000, 2)), np.arange(2500))]
        [1024, 1024, 452]
    """
    size = max(1, min(_CHUNK, _CHUNK_VALUES // math.prod(inputs.shape[1:])))
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


def normalised(inputs: Array, indices: IndexArray, normalisation: Normalisation) -> Tensor:
    """Inputs of the chosen samples, all at once.

    Example:
        >>> normalised(np.array([[0], [4], [2]]), np.array([2, 0]), Normalisation.of(2.0, 1.0, 0.5)).tolist()
        [[0.0], [-2.0]]
    """
    found, done = torch.empty((len(indices), *inputs.shape[1:]), dtype=torch.float32), 0
    for chosen in chunks(inputs, indices):
        found[done : done + len(chosen)] = normalisation(torch.from_numpy(inputs[chosen].astype(np.float64)))
        done += len(chosen)
    return found


def scaling(raw: RawData, train: IndexArray, normalise: Scaling | GivenMoments) -> tuple[Array, Array]:
    """Mean and standard deviation that inputs are normalised with.

    Args:
        raw: Whose training samples say how many channels there are.
        train: Those that were chosen.
        normalise: As of :func:`explorer.data.dataset.load_data`.

    Returns:
        Two arrays that broadcast over samples: shape (1, C, 1, 1), (1, C, 1), (1, F), or (1, 1) for uint8
        features.

    Raises:
        UserError: The numbers given are too few or too many, or leave values that float32 does not hold.

    Example:
        >>> from explorer.data.checks import checked
        >>> from explorer.data.sources import read_source
        >>> raw = checked(read_source("digits", data_dir=None), "images")
        >>> scaling(raw, np.arange(9), ([0.5], [0.25]))[0].tolist()
        [[[[0.5]]]]
    """
    own = moments(raw.x_train, train)
    if normalise == "train":
        return own
    if normalise == "none":
        return np.zeros_like(own[0]), np.ones_like(own[1])
    given = [np.asarray(values, dtype=np.float64) for values in normalise]
    channels = own[0].size
    for name, values in zip(("mean", "std"), given, strict=True):
        if values.size not in (1, channels):
            raise UserError(
                f"{raw.name}: data.normalise.{name} must have {channels} numbers, one per channel, or a "
                f"single one, got {values.size}"
            )
    mean, std = (np.broadcast_to(values, (channels,)).reshape(own[0].shape) for values in given)
    with np.errstate(over="ignore"):
        if not ((1 + abs(mean)) / std <= np.finfo(np.float32).max).all():
            raise UserError(
                f"{raw.name}: data.normalise must leave values that float32 holds, got mean "
                f"{shown(mean.ravel().tolist())} and std {shown(std.ravel().tolist())}"
            )
    return mean, std


def moments(inputs: Array, indices: IndexArray) -> tuple[Array, Array]:
    """Mean and standard deviation of the chosen samples, by channel, in float64, as :func:`scaling` has them.

    Example:
        >>> mean, std = moments(np.array([[0.0, 3.0], [2.0, 3.0], [9.0, 9.0]]), np.array([0, 1]))
        >>> mean.tolist(), std.tolist()  # a constant is not scaled
        ([[1.0, 3.0]], [[1.0, 1.0]])
    """
    shared = inputs.ndim == 2 and inputs.dtype == np.uint8
    axes = tuple(axis for axis in range(inputs.ndim) if axis != 1 or shared)
    count = len(indices) * math.prod(inputs.shape[axis] for axis in axes if axis != 0)
    total = sum(own.sum(axis=axes, keepdims=True) for own in _scaled(inputs, indices))
    mean = np.asarray(total / count)
    squares = sum(_squared(own, mean).sum(axis=axes, keepdims=True) for own in _scaled(inputs, indices))
    std = np.sqrt(squares / count)
    is_constant = std <= np.finfo(np.float32).eps * np.abs(mean)  # nothing but rounding
    return mean, np.where(is_constant, 1.0, std)


def _scaled(inputs: Array, indices: IndexArray) -> Iterator[npt.NDArray[np.float64]]:
    """Chunks as float64, uint8 scaled to [0, 1]."""
    divisor = 255.0 if inputs.dtype == np.uint8 else 1.0
    for chosen in chunks(inputs, indices):
        values = inputs[chosen].astype(np.float64)
        values /= divisor
        yield values


def _squared(chunk: npt.NDArray[np.float64], mean: Array) -> npt.NDArray[np.float64]:
    """Squared differences from the mean, in place of the chunk."""
    chunk -= mean
    return np.square(chunk, out=chunk)
