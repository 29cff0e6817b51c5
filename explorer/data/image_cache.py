"""Decoded images in the user's cache folder: a folder of images is decoded once, then mapped into memory."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from explorer.data.mapped import Array

_KEPT_BYTES = 2**20  # fewer are decoded again each time: that is as fast, and leaves nothing behind


def cached(paths: Sequence[Path], decode: Callable[[], Array]) -> Array:
    """What ``decode`` gives for these files, from the cache if none of them has changed since.

    Files are told by name, size and time of the last change. Small arrays are not kept, and a cache folder
    that cannot be written costs decoding again, nothing else.

    Args:
        paths: The files, in the order of the samples.
        decode: Gives uint8 samples (N, ...).

    Example:
        >>> _ = Path("1.png").write_bytes(b"any")
        >>> cached([Path("1.png")], lambda: np.zeros((1, 2, 2), np.uint8)).shape
        (1, 2, 2)
    """
    file = cache_folder() / f"{_key(paths)}.npy"
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except (OSError, ValueError, EOFError):
        images = decode()
    if images.nbytes < _KEPT_BYTES:
        return images
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as content:
            np.save(content, images)
        os.replace(temporary, file)
        return np.load(file, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except OSError:
        return images


def cache_folder() -> Path:
    """Where decoded images are kept.

    Example:
        >>> cache_folder().name
        'images'
    """
    import pooch  # type: ignore[import-untyped]  # slow to import

    return Path(pooch.os_cache("split-sparsity-explorer")) / "images"


def _key(paths: Sequence[Path]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        found = path.stat()
        digest.update(os.fsencode(path.resolve()) + f"\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
