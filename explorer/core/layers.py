"""Linear and convolution layers that store only kept connections.

``Block*`` layers compute in compact form: a batched or grouped dense product, without mask or index.
``Scattered*`` layers (``structured``, ``random``) store the kept values alone and place them in a dense
weight to train: small files and optimiser state, dense compute on this host.

Shape suffixes: B batch, G groups, I/O input/output units (channels), K kept connections.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import prod, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.core.execution import LinearForms
from explorer.core.patterns import PatternName, block_shape, block_source_groups, kept_connections

DenseConv = nn.Conv1d | nn.Conv2d
DenseLayer = nn.Linear | DenseConv


class SparseLayer(nn.Module):
    """What every sparse layer tells: its pattern, exact density and multiply-accumulates.

    Attributes:
        inputs, outputs: Units (channels for convolutions).
        density: Kept / possible connections, exact.
        taps: Weights per kept connection (1 for Linear, kernel size for convolutions).
        compact: Whether the layer computes only its kept connections on this host.
    """

    compact: bool

    def __init__(self, dense: DenseLayer, pattern: PatternName, density: Fraction) -> None:
        super().__init__()
        self.pattern, self.density = pattern, density
        if isinstance(dense, nn.Linear):
            self.inputs, self.outputs, self.taps = dense.in_features, dense.out_features, 1
        else:
            self.inputs, self.outputs, self.taps = (
                dense.in_channels,
                dense.out_channels,
                prod(dense.kernel_size),
            )
        self.kept = int(density * self.inputs * self.outputs)
        self.bias = nn.Parameter(torch.empty(self.outputs)) if dense.bias is not None else None

    def macs(self, output_shape: Sequence[int]) -> int:
        """Multiply-accumulates of kept connections for one sample.

        Args:
            output_shape: Output shape without batch; a convolution applies its kernels at every position
                behind the channel axis, a Linear at every position before the feature axis.
        """
        positions = prod(output_shape) // self.outputs
        return self.kept * self.taps * positions

    def _reset(self, weight: nn.Parameter) -> None:
        """Uniform in +-1/sqrt(fan-in) as torch does for dense layers, with the real fan-in."""
        bound = 1 / sqrt(self.kept * self.taps / self.outputs)
        nn.init.uniform_(weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        return f"{self.inputs}, {self.outputs}, pattern={self.pattern}, density={self.density}"


class BlockLinear(SparseLayer):
    """``block`` Linear: g dense blocks of (k * inputs / g, outputs / g), one batched product.

    Input (..., inputs), output (..., outputs). k > 1 pays for gathering k input groups per block.
    ``interleaved`` input groups take every g-th unit, see :func:`explorer.core.patterns.kept_connections`.
    """

    compact = True
    sources: Tensor | None

    def __init__(self, dense: nn.Linear, density: Fraction, interleaved: bool = False) -> None:
        super().__init__(dense, "block", density)
        self.interleaved = interleaved
        self.groups, reads = block_shape(density)
        fan_in = reads * self.inputs // self.groups
        self.weight_GIO = nn.Parameter(torch.empty(self.groups, fan_in, self.outputs // self.groups))
        self.register_buffer("sources", _source_index(density) if reads > 1 else None, persistent=False)
        self._reset(self.weight_GIO)

    def forward(self, x: Tensor) -> Tensor:
        if self.interleaved:
            x_BGI = x.reshape(-1, self.inputs // self.groups, self.groups).transpose(1, 2)
        else:
            x_BGI = x.reshape(-1, self.groups, self.inputs // self.groups)
        if self.sources is not None:
            x_BGI = x_BGI.index_select(1, self.sources).reshape(x_BGI.shape[0], self.groups, -1)
        y_GBO = torch.bmm(x_BGI.transpose(0, 1), self.weight_GIO)
        y = y_GBO.transpose(0, 1).reshape(*x.shape[:-1], self.outputs)
        return y if self.bias is None else y + self.bias


class BlockConv(SparseLayer):
    """``block`` convolution (1-D or 2-D): a grouped convolution with g groups.

    k > 1 and ``interleaved`` gather channels first.
    """

    compact = True
    sources: Tensor | None

    def __init__(self, dense: DenseConv, density: Fraction, interleaved: bool = False) -> None:
        super().__init__(dense, "block", density)
        self.interleaved = interleaved
        self.groups, reads = block_shape(density)
        self.geometry = _ConvGeometry(dense)
        fan_in = reads * self.inputs // self.groups
        self.weight = nn.Parameter(torch.empty(self.outputs, fan_in, *dense.kernel_size))
        order = (
            torch.arange(self.inputs).view(-1, self.groups).T if interleaved else torch.arange(self.inputs)
        )
        channels = order.reshape(self.groups, -1)[_source_index(density)].reshape(-1)
        self.register_buffer("sources", channels if reads > 1 or interleaved else None, persistent=False)
        self._reset(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        if self.sources is not None:
            x = x.index_select(1, self.sources)
        return self.geometry.convolve(x, self.weight, self.bias, groups=self.groups)


class ScatteredLinear(SparseLayer):
    """Linear with freely placed connections; stores the kept values only. Input (..., inputs).

    In inference mode it runs in the form that is fastest for its shape and batch on this machine, see
    :mod:`explorer.core.execution`; training and export compute through a dense weight.
    """

    compact = False
    positions: Tensor

    def __init__(self, dense: nn.Linear, pattern: PatternName, density: Fraction, seed: int) -> None:
        super().__init__(dense, pattern, density)
        self.register_buffer("positions", _kept_index(self, seed), persistent=False)
        self.values_K = nn.Parameter(torch.empty(self.kept))
        self._reset(self.values_K)
        self._prepared: tuple[int, LinearForms] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_inference_mode_enabled() and not torch.compiler.is_compiling():
            return self.forms()(x)
        return F.linear(x, scattered_weight(self.values_K, self.positions, self), self.bias)

    def forms(self) -> LinearForms:
        """The forms of the product for the present values; prepared again after these change."""
        version = self.values_K._version
        if self._prepared is None or self._prepared[0] != version:
            weight = scattered_weight(self.values_K.detach(), self.positions, self)
            self._prepared = (version, LinearForms(weight, self.bias, repr(self)))
        return self._prepared[1]


class ScatteredConv(SparseLayer):
    """Convolution with freely placed kernels; stores the kept kernels only."""

    compact = False
    positions: Tensor

    def __init__(self, dense: DenseConv, pattern: PatternName, density: Fraction, seed: int) -> None:
        super().__init__(dense, pattern, density)
        self.geometry = _ConvGeometry(dense)
        self.register_buffer("positions", _kept_index(self, seed), persistent=False)
        self.values_K = nn.Parameter(torch.empty(self.kept, *dense.kernel_size))
        self._reset(self.values_K)

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.values_K.shape[1:]
        weight = self.values_K.new_zeros(self.outputs * self.inputs, *kernel)
        weight = weight.index_copy(0, self.positions, self.values_K)
        return self.geometry.convolve(x, weight.view(self.outputs, self.inputs, *kernel), self.bias, groups=1)


class _ConvGeometry:
    """Stride, padding and dilation of a dense convolution, applied to another weight."""

    def __init__(self, dense: DenseConv) -> None:
        self.function = F.conv1d if isinstance(dense, nn.Conv1d) else F.conv2d
        self.stride, self.padding, self.dilation = dense.stride, dense.padding, dense.dilation

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        return self.function(x, weight, bias, self.stride, self.padding, self.dilation, groups)


def _source_index(density: Fraction) -> Tensor:
    """Input groups in the order the blocks read them, shape (g * k,)."""
    return torch.from_numpy(block_source_groups(density)).reshape(-1)


def scattered_weight(values_K: Tensor, positions: Tensor, layer: SparseLayer) -> Tensor:
    """Kept values placed in a dense Linear weight (outputs, inputs); differentiable."""
    weight = values_K.new_zeros(layer.outputs * layer.inputs).index_copy(0, positions, values_K)
    return weight.view(layer.outputs, layer.inputs)


def _kept_index(layer: SparseLayer, seed: int) -> Tensor:
    return torch.from_numpy(kept_connections(layer.pattern, layer.inputs, layer.outputs, layer.density, seed))


def sparse_layer(
    dense: DenseLayer, pattern: PatternName, density: Fraction, seed: int, interleaved: bool = False
) -> SparseLayer:
    """The sparse twin of ``dense``, freshly initialised from torch's global generator.

    Args:
        dense: Linear, Conv1d or Conv2d with ``groups == 1`` and zero padding mode.
        pattern: Places the kept connections.
        density: A legal density below 1 (see :func:`explorer.core.patterns.legal_densities`).
        seed: Places the connections of ``structured`` and ``random``.
        interleaved: How ``block`` groups its inputs.
    """
    if pattern == "block":
        block = BlockLinear if isinstance(dense, nn.Linear) else BlockConv
        return block(dense, density, interleaved)  # type: ignore[arg-type]
    scattered = ScatteredLinear if isinstance(dense, nn.Linear) else ScatteredConv
    return scattered(dense, pattern, density, seed)  # type: ignore[arg-type]
