"""What goes wrong around a search, made to happen: in the fork that becomes the command, or on its disk."""

import datetime as dates
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from explorer.errors import UserError
from explorer.measure import runners
from explorer.runs.store import Store

Fault = Callable[[], None]
STORED = 2  # networks, before what happens in the midst of a search happens
GROWN_BYTES = 2**26


class Disk:
    """A folder that holds so many bytes.

    It is a tmpfs of its own; where this process may mount none, files that the command writes are limited to
    that size, each.

    Args:
        folder: Where; made here.
        size: Bytes.
    """

    def __init__(self, folder: Path, size: int) -> None:
        folder.mkdir()
        self.folder, self.size = folder, size
        self.mounted = _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))

    def limit(self) -> None:
        """Hold a fork to the stand-in, where there is no disk."""
        if not self.mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.size))

    def grow(self) -> None:
        """There is space again."""
        if self.mounted:
            _mount("-o", f"remount,rw,size={GROWN_BYTES}", str(self.folder))

    def seal(self) -> None:
        """Nothing may be written any more."""
        if self.mounted:
            _mount("-o", "remount,ro", str(self.folder))
        else:
            _set_modes(self.folder, 0o555)

    def close(self) -> None:
        """Give it back."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False, capture_output=True)
        else:
            _set_modes(self.folder, 0o755)


@contextmanager
def disks(folder: Path, sizes: list[int]) -> Iterator[list[Disk]]:
    """Small disks ``folder/0``, ``folder/1`` .."""
    made = list[Disk]()
    try:
        for number, size in enumerate(sizes):
            made.append(Disk(folder / str(number), size))
        yield made
    finally:
        for disk in made:
            disk.close()


def size_on_disk(folder: Path) -> int:
    """Bytes of whole pages that a folder's files take."""
    page = resource.getpagesize()
    return sum(-(-path.stat().st_size // page) * page for path in folder.rglob("*") if path.is_file())


def few_descriptors(count: int = 64) -> None:
    """Allow so many open files."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def little_memory(more_bytes: int) -> Fault:
    """Allow so much address space beyond what the imports take."""

    def limit() -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + more_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    return limit


def without_export() -> None:
    """Have parts measured as PyTorch runs them: their export takes four fifths of so small a search."""

    def refuse(*_: Any) -> None:
        raise UserError("not exported in the campaign")

    runners.export_chain = refuse  # type: ignore[assignment]


def in_the_midst(act: Callable[[Path], None]) -> Fault:
    """Have something happen to the run folder once :data:`STORED` networks are stored."""

    def prepare() -> None:
        write, stored = Store.write, 0

        def then_act(store: Store, *arguments: Any) -> None:
            nonlocal stored
            write(store, *arguments)
            stored += 1
            if stored == STORED:
                act(store.run)

        Store.write = then_act  # type: ignore[method-assign]

    return prepare


def lock_database(seconds: float) -> Callable[[Path], None]:
    """Another process that writes to the study for so long."""

    def lock(run: Path) -> None:
        ready, began = os.pipe()
        if not os.fork():
            try:
                connection = sqlite3.connect(run / "study.db", timeout=0, isolation_level=None)
                connection.execute("BEGIN IMMEDIATE")
                os.write(began, b"1")
                time.sleep(seconds)
                connection.execute("ROLLBACK")
            finally:
                os._exit(0)
        os.read(ready, 1)

    return lock


def move_away(run: Path) -> None:
    """The folder is gone, and comes back when the search has ended."""
    run.rename(run.with_name("away"))


def move_back(run: Path) -> None:
    """Undo :func:`move_away`; what was written at the old place is none of the run's."""
    shutil.rmtree(run, ignore_errors=True)
    run.with_name("away").rename(run)


def remove(name: str) -> Callable[[Path], None]:
    """A file or folder of the run is gone for good; the empty name: all of it."""

    def gone(run: Path) -> None:
        path = run / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    return gone


def jump_clock(seconds: float) -> Callable[[Path], None]:
    """Wall-clock time jumps, for all that asks Python for it; the monotonic clock goes on."""

    def jump(_: Path) -> None:
        now = time.time
        time.time = lambda: now() + seconds
        jumped = type("datetime", (dates.datetime,), {"now": classmethod(_now(seconds))})
        for module in list(sys.modules.values()):
            if getattr(module, "datetime", None) is dates.datetime:
                module.datetime = jumped  # type: ignore[attr-defined]

    return jump


def _now(seconds: float) -> Callable[..., Any]:
    real, later = dates.datetime.now, dates.timedelta(seconds=seconds)
    return lambda cls, tz=None: real(tz) + later


def _mount(*arguments: str) -> bool:
    """Whether ``mount`` could do it: this process may not, or there is none."""
    try:
        return not subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode
    except OSError:
        return False


def _set_modes(folder: Path, mode: int) -> None:
    for path in (*folder.rglob("*"), folder):
        if path.is_dir():
            path.chmod(mode)
