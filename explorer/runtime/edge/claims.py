"""What files of samples say of their size, held against a limit before any memory is taken for them.

With numpy alone, since bundles hold this module; a search reads its data by the same rule.
"""

import os
import re
import tokenize
from math import prod
from typing import IO, Any

import numpy as np

from ..errors import UserError

MAX_BYTES_VARIABLE = "EXPLORER_MAX_DATA_BYTES"
# What numpy's parser of headers raises where one is damaged.
HEADER_ERRORS = (
    ValueError,
    TypeError,
    KeyError,
    SyntaxError,
    tokenize.TokenError,
    RecursionError,
    MemoryError,
)


def most_bytes(given: int | None = None) -> int:
    """Bytes that samples may take in memory.

    Args:
        given: What was asked for; None: ``EXPLORER_MAX_DATA_BYTES``, else half of the machine's memory.

    Raises:
        UserError: The variable holds no whole number above 0.

    Example:
        >>> most_bytes(10**6)
        1000000
    """
    if given is not None:
        return given
    text = os.environ.get(MAX_BYTES_VARIABLE)
    if not text:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII) or int(text) == 0:
        raise UserError(f"{MAX_BYTES_VARIABLE}: must be a whole number of bytes above 0, got {text!r}")
    return int(text)


def claimed_bytes(file: IO[bytes]) -> int:
    """Bytes of the array in an ``.npy`` file that stands at its start, by its header.

    Raises:
        ValueError: It has no header of an array.

    Example:
        >>> np.save("x.npy", np.zeros((3, 4), np.float32))
        >>> with open("x.npy", "rb") as file:
        ...     claimed_bytes(file)
        48
    """
    shape, dtype = array_header(file)
    return prod(shape) * int(dtype.itemsize)


def array_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array in an ``.npy`` file that stands at its start; then it stands at the data.

    Raises:
        ValueError: It has no header of an array, in whatever way it is damaged.

    Example:
        >>> np.save("x.npy", np.zeros((3, 4), np.float32))
        >>> with open("x.npy", "rb") as file:
        ...     array_header(file)
        ((3, 4), dtype('float32'))
    """
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"version {version} of the format is not for plain numbers")
    try:
        shape, _, dtype = readers[version](file)
    except HEADER_ERRORS as error:
        raise ValueError(f"its header cannot be read: {error}") from error
    if not all(type(extent) is int and extent >= 0 for extent in shape):
        raise ValueError(f"a shape must hold whole numbers of at least 0, got {shape}")
    return shape, dtype


def check_claim(where: str, claimed: int, limit: int) -> None:
    """Refuse to take more bytes than the limit.

    Raises:
        UserError: ``claimed`` is above ``limit``.

    Example:
        >>> check_claim("x.npz: x_test", claimed=36 * 2**40, limit=2**30)
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: x.npz: x_test must take at most 1,073,741,824 bytes of memory ...
    """
    if claimed > limit:
        raise UserError(
            f"{where} must take at most {limit:,} bytes of memory (--max-data-bytes or {MAX_BYTES_VARIABLE}; "
            f"else half of this machine's memory), got a claim of {claimed:,}"
        )
