"""Linear and convolution layers that store only kept connections.

``Block*`` layers compute in compact form: a batched or grouped dense product, without mask or index.
``Scattered*`` layers (``structured``, ``random``, ``clash_free``) and :class:`PeriodicConv` store the kept
values alone and place them in a dense weight to train: small files and optimiser state, dense compute on this
host.

Shape suffixes: B batch, G groups, I/O input/output units (channels), K kept connections.
"""

from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.core.execution import LinearForms
from explorer.core.layer_base import ConvGeometry, DenseConv, DenseLayer, SparseLayer
from explorer.core.patterns import (
    ConnectionPattern,
    PatternName,
    block_shape,
    block_source_groups,
    kept_connections,
)
from explorer.core.periodic import PeriodicConv

__all__ = [
    "BlockConv",
    "BlockLinear",
    "DenseConv",
    "DenseLayer",
    "PeriodicConv",
    "ScatteredConv",
    "ScatteredLinear",
    "SparseLayer",
    "scattered_weight",
    "sparse_layer",
]


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
        self.reset(self.weight_GIO)

    def forward(self, x: Tensor) -> Tensor:
        if self.interleaved:
            x_BGI = x.reshape(-1, self.inputs // self.groups, self.groups).transpose(1, 2)
        else:
            x_BGI = x.reshape(-1, self.groups, self.inputs // self.groups)
        if self.sources is not None:
            x_BGI = x_BGI.index_select(1, self.sources).reshape(x_BGI.shape[0], self.groups, -1)
        x_GBI = x_BGI.transpose(0, 1)
        if self.bias is None:
            y_GBO = torch.bmm(x_GBI, self.weight_GIO)
        else:
            y_GBO = torch.baddbmm(self.bias.view(self.groups, 1, -1), x_GBI, self.weight_GIO)
        return y_GBO.transpose(0, 1).reshape(*x.shape[:-1], self.outputs)


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
        self.geometry = ConvGeometry(dense)
        fan_in = reads * self.inputs // self.groups
        self.weight = nn.Parameter(torch.empty(self.outputs, fan_in, *dense.kernel_size))
        order = (
            torch.arange(self.inputs).view(-1, self.groups).T if interleaved else torch.arange(self.inputs)
        )
        channels = order.reshape(self.groups, -1)[_source_index(density)].reshape(-1)
        self.register_buffer("sources", channels if reads > 1 or interleaved else None, persistent=False)
        self.reset(self.weight)

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

    def __init__(self, dense: nn.Linear, pattern: ConnectionPattern, density: Fraction, seed: int) -> None:
        super().__init__(dense, pattern, density)
        self.register_buffer("positions", _kept_index(self, pattern, seed), persistent=False)
        self.values_K = nn.Parameter(torch.empty(len(self.positions)))
        self.reset(self.values_K)
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

    def __init__(self, dense: DenseConv, pattern: ConnectionPattern, density: Fraction, seed: int) -> None:
        super().__init__(dense, pattern, density)
        self.geometry = ConvGeometry(dense)
        self.register_buffer("positions", _kept_index(self, pattern, seed), persistent=False)
        self.values_K = nn.Parameter(torch.empty(len(self.positions), *dense.kernel_size))
        self.reset(self.values_K)

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.values_K.shape[1:]
        weight = self.values_K.new_zeros(self.outputs * self.inputs, *kernel)
        weight = weight.index_copy(0, self.positions, self.values_K)
        return self.geometry.convolve(x, weight.view(self.outputs, self.inputs, *kernel), self.bias, groups=1)


def _source_index(density: Fraction) -> Tensor:
    """Input groups in the order the blocks read them, shape (g * k,)."""
    return torch.from_numpy(block_source_groups(density)).reshape(-1)


def scattered_weight(values_K: Tensor, positions: Tensor, layer: SparseLayer) -> Tensor:
    """Kept values placed in a dense Linear weight (outputs, inputs); differentiable."""
    weight = values_K.new_zeros(layer.outputs * layer.inputs).index_copy(0, positions, values_K)
    return weight.view(layer.outputs, layer.inputs)


def _kept_index(layer: SparseLayer, pattern: ConnectionPattern, seed: int) -> Tensor:
    return torch.from_numpy(kept_connections(pattern, layer.inputs, layer.outputs, layer.density, seed))


def sparse_layer(
    dense: DenseLayer, pattern: PatternName, density: Fraction, seed: int, interleaved: bool = False
) -> SparseLayer:
    """The sparse twin of ``dense``, freshly initialised from torch's global generator.

    Args:
        dense: Linear, Conv1d or Conv2d with ``groups == 1`` and zero padding mode.
        pattern: Places the kept connections.
        density: A legal density below 1 (see :func:`explorer.core.patterns.legal_densities_of`); ``periodic``
            has none for a Linear.
        seed: Places the connections of all patterns but ``block``.
        interleaved: How ``block`` groups its inputs.
    """
    if pattern == "block":
        block = BlockLinear if isinstance(dense, nn.Linear) else BlockConv
        return block(dense, density, interleaved)  # type: ignore[arg-type]
    if pattern == "periodic":
        assert not isinstance(dense, nn.Linear)
        return PeriodicConv(dense, density, seed)
    scattered = ScatteredLinear if isinstance(dense, nn.Linear) else ScatteredConv
    return scattered(dense, pattern, density, seed)  # type: ignore[arg-type]
