"""What looks wrong with data that can be used: said once, before anything is trained."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from explorer.data.division import IndexArray
from explorer.data.mapped import Array

REPEATED = "test samples are in train or validation, too"
_HASHED_AT_ONCE = 1024  # samples; bounds what is copied of a file
_Hashes = npt.NDArray[np.uint64]


def exchanged_axes_note(shape: Sequence[int]) -> str:
    """A hint where series (N, C, L) have more channels than steps; else empty.

    Many libraries keep windows as (N, time, channels); read as (N, channels, time) they train, badly.

    Args:
        shape: Of the samples, (C, L).

    Example:
        >>> print(exchanged_axes_note((128, 9)))
        samples are read as 128 channels of 9 steps of time each; if it is the other way round, give
        x.transpose(0, 2, 1)
        >>> exchanged_axes_note((9, 128))
        ''
    """
    channels, steps = shape
    if channels <= steps:
        return ""
    return (
        f"samples are read as {channels} channels of {steps} steps of time each; if it is the other way "
        "round, give x.transpose(0, 2, 1)"
    )


def repeated_note(known: Sequence[tuple[Array, IndexArray]], test: tuple[Array, IndexArray]) -> str:
    """How many test samples are among those that the search sees, value by value; empty where none is.

    Samples are compared by 64-bit hashes of their values as float32 (uint8 as they are), labels aside. Of n
    known and m test samples that all differ, n m / 2**64 are expected to be counted by mistake.

    Args:
        known: Inputs (N, ...) and which of them are in train, and the same of validation.
        test: Inputs, and which of them are in test.

    Example:
        >>> x = np.arange(12).reshape(6, 2)
        >>> print(repeated_note([(x, np.arange(4))], (x, np.array([3, 4, 5]))))
        1 of 3 test samples are in train or validation, too: test accuracy then says little of new samples
    """
    seen = np.concatenate([_hashes(inputs, rows) for inputs, rows in known])
    count = int(np.isin(_hashes(*test), seen).sum())
    if count == 0:
        return ""
    return f"{count:,} of {len(test[1]):,} {REPEATED}: test accuracy then says little of new samples"


def _hashes(inputs: Array, rows: IndexArray) -> _Hashes:
    """One hash per chosen sample, shape (N,)."""
    digests = list[bytes]()
    for start in range(0, len(rows), _HASHED_AT_ONCE):
        samples = inputs[rows[start : start + _HASHED_AT_ONCE]]
        if samples.dtype != np.uint8:
            samples = samples.astype(np.float32) + np.float32(0)  # -0.0 becomes 0.0
        contiguous = np.ascontiguousarray(samples)
        digests += [hashlib.blake2b(sample.data, digest_size=8).digest() for sample in contiguous]
    return np.frombuffer(b"".join(digests), np.uint64)
