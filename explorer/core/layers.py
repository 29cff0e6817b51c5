"""The sparse twin of a dense layer, by pattern; every one stores only kept connections."""

from fractions import Fraction

from torch import nn

from explorer.core.block_layers import BlockConv, BlockLinear
from explorer.core.layer_base import DenseLayer, SparseLayer
from explorer.core.patterns import PatternName
from explorer.core.periodic import PeriodicConv
from explorer.core.scattered_layers import ScatteredConv, ScatteredLinear

__all__ = [
    "BlockConv",
    "BlockLinear",
    "DenseLayer",
    "PeriodicConv",
    "ScatteredConv",
    "ScatteredLinear",
    "SparseLayer",
    "sparse_layer",
]


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
