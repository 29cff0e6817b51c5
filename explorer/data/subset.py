"""Samples with labels, as a training or a measurement takes them: in batches, normalised, on its device.

Samples stay as their source has them where that is smaller or lies in a file, and each batch is normalised
when it is taken. The numbers are the same as if all had been normalised first: in float64, then rounded once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explorer.data.mapped import MappedArray, as_tensor

_HOST = torch.device("cpu")
_CHUNK_BYTES = 2**24  # copied at once to another device
_DEVICE_SHARE = 0.5  # of a device's free memory that samples may take; larger ones stay where they are


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


@dataclass(frozen=True, eq=False)
class Subset:
    """Samples of one subset.

    Attributes:
        samples: Inputs, float32, shape (N, ...); or samples (M, ...) as their source has them.
        labels: int64, shape (N,), values 0 .. num_classes - 1.
        rows: Which of ``samples`` these are, int64 (N,); None: all, in their order.
        normalisation: What makes inputs of ``samples``; None where they are inputs already.
        device: Where batches are given; ``samples`` too large for a device stay where they are.
        channels_last: Whether batches of images are given in this memory format.
        mapped: The file in which ``samples`` lie, if they do.

    Example:
        >>> subset = Subset(torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, 2, 1]))
        >>> len(subset), subset.inputs.shape
        (4, torch.Size([4, 1, 8, 8]))
        >>> pixels = torch.tensor([[0], [255], [51]], dtype=torch.uint8)
        >>> scaled = Normalisation.of(255.0, np.zeros((1, 1)), np.ones((1, 1)))
        >>> Subset(pixels, torch.tensor([1, 0]), torch.tensor([1, 2]), scaled).inputs.flatten().tolist()
        [1.0, 0.20000000298023224]
    """

    samples: Tensor
    labels: Tensor
    rows: Tensor | None = None
    normalisation: Normalisation | None = None
    device: torch.device = _HOST
    channels_last: bool = False
    mapped: MappedArray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def inputs(self) -> Tensor:
        """All inputs at once, float32: as large as that is. Batches need less."""
        if self.rows is None and self.normalisation is None:
            return self.samples
        return self._inputs(slice(None))

    @property
    def index_device(self) -> torch.device:
        """Where the numbers of samples belong that :meth:`take` is asked for."""
        return self.labels.device

    def take(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and labels of some samples.

        Args:
            which: Their numbers, int64 (B,), on :attr:`index_device`.
        """
        return self._inputs(which), self.labels[which].to(self.device)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and labels in their order, so many at a time."""
        for start in range(0, len(self), size):
            some = slice(start, start + size)
            yield self._inputs(some), self.labels[some].to(self.device)

    def first(self, count: int) -> Tensor:
        """Inputs of the first samples."""
        return self._inputs(slice(0, count))

    def _inputs(self, which: "Tensor | slice") -> Tensor:
        samples = self.samples[which if self.rows is None else self.rows[which]]
        samples = samples.to(self.device, non_blocking=True)
        if self.rows is None and self.normalisation is None:
            return samples  # laid out already
        inputs = samples if self.normalisation is None else self.normalisation(samples)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return inputs.contiguous(memory_format=layout)

    def head(self, count: int) -> "Subset":
        """The first samples alone."""
        labels = self.labels[:count]
        if self.rows is not None:
            return replace(self, labels=labels, rows=self.rows[:count])
        return replace(self, samples=self.samples[:count], labels=labels, mapped=None)

    def without_samples(self) -> "Subset":
        """None of them, in the same form."""
        return replace(self, samples=self.samples[:0].clone(), labels=self.labels[:0], rows=None, mapped=None)

    def compact(self) -> "Subset":
        """With a copy of its own samples alone."""
        if self.rows is None:
            return replace(self, mapped=None)
        return replace(self, samples=self.samples[self.rows], rows=None, mapped=None)

    def laid_out(self, channels_last: bool) -> "Subset":
        """With images in this memory format, laid out once where inputs are held as they are."""
        if not channels_last:
            return self
        if self.rows is None and self.normalisation is None:
            return replace(self, samples=self.samples.contiguous(memory_format=torch.channels_last))
        return replace(self, channels_last=True)

    def to(self, device: torch.device) -> "Subset":
        """On a device: its samples lie there once, if they fit, and batches are sliced there."""
        if device == self.device:
            return self
        normalisation = None if self.normalisation is None else self.normalisation.to(device)
        there = replace(self, normalisation=normalisation, device=device)
        if self.sample_bytes > _DEVICE_SHARE * free_bytes(device):
            return there
        samples = torch.empty((len(self), *self.samples.shape[1:]), dtype=self.samples.dtype, device=device)
        per_chunk = max(1, _CHUNK_BYTES // max(1, self.sample_bytes // max(1, len(self))))
        for start in range(0, len(self), per_chunk):
            some = slice(start, start + per_chunk)
            samples[some] = self.samples[some if self.rows is None else self.rows[some]].to(device)
        return replace(there, samples=samples, labels=self.labels.to(device), rows=None, mapped=None)

    @property
    def sample_bytes(self) -> int:
        """Bytes of its samples, as they are held."""
        return len(self) * self.samples[:1].numel() * self.samples.element_size()

    def __reduce__(self) -> tuple[Callable[..., "Subset"], tuple[Any, ...]]:
        """Pickled: a file is named, and what is in memory may travel beside the pickle (protocol 5)."""
        how = {name: getattr(self, name) for name in ("normalisation", "device", "channels_last", "mapped")}
        if self.mapped is not None:
            return _again, (None, (), self.labels, self.rows, how)
        # in the order in which values lie: only contiguous arrays travel beside a pickle
        strides = self.samples.stride()
        order = sorted(range(len(strides)), key=lambda axis: -strides[axis])
        return _again, (self.samples.permute(order).numpy(), tuple(order), self.labels, self.rows, how)


def _again(
    array: Any, order: tuple[int, ...], labels: Tensor, rows: Tensor | None, how: dict[str, Any]
) -> Subset:
    mapped: MappedArray | None = how["mapped"]
    if mapped is not None:
        return Subset(as_tensor(mapped.open()), labels, rows, **how)
    inverse = sorted(range(len(order)), key=order.__getitem__)
    return Subset(as_tensor(array).permute(inverse), labels, rows, **how)


def free_bytes(device: torch.device) -> float:
    """Memory that is free on a device, as far as torch knows; without limit elsewhere.

    Example:
        >>> free_bytes(torch.device("cpu"))
        inf
    """
    return float(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else float("inf")
