"""Which positions a sparse layer stores beside its weights when it is deployed, and in how many bytes.

All of it follows from pattern, shape and density, never from where chance placed a connection, so a search
knows these bytes before any network is built. They are no affine function of the density: a dense junction
stores no positions, and the type of a position jumps with the size of what it points into.
"""

from fractions import Fraction

import numpy as np

from explorer.core.sparsity.patterns import KERNEL_PATTERN_NAMES, PatternName, block_shape

FEW = 64  # positions that are not worth an operator to widen them
_WIDE_BYTES = 8  # ONNX reads positions as int64
_NARROW = (np.uint8, np.uint16, np.uint32)


def narrow_type(count: int, extent: int) -> type[np.unsignedinteger] | None:
    """The smallest type that holds all positions below ``extent``; None where they stay int64.

    Args:
        count: Positions; up to :data:`FEW` stay wide.
        extent: Places that they may point at.

    Example:
        >>> narrow_type(65, 256), narrow_type(65, 257), narrow_type(64, 256)
        (<class 'numpy.uint8'>, <class 'numpy.uint16'>, None)
    """
    if count <= FEW:
        return None
    return next((kind for kind in _NARROW if extent - 1 <= np.iinfo(kind).max), None)


def position_bytes(count: int, extent: int) -> int:
    """Bytes of ``count`` positions below ``extent`` in a deployed file.

    Example:
        >>> position_bytes(100, 256), position_bytes(100, 1000), position_bytes(10, 1000)
        (100, 200, 80)
    """
    kind = narrow_type(count, extent)
    return count * (_WIDE_BYTES if kind is None else np.dtype(kind).itemsize)


def stored_positions(
    pattern: PatternName,
    inputs: int,
    outputs: int,
    taps: int,
    density: Fraction,
    *,
    linear: bool,
    interleaved: bool = False,
    by_magnitude: bool = False,
) -> tuple[int, int]:
    """(positions, extent) of a junction: how many it stores, and below which number they lie.

    A scattered layer stores the place of every kept connection in its dense weight, ``periodic`` of every
    kept tap. ``block`` stores what its groups read, where that is no plain division of the inputs: groups of
    inputs for a Linear layer, channels for a convolution.

    Args:
        pattern: Of the junction.
        inputs: Units or channels.
        outputs: Units or channels.
        taps: Weights per connection, 1 for Linear.
        density: Legal for the junction; 1 stores nothing.
        linear: Whether it is a Linear layer.
        interleaved: Whether ``block`` groups every g-th input, which a convolution gathers.
        by_magnitude: Whether ``block`` is placed by magnitudes.

    Example:
        >>> stored_positions("random", 8, 16, 9, Fraction(1, 4), linear=False)  # 32 of 128 kernels
        (32, 128)
        >>> stored_positions("block", 8, 16, 1, Fraction(3, 4), linear=True)  # four groups read three each
        (12, 4)
        >>> stored_positions("block", 8, 16, 1, Fraction(1, 4), linear=True)
        (0, 4)
    """
    if density == 1:
        return 0, 0
    if pattern == "block":
        groups, reads = block_shape(density)
        extent = groups if linear else inputs
        gathers = reads > 1 or by_magnitude or (interleaved and not linear)
        return (reads * extent if gathers else 0), extent
    extent = inputs * outputs * (taps if pattern in KERNEL_PATTERN_NAMES else 1)
    return int(density * extent), extent


def index_bytes(
    pattern: PatternName,
    inputs: int,
    outputs: int,
    taps: int,
    density: Fraction,
    *,
    linear: bool,
    interleaved: bool = False,
    by_magnitude: bool = False,
) -> int:
    """Bytes of all positions that a junction stores; arguments as of :func:`stored_positions`.

    Example:
        >>> index_bytes("structured", 32, 24, 1, Fraction(1, 4), linear=True)  # 192 of 768, two bytes each
        384
    """
    count, extent = stored_positions(
        *(pattern, inputs, outputs, taps, density),
        linear=linear,
        interleaved=interleaved,
        by_magnitude=by_magnitude,
    )
    return position_bytes(count, extent)
