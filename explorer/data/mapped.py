"""Arrays in files, mapped into memory: all processes of a machine share them, and the system pages them.

A mapped array is found again by what is written down of it, also by another process: a view of a file, such
as images with their channels first, is one file, an offset, a shape and strides.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from explorer.errors import UserError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class MappedArray:
    """Where the values of an array lie in a file.

    Attributes:
        path: The file, absolute.
        dtype: As numpy writes it, such as ``|u1``.
        shape: Of the array.
        offset: Bytes before its first value.
        strides: Bytes from one value to the next, along each axis.

    Example:
        >>> np.save("x.npy", np.arange(12, dtype=np.uint8).reshape(2, 2, 3))
        >>> channels_first = np.load("x.npy", mmap_mode="r").transpose(0, 2, 1)
        >>> found = MappedArray.of(channels_first)
        >>> found.shape, found.offset, found.strides
        ((2, 3, 2), 128, (6, 1, 3))
        >>> bool((found.open() == channels_first).all())
        True
    """

    path: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...]

    @classmethod
    def of(cls, array: Array) -> Self | None:
        """Where an array lies; None where it is in memory alone."""
        root = array
        while isinstance(root.base, np.ndarray):
            root = root.base
        if not isinstance(root, np.memmap) or root.filename is None:
            return None
        offset = root.offset + array.ctypes.data - root.ctypes.data
        path = str(Path(root.filename).resolve())
        return cls(path, array.dtype.str, array.shape, offset, array.strides)

    def open(self) -> Array:
        """The array, read-only.

        Raises:
            UserError: The file is not there, or too short.
        """
        try:
            content = np.memmap(self.path, np.uint8, mode="r")
            return np.ndarray(self.shape, self.dtype, content, self.offset, self.strides)
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"{self.path}: the samples must lie in this file on every machine that trains, got: {error}"
            ) from error


def as_tensor(array: Array) -> torch.Tensor:
    """A tensor that shares the memory of an array, which may be read-only: nobody writes to samples.

    Example:
        >>> as_tensor(np.frombuffer(b"abc", dtype=np.uint8))
        tensor([97, 98, 99], dtype=torch.uint8)
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
