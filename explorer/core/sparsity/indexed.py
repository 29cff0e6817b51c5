"""Layers with freely placed connections (``structured``, ``random``, ``clash_free``).

They store the kept values alone and place them in a dense weight to train: small files and optimiser state,
dense compute on this host. Shape suffix: K kept connections.
"""

from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.core.sparsity.base import ConvGeometry, DenseConv, SparseLayer, scattered_weight
from explorer.core.sparsity.linear_forms import LinearForms
from explorer.core.sparsity.patterns import PatternName, kept_connections


class IndexedLinear(SparseLayer):
    """Linear with freely placed connections; stores the kept values only. Input (..., inputs).

    In inference mode it runs in the form that is fastest for its shape and batch on this machine, see
    :mod:`explorer.core.sparsity.linear_forms`; training and export compute through a dense weight.

    Example:
        >>> layer = IndexedLinear(nn.Linear(8, 4), "structured", Fraction(1, 4), seed=0)
        >>> layer.values_K.shape, layer(torch.zeros(3, 8)).shape
        (torch.Size([8]), torch.Size([3, 4]))
    """

    compact, kept = False, "values_K"
    positions: Tensor

    def __init__(
        self,
        dense: nn.Linear,
        pattern: PatternName,
        density: Fraction,
        seed: int,
        positions: Tensor | None = None,
    ) -> None:
        super().__init__(dense, pattern, density)
        positions = _kept_index(self, pattern, seed) if positions is None else positions
        self.register_buffer("positions", positions, persistent=False)
        self.values_K = nn.Parameter(torch.empty(len(self.positions)))
        self.reset(self.values_K)
        self._prepared: tuple[tuple[int, torch.device], LinearForms] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Inputs (..., inputs) to (..., outputs)."""
        if torch.is_inference_mode_enabled() and not torch.compiler.is_compiling():
            return self.forms()(x)
        return F.linear(x, scattered_weight(self.values_K, self.positions, self), self.bias)

    def kept_positions(self) -> Tensor:
        """In the flat dense weight (outputs, inputs)."""
        return self.positions

    def forms(self) -> LinearForms:
        """The forms of the product for the present values; prepared again after these change."""
        version = self.values_K._version, self.values_K.device
        if self._prepared is None or self._prepared[0] != version:
            weight = scattered_weight(self.values_K.detach(), self.positions, self)
            self._prepared = (version, LinearForms(weight, self.bias, repr(self)))
        return self._prepared[1]


class IndexedConv(SparseLayer):
    """Convolution with freely placed kernels; stores the kept kernels only.

    Example:
        >>> layer = IndexedConv(nn.Conv2d(8, 4, 3), "random", Fraction(1, 4), seed=0)
        >>> layer.values_K.shape, layer(torch.zeros(1, 8, 5, 5)).shape
        (torch.Size([8, 3, 3]), torch.Size([1, 4, 3, 3]))
    """

    compact, kept = False, "values_K"
    positions: Tensor

    def __init__(
        self,
        dense: DenseConv,
        pattern: PatternName,
        density: Fraction,
        seed: int,
        positions: Tensor | None = None,
    ) -> None:
        super().__init__(dense, pattern, density)
        self.geometry = ConvGeometry(dense)
        positions = _kept_index(self, pattern, seed) if positions is None else positions
        self.register_buffer("positions", positions, persistent=False)
        self.values_K = nn.Parameter(torch.empty(len(self.positions), *dense.kernel_size))
        self.reset(self.values_K)

    def forward(self, x: Tensor) -> Tensor:
        """Inputs (N, inputs, ...) to (N, outputs, ...)."""
        kernel = self.values_K.shape[1:]
        weight = self.values_K.new_zeros(self.outputs * self.inputs, *kernel)
        weight = weight.index_copy(0, self.positions, self.values_K)
        return self.geometry.convolve(x, weight.view(self.outputs, self.inputs, *kernel), self.bias, groups=1)

    def kept_positions(self) -> Tensor:
        """In the flat dense weight (outputs, inputs)."""
        return self.positions


def _kept_index(layer: SparseLayer, pattern: PatternName, seed: int) -> Tensor:
    return torch.from_numpy(kept_connections(pattern, layer.inputs, layer.outputs, layer.density, seed))
