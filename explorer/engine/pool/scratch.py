"""Temporary folders that are removed also where their owner was killed: by whoever opens the next pool.

Each holds a file that its owner has locked (``flock``); the lock ends with the process, however that ends.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX, _LOCK = "explorer-workers-", "owner.lock"
_SETTLED_S = 600.0  # an owner locks its folder right after making it; only a killed one takes so long


@contextmanager
def scratch_folder() -> Iterator[str]:
    """A folder under the system's temporary folder, for as long as the context lasts.

    Example:
        >>> with scratch_folder() as folder:
        ...     Path(folder).is_relative_to(tempfile.gettempdir())
        True
        >>> Path(folder).exists()
        False
    """
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
        lock = Path(folder) / f"{_LOCK}.new"
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with suppress(OSError):  # a file system without locks, where nobody removes it either
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(lock, Path(folder) / _LOCK)  # locked before others look for it
            yield folder
        finally:
            os.close(descriptor)


def remove_abandoned() -> None:
    """Remove this user's folders whose owner is gone: it holds no lock, or has not come to it in ten minutes.

    Example:
        >>> folder = Path(tempfile.mkdtemp(prefix="explorer-workers-"))
        >>> (folder / "owner.lock").touch()
        >>> remove_abandoned()
        >>> folder.exists()
        False
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if folder.lstat().st_uid == os.getuid():
                _remove_unless_owned(folder)
        except OSError:  # owned, or another process removes it just now
            continue


def _remove_unless_owned(folder: Path) -> None:
    """Raises OSError where somebody holds the lock."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        if time.time() - folder.lstat().st_mtime > _SETTLED_S:
            shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)
