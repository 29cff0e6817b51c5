"""``block`` layers: batched or grouped dense products of the kept connections, without mask or index.

Shape suffixes: B batch, G groups, I/O input/output units (channels).
"""

from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from explorer.core.sparsity.base import ConvGeometry, DenseConv, SparseLayer, scattered_weight
from explorer.core.sparsity.block_product import block_product
from explorer.core.sparsity.channels import gather_channels, reading_places
from explorer.core.sparsity.patterns import block_shape, block_source_groups

Sources = NDArray[np.int64]  # input groups that each group of outputs reads, (g, k)

ASSEMBLED = 4096  # dense weights up to which overlapping Linear blocks train as one product
BY_HAND = 65_536  # kept weights above which Linear blocks train by a backward of their own
VECTOR_WIDTH = 8  # input channels below which convolution groups train merged
# Overlapping convolution groups train by themselves only where that beats one dense convolution.
OVERLAPPING_CHANNELS, OVERLAPPING_READS, OVERLAPPING_DENSITY = 64, 3, Fraction(1, 2)


class BlockLinear(SparseLayer):
    """``block`` Linear: g dense blocks of (k * inputs / g, outputs / g), one batched product.

    Input (..., inputs), output (..., outputs). k > 1 pays for gathering k input groups per block.
    ``interleaved`` input groups take every g-th unit, see
    :func:`explorer.core.sparsity.patterns.kept_connections`.
    ``sources`` says which input groups each block reads, where that is not the rule.

    In training samples come last in memory: a chain of such layers then copies nothing between products
    (``benchmarks.paper``: 800-240-240-10 at 1/16 takes 0.37 of the dense seconds). With more than ``BY_HAND``
    kept weights forward and backward are those of :mod:`explorer.core.sparsity.block_product`. Overlapping
    blocks of a junction of at most ``ASSEMBLED`` weights train faster as one dense product, since gathering
    dominates.

    Example:
        >>> layer = BlockLinear(nn.Linear(8, 4), Fraction(1, 2))
        >>> layer.weight_GIO.shape, layer(torch.zeros(3, 8)).shape
        (torch.Size([2, 4, 2]), torch.Size([3, 4]))
    """

    compact, kept = True, "weight_GIO"
    sources: Tensor | None
    positions: Tensor | None

    def __init__(
        self, dense: nn.Linear, density: Fraction, interleaved: bool = False, sources: Sources | None = None
    ) -> None:
        super().__init__(dense, "block", density)
        self.interleaved, self._sources_GK = interleaved, sources
        self.by_magnitude = sources is not None
        self.groups, reads = block_shape(density)
        fan_in = reads * self.inputs // self.groups
        self.weight_GIO = nn.Parameter(torch.empty(self.groups, fan_in, self.outputs // self.groups))
        self.by_hand = sources is None and self.num_weights > BY_HAND
        gathers = reads > 1 or sources is not None
        self.register_buffer("sources", self._source_index() if gathers else None, persistent=False)
        assembled = reads > 1 and self.inputs * self.outputs <= ASSEMBLED
        self.register_buffer("positions", self.kept_positions() if assembled else None, persistent=False)
        self.reset(self.weight_GIO)

    def forward(self, x: Tensor) -> Tensor:
        """Inputs (..., inputs) to (..., outputs)."""
        x_BI = x.reshape(-1, self.inputs)
        if not self.training:
            y_BO = self._samples_first(x_BI)
        elif self.positions is not None:
            weight_OI = scattered_weight(self.weight_GIO.flatten(), self.positions, self)
            y_BO = F.linear(x_BI, weight_OI, self.bias)
        elif self.by_hand:
            y_BO = block_product(x_BI, self.weight_GIO, self.bias, self.interleaved)
        else:
            y_BO = self._samples_last(x_BI)
        return y_BO.reshape(*x.shape[:-1], self.outputs)

    def _samples_first(self, x_BI: Tensor) -> Tensor:
        if self.interleaved:
            x_BGI = x_BI.reshape(-1, self.inputs // self.groups, self.groups).transpose(1, 2)
        else:
            x_BGI = x_BI.reshape(-1, self.groups, self.inputs // self.groups)
        if self.sources is not None:
            x_BGI = x_BGI.index_select(1, self.sources).reshape(x_BGI.shape[0], self.groups, -1)
        y_GBO = self._product(x_BGI.transpose(0, 1), self.weight_GIO, (self.groups, 1, -1))
        return y_GBO.transpose(0, 1).reshape(-1, self.outputs)

    def _samples_last(self, x_BI: Tensor) -> Tensor:
        x_GIB = self._grouped(x_BI.t())
        if self.sources is not None:
            x_GIB = x_GIB.index_select(0, self.sources).reshape(self.groups, -1, x_GIB.shape[-1])
        y_GOB = self._product(self.weight_GIO.transpose(1, 2), x_GIB, (self.groups, -1, 1))
        return y_GOB.reshape(self.outputs, -1).t()

    def _grouped(self, units: Tensor) -> Tensor:
        """Rows of ``units`` (inputs, ...) by input group, shape (g, inputs / g, ...)."""
        size = self.inputs // self.groups
        if self.interleaved:
            return units.reshape(size, self.groups, *units.shape[1:]).transpose(0, 1)
        return units.reshape(self.groups, size, *units.shape[1:])

    def _product(self, left: Tensor, right: Tensor, bias_shape: tuple[int, int, int]) -> Tensor:
        if self.bias is None:
            return torch.bmm(left, right)
        return torch.baddbmm(self.bias.view(bias_shape), left, right)

    def _source_index(self) -> Tensor:
        return source_index(self.density, self._sources_GK)

    def kept_positions(self) -> Tensor:
        """In the flat dense weight (outputs, inputs)."""
        units_GI = self._grouped(torch.arange(self.inputs))
        units_GI = units_GI[self._source_index()].reshape(self.groups, -1)
        outputs_GO = torch.arange(self.outputs).view(self.groups, -1)
        return (outputs_GO[:, None, :] * self.inputs + units_GI[:, :, None]).flatten()


class BlockConv(SparseLayer):
    """``block`` convolution (1-D or 2-D): a grouped convolution with g groups.

    k > 1 and ``interleaved`` gather channels first. Groups of fewer input channels than a vector register
    holds train as wider groups, their weights on the diagonal: at 1/16, 32 -> 64 channels at 28x28 would be
    slower than dense without (``benchmarks.sparse_layers``). Overlapping groups (k > 1) of few channels, or
    many of them, train as one dense convolution: gathering and adding up gradients would take up to 16 times
    as long as that.

    Example:
        >>> layer = BlockConv(nn.Conv2d(8, 16, 3, padding=1), Fraction(1, 4))
        >>> layer.weight.shape, layer(torch.zeros(1, 8, 5, 5)).shape
        (torch.Size([16, 2, 3, 3]), torch.Size([1, 16, 5, 5]))
    """

    compact, kept = True, "weight"
    sources: Tensor | None
    places: Tensor | None
    positions: Tensor | None

    def __init__(
        self, dense: DenseConv, density: Fraction, interleaved: bool = False, sources: Sources | None = None
    ) -> None:
        super().__init__(dense, "block", density)
        self.interleaved, self.by_magnitude = interleaved, sources is not None
        self.groups, reads = block_shape(density)
        self.geometry = ConvGeometry(dense)
        fan_in = reads * self.inputs // self.groups
        self.weight = nn.Parameter(torch.empty(self.outputs, fan_in, *dense.kernel_size))
        self.merged = next(
            merged
            for merged in range(1, self.groups + 1)
            if self.groups % merged == 0 and (merged * fan_in >= VECTOR_WIDTH or merged == self.groups)
        )
        order = (
            torch.arange(self.inputs).view(-1, self.groups).T if interleaved else torch.arange(self.inputs)
        )
        channels_GI = order.reshape(self.groups, -1)[source_index(density, sources)].reshape(self.groups, -1)
        self._channels_GI = channels_GI
        gathers = reads > 1 or interleaved or sources is not None
        places_KI = reading_places(channels_GI.flatten(), self.inputs) if gathers else None
        self.register_buffer("sources", channels_GI.flatten() if gathers else None, persistent=False)
        self.register_buffer("places", places_KI, persistent=False)
        assembled = reads > 1 and (
            self.inputs < OVERLAPPING_CHANNELS or reads > OVERLAPPING_READS or density > OVERLAPPING_DENSITY
        )
        self.register_buffer("positions", self.kept_positions() if assembled else None, persistent=False)
        self.reset(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Inputs (N, inputs, ...) to (N, outputs, ...)."""
        if self.training and self.positions is not None:
            kept = self.weight.reshape(-1, *self.weight.shape[2:])
            weight = scattered_weight(kept, self.positions, self)
            return self.geometry.convolve(x, weight, self.bias, groups=1)
        if self.sources is not None:
            x = self._gathered(x, self.sources)
        if self.training and self.merged > 1:
            weight = _on_diagonal(self.weight, self.groups, self.merged)
            return self.geometry.convolve(x, weight, self.bias, groups=self.groups // self.merged)
        return self.geometry.convolve(x, self.weight, self.bias, groups=self.groups)

    def _gathered(self, x: Tensor, sources: Tensor) -> Tensor:
        if self.training and self.places is not None:
            return gather_channels(x, sources, self.places)
        return x.index_select(1, sources)

    def kept_positions(self) -> Tensor:
        """Connections, by group, output and input, in the flat dense weight (outputs, inputs)."""
        outputs_GO = torch.arange(self.outputs).view(self.groups, -1)
        return (outputs_GO[:, :, None] * self.inputs + self._channels_GI[:, None, :]).flatten()


def _on_diagonal(weight: Tensor, groups: int, merged: int) -> Tensor:
    """Weights of ``groups`` groups as those of ``groups / merged`` wider ones, zero between the old groups.

    (outputs, fan_in, *kernel) becomes (outputs, merged * fan_in, *kernel).
    """
    outputs, fan_in, *kernel = weight.shape
    own = torch.eye(merged, dtype=weight.dtype, device=weight.device).view(
        merged, 1, merged, 1, *[1 for _ in kernel]
    )
    wide = weight.view(groups // merged, merged, outputs // groups, 1, fan_in, *kernel) * own
    return wide.reshape(outputs, merged * fan_in, *kernel)


def source_index(density: Fraction, sources: Sources | None) -> Tensor:
    """Input groups in the order the blocks read them, shape (g * k,); by rule where none are given.

    Example:
        >>> source_index(Fraction(2, 3), None)  # each of three blocks reads two groups
        tensor([0, 1, 1, 2, 2, 0])
    """
    return torch.from_numpy(block_source_groups(density) if sources is None else sources).reshape(-1)
