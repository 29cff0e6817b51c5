"""What tables of constants in C can hold: 16 bits for extents, 8 for strides."""

from explorer.microcontroller.forms import Shape
from explorer.microcontroller.program import Op, Pool, Thin, Weighted

_WORD, _BYTE = 2**16, 2**8
_BEYOND = 8  # values that int8 reads behind a patch, which is a multiple of 4 long


def beyond_tables(op: Op, before: Shape, after: Shape) -> str:
    """What of an operation is too large for its table; empty where all fits.

    Args:
        op: Of a program.
        before: Shape of its first input.
        after: Of what it writes.

    Example:
        >>> from explorer.microcontroller.forms import Window
        >>> pool = Pool("pool", ("x",), "pool", "max", Window((2, 300), (2, 300)))
        >>> beyond_tables(pool, Shape(2, 900, 1), Shape(1, 3, 1))
        'strides, dilations and padding must be below 256, got 300'
    """
    if not isinstance(op, Weighted | Pool | Thin):
        return ""
    extents, steps, values = [*before, *after], [*op.stride] if isinstance(op, Thin) else [], 0
    if isinstance(op, Weighted | Pool):
        window = op.window
        extents += window.kernel
        steps += [*window.stride, *window.dilation, *window.padding]
    if isinstance(op, Weighted):
        values = op.window.taps * before.channels
    for what, most, limit in (
        ("rows, pixels of a row, channels and kernels", max(extents), _WORD),
        ("values under a window", values, _WORD - _BEYOND),
        ("strides, dilations and padding", max(steps), _BYTE),
    ):
        if most >= limit:
            return f"{what} must be below {limit:,}, got {most:,}"
    return ""
