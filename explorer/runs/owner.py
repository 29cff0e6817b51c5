"""One run, one owner: the process that searches a run folder holds a lock in it, which ends with it.

The lock is the system's (``flock``), so a killed process leaves none behind. Where a file system has no
locks, nobody is kept out.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from explorer.errors import UserError
from explorer.runs.folder import LOCK_FILE
from explorer.utils.files import naming_file

_PATIENCE_S = 0.2  # somebody may be looking who owns the run, which takes the lock for a moment


class Owner(NamedTuple):
    """Who searches a run.

    Example:
        >>> str(Owner("workstation", 4711))
        'process 4711 on workstation'
    """

    host: str
    process: int

    def __str__(self) -> str:
        """As a message names it."""
        return f"process {self.process} on {self.host}"


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Own a run folder, which is made where there is none; one that is empty in the end is removed.

    Raises:
        UserError: Another process owns it, or this one does already.

    Example:
        >>> with owned(Path("reports/first")), owned(Path("reports/first")):
        ...     pass
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: reports/first: is being searched by process ... on ...
        >>> Path("reports").exists()
        False
    """
    made = [path for path in (folder, folder.parent) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _locked(folder):
            yield
    finally:
        for path in made:
            with suppress(OSError):  # something lies in it, or it is gone
                path.rmdir()


def owner_of(folder: Path) -> Owner | None:
    """Who searches the run now; None where nobody does.

    Example:
        >>> with owned(Path("reports/second")):
        ...     owner_of(Path("reports/second")).process == os.getpid()
        True
        >>> owner_of(Path("reports/second")) is None
        True
    """
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor, path = _lock(folder), folder / LOCK_FILE
    try:
        with naming_file(path):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(Owner(socket.gethostname(), os.getpid())._asdict()).encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(folder: Path) -> int:
    """A descriptor that holds the lock of the file that lies there, not of one that was removed meanwhile."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _read(descriptor)
            os.close(descriptor)
            if time.monotonic() > deadline:
                raise UserError(f"{folder}: is being searched by {owner}; wait for it, or stop it") from None
            time.sleep(_PATIENCE_S / 4)
            continue
        except OSError:  # a file system without locks
            return descriptor
        if _lies_there(descriptor, folder / LOCK_FILE):
            return descriptor
        os.close(descriptor)


def _lies_there(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _read(descriptor: int) -> Owner:
    """What the owner wrote of itself; it may be about to."""
    try:
        return Owner(**json.loads(os.pread(descriptor, 1000, 0)))
    except (ValueError, TypeError):
        return Owner("an unknown host", 0)
