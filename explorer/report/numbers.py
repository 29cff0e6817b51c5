"""Numbers as the page carries them: in the smallest type that holds them exactly."""

import base64

import numpy as np
from numpy.typing import ArrayLike

_INTEGERS = (("u8", np.uint8), ("u16", np.uint16), ("u32", np.uint32))


def typed_column(values: ArrayLike) -> dict[str, str]:
    """Numbers as base64 of the smallest type that holds them exactly, little-endian.

    Returns:
        ``{"type": "u8" | "u16" | "u32" | "f64", "data": ...}``.

    Example:
        >>> typed_column([1, 2, 3]), typed_column([1000])
        ({'type': 'u8', 'data': 'AQID'}, {'type': 'u16', 'data': '6AM='})
    """
    numbers = np.asarray(values, dtype=np.float64)
    whole = bool(np.all((numbers >= 0) & (numbers == np.floor(numbers))))  # NaN is not
    largest = numbers.max(initial=0.0) if whole else np.inf
    fitting = ((name, kind) for name, kind in _INTEGERS if largest <= np.iinfo(kind).max)
    name, kind = next(fitting, ("f64", np.float64))
    little = numbers.astype(np.dtype(kind).newbyteorder("<"))
    return {"type": name, "data": base64.b64encode(little.tobytes()).decode("ascii")}
