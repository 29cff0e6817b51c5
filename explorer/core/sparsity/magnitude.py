"""Patterns placed where trained weights are largest: fixed before training, degrees as exact as ever.

Shape suffixes: O outputs, I inputs, G groups, K groups read, T taps.
"""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from explorer.core.sparsity.patterns import block_shape

Floats = NDArray[np.float64]


def largest_connections(magnitude_OI: Floats, density: Fraction) -> NDArray[np.bool_]:
    """Kept connections with exact fan-in and fan-out that keep much of the magnitude, shape (O, I).

    Every output starts with its largest inputs. Then, for the input that is read most too often and the one
    that is read most too seldom, the output that loses least changes from one to the other, until all
    fan-outs are equal; there is such an output whenever the two are not equally often read.

    Args:
        magnitude_OI: Of each connection, not negative; of a convolution the norm of each kernel.
        density: Legal for the junction: fan-in and fan-out are whole numbers.

    Example:
        >>> magnitudes = np.array([[9.0, 8.0, 1.0, 0.0], [7.0, 6.0, 0.0, 2.0]])
        >>> largest_connections(magnitudes, Fraction(1, 2)).astype(int)
        array([[1, 1, 0, 0],
               [0, 0, 1, 1]])
    """
    outputs, inputs = magnitude_OI.shape
    fan_in, fan_out = int(density * inputs), int(density * outputs)
    kept = np.zeros((outputs, inputs), dtype=np.bool_)
    np.put_along_axis(kept, np.argsort(-magnitude_OI, axis=1, kind="stable")[:, :fan_in], True, axis=1)
    reads = kept.sum(axis=0)
    while (most := int(reads.argmax())) != (least := int(reads.argmin())) and reads[most] != fan_out:
        loss_O = magnitude_OI[:, most] - magnitude_OI[:, least]
        row = int(np.where(kept[:, most] & ~kept[:, least], loss_O, np.inf).argmin())
        kept[row, most], kept[row, least] = False, True
        reads[most] -= 1
        reads[least] += 1
    return kept


def largest_blocks(magnitude_OI: Floats, density: Fraction, interleaved: bool) -> NDArray[np.int64]:
    """Which input groups each group of outputs of ``block`` reads, ascending, shape (G, K).

    The blocks of magnitudes are the connections of :func:`largest_connections`, between groups.

    Args:
        magnitude_OI: Of each connection.
        density: k / g in lowest terms.
        interleaved: How inputs are grouped, see :func:`explorer.core.sparsity.patterns.kept_connections`.

    Example:
        >>> magnitudes = np.array([[0.0, 0.0, 3.0, 4.0], [5.0, 6.0, 1.0, 0.0]])
        >>> largest_blocks(magnitudes, Fraction(1, 2), interleaved=False)
        array([[1],
               [0]])
    """
    groups, reads = block_shape(density)
    outputs, inputs = magnitude_OI.shape
    by_output_GI = magnitude_OI.reshape(groups, outputs // groups, inputs).sum(axis=1)
    shape = (groups, inputs // groups, groups) if interleaved else (groups, groups, inputs // groups)
    blocks_GG = by_output_GI.reshape(shape).sum(axis=1 if interleaved else 2)
    chosen = largest_connections(blocks_GG, density)
    return np.nonzero(chosen)[1].reshape(groups, reads)
