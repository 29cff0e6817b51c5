"""What files say of their size, checked before any memory is taken for it.

A header of a hundred bytes may promise an array of terabytes, and a small archive may unpack to more than the
machine holds. So headers are read first, compared with the bytes that are there, and held against a limit.
"""

import math
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from explorer.errors import UserError
from explorer.runtime.edge.claims import array_header, check_claim

_KINDS = {
    stat.S_IFIFO: "a pipe (FIFO)",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


def check_regular(path: Path) -> None:
    """Refuse what is there, but no file: opening a pipe waits for ever, reading a device never ends.

    Raises:
        UserError: It is a pipe, a device, a socket or a folder, or a link to one.

    Example:
        >>> import os
        >>> os.mkfifo("1.png")
        >>> check_regular(Path("1.png"))
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: 1.png: must be a regular file, got a pipe (FIFO)
    """
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except OSError:  # whoever reads it says that it is missing
        return
    if kind != stat.S_IFREG:
        raise UserError(f"{path}: must be a regular file, got {_KINDS.get(kind, 'something else')}")


def npy_claim(where: str, file: IO[bytes], size: int) -> int:
    """Bytes of the array in an ``.npy`` file, by its header.

    Args:
        where: Names the array in messages.
        file: At its start; afterwards behind the header.
        size: Bytes of the whole file.

    Raises:
        ValueError: It has no header of an array.
        UserError: The header promises more than the file holds.

    Example:
        >>> import os
        >>> import numpy as np
        >>> np.save("x.npy", np.zeros((3, 4), np.float32))
        >>> with open("x.npy", "rb") as file:
        ...     npy_claim("x.npy", file, os.path.getsize("x.npy"))
        48
    """
    shape, dtype = array_header(file)
    claimed = math.prod(shape) * dtype.itemsize
    held = size - file.tell()
    if not dtype.hasobject and claimed > held:  # objects are refused by whoever reads them
        raise UserError(
            f"{where} must hold the {claimed:,} bytes that its header promises ({dtype} {shape}), got "
            f"{held:,}"
        )
    return claimed


def check_npz(path: Path, keys: Sequence[str], limit: int) -> None:
    """Check the arrays of an ``.npz`` file, together, before any of them is unpacked.

    Args:
        path: The file.
        keys: Names of its arrays.
        limit: Bytes that they may take.

    Raises:
        ValueError: An array has no header.
        UserError: A header promises more than its member holds, or all together are above the limit.

    Example:
        >>> import numpy as np
        >>> np.savez_compressed("bomb.npz", x_train=np.zeros(10**6, np.uint8))
        >>> check_npz(Path("bomb.npz"), ["x_train"], limit=10**5)
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: bomb.npz: x_train must take at most 100,000 bytes of memory ...
    """
    claimed = 0
    with zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        for key in keys:
            with archive.open(members[key]) as file:
                claim = npy_claim(f"{path}: {key}", file, members[key].file_size)
            check_claim(f"{path}: {key}", claim, limit)
            claimed += claim
    check_claim(f"{path}: {', '.join(keys)}", claimed, limit)
