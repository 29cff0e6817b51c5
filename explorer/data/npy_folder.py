"""Arrays in a folder of ``.npy`` files, mapped into memory: they may be larger than that."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from explorer.data.claims import check_regular, npy_claim
from explorer.data.mapped import Array
from explorer.errors import UserError
from explorer.runtime.edge.claims import check_claim

_WIDEST = 8  # bytes of a value that torch knows


def read_npy_folder(folder: Path, keys: Sequence[str], limit: int) -> list[Array]:
    """The arrays ``folder/KEY.npy``, in the order of the keys; inputs stay in their files.

    Args:
        folder: Where they are.
        keys: Their names; those that start with ``x_`` are inputs, the others are read.
        limit: Bytes of memory that each of the others may take.

    Raises:
        UserError: A file is missing, unreadable or too large, or holds what torch has no type for.

    Example:
        >>> for name, array in {"x_train": np.zeros((4, 8, 8), np.uint8), "y_train": np.arange(4)}.items():
        ...     np.save(f"{name}.npy", array)
        >>> x_train, y_train = read_npy_folder(Path("."), ["x_train", "y_train"], limit=10**6)
        >>> type(x_train).__name__, x_train.shape, y_train
        ('memmap', (4, 8, 8), array([0, 1, 2, 3]))
    """
    return [_read(folder / f"{key}.npy", key.startswith("x_"), limit) for key in keys]


def _read(path: Path, mapped: bool, limit: int) -> Array:
    check_regular(path)
    try:
        with path.open("rb") as file:
            claimed = npy_claim(str(path), file, path.stat().st_size)
        check_claim(str(path), 0 if mapped else claimed, limit)
        array: Array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: must be there, found none") from None
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{path}: must be an .npy file of plain numbers, got: {error}") from error
    if mapped and not (array.dtype.isnative and array.dtype.itemsize <= _WIDEST):
        raise UserError(
            f"{path}: must hold numbers of at most {8 * _WIDEST} bits in this machine's byte order, got "
            f"{array.dtype.str}"
        )
    return array
