"""The sparse counterpart of a dense layer, by pattern; every one stores only kept connections."""

from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from explorer.core.sparsity.base import DenseLayer, InitialWeights, SparseLayer
from explorer.core.sparsity.block import BlockConv, BlockLinear
from explorer.core.sparsity.indexed import IndexedConv, IndexedLinear
from explorer.core.sparsity.magnitude import largest_blocks, largest_connections
from explorer.core.sparsity.patterns import PatternName
from explorer.core.sparsity.periodic import PeriodicConv

__all__ = [
    "BlockConv",
    "BlockLinear",
    "DenseLayer",
    "IndexedConv",
    "IndexedLinear",
    "InitialWeights",
    "PeriodicConv",
    "SparseLayer",
    "sparse_layer",
]

DRAWN = InitialWeights()


def sparse_layer(
    dense: DenseLayer,
    pattern: PatternName,
    density: Fraction,
    seed: int,
    interleaved: bool = False,
    initial: InitialWeights = DRAWN,
) -> SparseLayer:
    """The sparse counterpart of ``dense``.

    Args:
        dense: Linear, Conv1d or Conv2d with ``groups == 1`` and zero padding mode.
        pattern: Places the kept connections.
        density: A legal density below 1, see :func:`explorer.core.sparsity.patterns.legal_densities_of`;
            ``periodic`` has none for a Linear.
        seed: Places the connections of all patterns but ``block``.
        interleaved: How ``block`` groups its inputs.
        initial: What it starts from; what is drawn comes from torch's global generator.

    Example:
        >>> sparse_layer(nn.Linear(8, 4), "structured", Fraction(1, 4), seed=0)
        IndexedLinear(8, 4, pattern=structured, density=1/4)
        >>> sparse_layer(nn.Conv2d(8, 4, 3), "periodic", Fraction(4, 9), seed=0)
        PeriodicConv(8, 4, pattern=periodic, density=4/9)
    """
    layer = _placed(dense, pattern, density, seed, interleaved, initial.placement == "magnitude")
    layer.start_from(dense, initial)
    return layer


def _placed(
    dense: DenseLayer,
    pattern: PatternName,
    density: Fraction,
    seed: int,
    interleaved: bool,
    by_magnitude: bool,
) -> SparseLayer:
    if pattern == "block":
        block = BlockLinear if isinstance(dense, nn.Linear) else BlockConv
        sources = largest_blocks(_magnitude(dense), density, interleaved) if by_magnitude else None
        return block(dense, density, interleaved, sources)  # type: ignore[arg-type]
    if pattern == "periodic":
        assert not isinstance(dense, nn.Linear)
        return PeriodicConv(dense, density, seed)
    scattered = IndexedLinear if isinstance(dense, nn.Linear) else IndexedConv
    positions = None
    if by_magnitude and pattern == "structured":
        positions = torch.from_numpy(np.flatnonzero(largest_connections(_magnitude(dense), density)))
    return scattered(dense, pattern, density, seed, positions)  # type: ignore[arg-type]


def _magnitude(dense: DenseLayer) -> NDArray[np.float64]:
    """Of every connection, (outputs, inputs): the norm of its kernel."""
    weight = dense.weight.detach().double()
    return (weight.abs() if weight.dim() == 2 else weight.flatten(2).norm(dim=2)).numpy()
