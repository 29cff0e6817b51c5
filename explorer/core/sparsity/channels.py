"""Channels gathered for the groups of a ``block`` convolution in training, in their own memory format.

``index_select`` puts channels first in memory whatever it gets, and its gradient adds up channel by channel.
Every operator behind it then meets tensors of two formats, and copies or crawls: in DS-CNN at density 1/4
this took more time than all convolutions (``benchmarks.training_speed``). Here pixels, rows of channels, are
gathered, and so is the gradient: each channel is read a fixed number of times.
"""

from typing import Any

import torch
from torch import Tensor


def reading_places(channels: Tensor, count: int) -> Tensor:
    """Where each of ``count`` channels is read, shape (k, count).

    Args:
        channels: Each channel k times, in the order in which they are read, shape (k * count,).
        count: Channels there are.

    Example:
        >>> reading_places(torch.tensor([0, 1, 1, 2, 2, 0]), count=3)
        tensor([[0, 1, 3],
                [5, 2, 4]])
    """
    return channels.argsort(stable=True).view(count, -1).t().contiguous()


def gather_channels(x: Tensor, channels: Tensor, places: Tensor) -> Tensor:
    """``x.index_select(1, channels)`` in the memory format of ``x``, which its gradient has as well.

    Args:
        x: Shape (N, C, ...).
        channels: Which to take, in order; each k times.
        places: Of :func:`reading_places`.

    Example:
        >>> channels = torch.tensor([0, 1, 1, 2, 2, 0])
        >>> x = torch.tensor([[[5.0], [6.0], [7.0]]], requires_grad=True)
        >>> gathered = gather_channels(x, channels, reading_places(channels, count=3))
        >>> gathered.flatten().tolist()
        [5.0, 6.0, 6.0, 7.0, 7.0, 5.0]
        >>> gathered.backward(torch.tensor([[[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]]]))
        >>> x.grad.flatten().tolist()
        [7.0, 5.0, 9.0]
    """
    gathered: Tensor = _Gather.apply(x, channels, places)  # type: ignore[no-untyped-call]
    return gathered


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, channels: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        return _taken(x, channels)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (places,) = ctx.saved_tensors
        total = _taken(gradient, places[0])
        for others in places[1:]:
            total += _taken(gradient, others)
        return total, None, None


def _taken(x: Tensor, channels: Tensor) -> Tensor:
    if x.dim() != 4 or not x.is_contiguous(memory_format=torch.channels_last):
        return x.index_select(1, channels)
    rows = x.permute(0, 2, 3, 1)
    taken = rows.reshape(-1, x.shape[1]).index_select(1, channels)
    return taken.view(*rows.shape[:-1], -1).permute(0, 3, 1, 2)
