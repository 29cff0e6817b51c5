"""The ``periodic`` pattern: convolution kernels that keep p of their taps, in places that repeat.

Kundu et al., "Pre-defined Sparsity for Low-Complexity Convolutional Neural Networks" (IEEE TC 2020): every
kernel has the same *kernel support size* p, and a few *kernel variants* (supports) repeat periodically over
the channels, so a device needs no index per weight. All pairs of channels stay connected. The rule here: the
seed orders the T taps; variant v keeps the p places vp .. vp + p - 1 (mod T) of that order. T / gcd(T, p)
variants cover every tap p / gcd(T, p) times, and any T / p channels in a row (rounded up) cover all taps.
Kernel (output o, input i) has variant i + o modulo their number: both axes see all variants.

Shape suffixes: V variants, P kept taps, O/I output/input channels, K kept weights.
"""

from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from explorer.core.sparsity.base import ConvGeometry, DenseConv, SparseLayer


def kernel_variants(taps: int, density: Fraction, seed: int) -> NDArray[np.int64]:
    """Kept taps of every variant, each ascending; shape (V, P) with V the denominator of ``density``.

    Args:
        taps: Taps T of a kernel.
        density: p / T.
        seed: Orders the taps.

    Example:
        >>> variants = kernel_variants(taps=9, density=Fraction(1, 3), seed=0)
        >>> variants.shape, sorted(variants.flatten().tolist())
        ((3, 3), [0, 1, 2, 3, 4, 5, 6, 7, 8])
    """
    kept, variants = int(density * taps), density.denominator  # T / gcd(T, p)
    order = np.random.default_rng(seed).permutation(taps)
    return np.sort(order[np.arange(variants * kept) % taps].reshape(variants, kept), axis=1)


def kept_taps(inputs: int, outputs: int, taps: int, density: Fraction, seed: int) -> NDArray[np.int64]:
    """Flat positions ``(output * inputs + input) * taps + tap``, ascending; shape (O, I, P).

    Example:
        >>> kept_taps(inputs=2, outputs=4, taps=9, density=Fraction(4, 9), seed=0).shape
        (4, 2, 4)
    """
    variants_VP = kernel_variants(taps, density, seed)
    kernels = np.arange(outputs * inputs).reshape(outputs, inputs, 1)
    variant_OI = (np.arange(outputs)[:, None] + np.arange(inputs)) % len(variants_VP)
    positions: NDArray[np.int64] = kernels * taps + variants_VP[variant_OI]
    return positions


class PeriodicConv(SparseLayer):
    """``periodic`` convolution (1-D or 2-D); stores the kept taps only.

    Example:
        >>> layer = PeriodicConv(nn.Conv2d(2, 4, 3), Fraction(4, 9), seed=0)
        >>> layer.values_OIP.shape, layer(torch.zeros(1, 2, 5, 5)).shape
        (torch.Size([4, 2, 4]), torch.Size([1, 4, 3, 3]))
    """

    compact, kept = False, "values_OIP"
    positions: Tensor

    def __init__(self, dense: DenseConv, density: Fraction, seed: int) -> None:
        super().__init__(dense, "periodic", density)
        self.geometry = ConvGeometry(dense)
        self.shape = dense.weight.shape
        positions_OIP = kept_taps(self.inputs, self.outputs, self.taps, density, seed)
        self.register_buffer("positions", torch.from_numpy(positions_OIP.reshape(-1)), persistent=False)
        self.values_OIP = nn.Parameter(torch.empty(positions_OIP.shape))
        self.reset(self.values_OIP)

    def kept_positions(self) -> Tensor:
        """In the flat dense weight (outputs, inputs, *kernel)."""
        return self.positions

    def forward(self, x: Tensor) -> Tensor:
        """Inputs (N, inputs, ...) to (N, outputs, ...)."""
        values_K = self.values_OIP.reshape(-1)
        weight = values_K.new_zeros(self.shape.numel()).index_copy(0, self.positions, values_K)
        return self.geometry.convolve(x, weight.view(self.shape), self.bias, groups=1)
