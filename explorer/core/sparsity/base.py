"""What all sparse layers share: what they tell about themselves, initial values, convolution geometry."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod, sqrt
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.core.sparsity.patterns import KERNEL_PATTERN_NAMES, PatternName
from explorer.core.sparsity.positions import index_bytes

DenseConv = nn.Conv1d | nn.Conv2d
DenseLayer = nn.Linear | DenseConv


@dataclass(frozen=True)
class InitialWeights:
    """What a sparse layer starts from.

    Attributes:
        source: ``draw``: weights and biases from torch's generator; ``keep``: kept connections have the dense
            layer's weights, and biases are the dense layer's; ``dense``: those that the trained dense network
            has there, which take the place of drawn ones, see :mod:`explorer.core.warm_start`.
        rescale: Which layers' kept weights are multiplied by density ** -0.5, so that sums of inputs keep
            their variance when only some of them are left. Behind convolutions there mostly is a batch norm,
            which undoes it.
        placement: ``seed``: where the pattern's seed places connections; ``magnitude``: ``block`` and
            ``structured`` are placed where the dense layer's weights are largest, degrees as exact as ever.

    Example:
        >>> kept = InitialWeights("keep")
        >>> kept.rescales(nn.Linear(4, 2)), kept.rescales(nn.Conv2d(4, 2, 3))
        (True, False)
    """

    source: Literal["draw", "keep", "dense"] = "draw"
    rescale: Literal["linear", "all", "none"] = "linear"
    placement: Literal["seed", "magnitude"] = "seed"

    def rescales(self, dense: nn.Module) -> bool:
        """Whether kept weights of this layer are scaled."""
        return self.rescale == "all" or (self.rescale == "linear" and isinstance(dense, nn.Linear))


class SparseLayer(nn.Module):
    """What every sparse layer tells: its pattern, exact density and multiply-accumulates.

    Attributes:
        inputs, outputs: Units (channels for convolutions).
        taps: Weights of a whole connection (1 for Linear, kernel size for convolutions).
        density: Kept / possible weights, exact.
        num_weights: Kept weights, biases apart.
        compact: Whether the layer computes only its kept connections on this host.

    Example:
        >>> from explorer.core.sparsity.block import BlockConv
        >>> layer = BlockConv(nn.Conv2d(4, 8, 3), Fraction(1, 4))
        >>> layer.inputs, layer.outputs, layer.taps, layer.num_weights
        (4, 8, 9, 72)
        >>> layer.macs(output_shape=(8, 10, 10))
        7200
    """

    compact: bool
    kept: str  # name of the parameter that holds the kept weights
    interleaved = by_magnitude = False  # what of `block` decides whether positions are stored

    def __init__(self, dense: DenseLayer, pattern: PatternName, density: Fraction) -> None:
        super().__init__()
        self.pattern, self.density, self.linear = pattern, density, isinstance(dense, nn.Linear)
        if isinstance(dense, nn.Linear):
            self.inputs, self.outputs, self.taps = dense.in_features, dense.out_features, 1
        else:
            self.inputs, self.outputs, self.taps = (
                dense.in_channels,
                dense.out_channels,
                prod(dense.kernel_size),
            )
        self.num_weights = int(density * self.inputs * self.outputs * self.taps)
        self.bias = nn.Parameter(torch.empty(self.outputs)) if dense.bias is not None else None

    def macs(self, output_shape: Sequence[int]) -> int:
        """Multiply-accumulates of kept weights for one sample.

        Args:
            output_shape: Output shape without batch; a convolution applies its kernels at every position
                behind the channel axis, a Linear at every position before the feature axis.
        """
        positions = prod(output_shape) // self.outputs
        return self.num_weights * positions

    @property
    def index_bytes(self) -> int:
        """Bytes of the positions that a deployed file stores beside the weights."""
        return index_bytes(
            *(self.pattern, self.inputs, self.outputs, self.taps, self.density),
            linear=self.linear,
            interleaved=self.interleaved,
            by_magnitude=self.by_magnitude,
        )

    @abstractmethod
    def kept_positions(self) -> Tensor:
        """Where the kept weights, in stored order, lie in the flat dense weight.

        Connections of (outputs, inputs), or taps of (outputs, inputs, *kernel) for kernel patterns.
        """

    def kept_of(self, dense_weight: Tensor) -> Tensor:
        """What this layer keeps of a dense weight (outputs, inputs, *kernel), as it stores its own."""
        of_taps = self.pattern in KERNEL_PATTERN_NAMES
        flat = dense_weight.reshape(-1) if of_taps else dense_weight.flatten(0, 1)
        stored: nn.Parameter = getattr(self, self.kept)
        return flat[self.kept_positions()].reshape(stored.shape)

    @torch.no_grad()
    def start_from(self, dense: DenseLayer, initial: InitialWeights) -> None:
        """Take over what ``initial`` says of the dense layer; what is frozen there stays frozen."""
        weight: nn.Parameter = getattr(self, self.kept)
        if initial.source == "keep":
            scale = float(self.density) ** -0.5 if initial.rescales(dense) else 1.0
            weight.copy_(self.kept_of(dense.weight) * scale)
            if self.bias is not None and dense.bias is not None:
                self.bias.copy_(dense.bias)
        weight.requires_grad_(dense.weight.requires_grad)
        if self.bias is not None and dense.bias is not None:
            self.bias.requires_grad_(dense.bias.requires_grad)

    def reset(self, weight: nn.Parameter) -> None:
        """Uniform in +-1/sqrt(fan-in) as torch does for dense layers, with the real fan-in."""
        bound = 1 / sqrt(self.num_weights / self.outputs)
        nn.init.uniform_(weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """Units, pattern and density, as ``print`` shows them."""
        return f"{self.inputs}, {self.outputs}, pattern={self.pattern}, density={self.density}"


def scattered_weight(kept_K: Tensor, positions: Tensor, layer: SparseLayer) -> Tensor:
    """Kept connections placed in a dense weight (outputs, inputs, ...); differentiable.

    Args:
        kept_K: Weights of each connection, (connections,) or (connections, *kernel).
        positions: Where each lies in the dense weight, its first two axes flattened.
        layer: Whose weight it is.

    Example:
        >>> from explorer.core.sparsity.block import BlockLinear
        >>> layer = BlockLinear(nn.Linear(4, 2), Fraction(1, 2))
        >>> scattered_weight(torch.tensor([1.0, 2.0, 3.0, 4.0]), layer.kept_positions(), layer)
        tensor([[1., 2., 0., 0.],
                [0., 0., 3., 4.]])
    """
    kernel = kept_K.shape[1:]
    weight = kept_K.new_zeros(layer.outputs * layer.inputs, *kernel).index_copy(0, positions, kept_K)
    return weight.view(layer.outputs, layer.inputs, *kernel)


class ConvGeometry:
    """Stride, padding and dilation of a dense convolution, applied to another weight.

    Example:
        >>> geometry = ConvGeometry(nn.Conv1d(8, 8, 3, stride=2, padding=1))
        >>> geometry.convolve(torch.zeros(1, 8, 10), torch.zeros(6, 4, 3), None, groups=2).shape
        torch.Size([1, 6, 5])
    """

    def __init__(self, dense: DenseConv) -> None:
        self.function = F.conv1d if isinstance(dense, nn.Conv1d) else F.conv2d
        self.stride, self.padding, self.dilation = dense.stride, dense.padding, dense.dilation

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        """Convolve with the stride, padding and dilation of the dense layer."""
        return self.function(x, weight, bias, self.stride, self.padding, self.dilation, groups)
