"""What looks wrong with data that can be used: said once, before anything is trained."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from explorer.data.division import IndexArray
from explorer.data.mapped import Array

REPEATED = "test samples are in train or validation, too"
VALIDATION_REPEATED = "validation samples are in train, too"
_REPEATED_NOTED = 0.01  # of validation; a few pictures that look alike stand in any data
_SCALES_DIFFER = 5.0
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


def repeated_notes(
    train: tuple[Array, IndexArray], validation: tuple[Array, IndexArray], test: tuple[Array, IndexArray]
) -> list[str]:
    """How many samples stand in two subsets, value by value; nothing where all are new.

    Samples are compared by 64-bit hashes of their values as float32 (uint8 as they are), labels aside. Of n
    known and m samples that all differ, n m / 2**64 are expected to be counted by mistake. Of validation at
    least a hundredth must be known.

    Args:
        train: Inputs (N, ...) and which of them are in train.
        validation: The same of validation.
        test: The same of test.

    Example:
        >>> x = np.arange(12).reshape(6, 2)
        >>> for note in repeated_notes((x, np.arange(4)), (x, np.array([3])), (x, np.array([3, 4, 5]))):
        ...     print(note)
        1 of 1 validation samples are in train, too: validation accuracy then says little of new samples
        1 of 3 test samples are in train or validation, too: test accuracy then says little of new samples
    """
    learned, judged, held_out = (_hashes(*part) for part in (train, validation, test))
    again = int(np.isin(judged, learned).sum())
    count = int(np.isin(held_out, np.concatenate([learned, judged])).sum())
    notes = []
    if again and again >= _REPEATED_NOTED * len(judged):
        what = f"{again:,} of {len(judged):,} {VALIDATION_REPEATED}"
        notes.append(f"{what}: validation accuracy then says little of new samples")
    if count:
        what = f"{count:,} of {len(held_out):,} {REPEATED}"
        notes.append(f"{what}: test accuracy then says little of new samples")
    return notes


def scale_note(part: str, own: tuple[Array, Array], train: tuple[Array, Array]) -> str:
    """A hint where a subset has values of another size than train, as from other preparation; else empty.

    Args:
        part: Its name.
        own: Its means and standard deviations, by channel.
        train: Those of train.

    Example:
        >>> one, other = (np.zeros(3), np.ones(3)), (np.zeros(3), np.full(3, 255.0))
        >>> print(scale_note("test", other, one))
        values of test and train differ in size (standard deviation 255 and 1): were they prepared alike?
        >>> scale_note("test", one, one)
        ''
    """
    spread, usual = (float(np.sqrt(np.mean(np.square(std) + np.var(mean)))) for mean, std in (own, train))
    if spread <= _SCALES_DIFFER * usual and usual <= _SCALES_DIFFER * spread:
        return ""
    sizes = f"standard deviation {spread:.3g} and {usual:.3g}"
    return f"values of {part} and train differ in size ({sizes}): were they prepared alike?"


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
