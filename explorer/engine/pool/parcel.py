"""Work on its way to other processes: a pickle, and large arrays beside it, which are not copied for each.

Arrays lie in files that every process of a machine maps into memory, so all of them share one copy. To
another machine their contents travel once for each of its Dask workers, and are written into one file there.

Imports neither torch nor the work: a Dask worker sees bytes only.
"""

import hashlib
import mmap
import os
import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

LARGE_BYTES = 2**20  # an array below this stays in the pickle


@dataclass(frozen=True)
class Parcel:
    """A callable as bytes.

    Attributes:
        pickled: The pickle without large arrays.
        contents: Of the large arrays, where they travel along.
        files: In which they lie, else.

    Example:
        >>> import numpy as np
        >>> from functools import partial
        >>> parcel = pack(partial(np.add, np.zeros(2**20)), folder=None)
        >>> len(parcel.pickled) < 1000, [len(content) for content in parcel.contents]
        (True, [8388608])
        >>> parcel.laid_down(Path(".")).unpack()(1)[:3]
        array([1., 1., 1.])
    """

    pickled: bytes
    contents: tuple[bytes, ...] = ()
    files: tuple[str, ...] = ()

    def laid_down(self, folder: Path) -> "Parcel":
        """With its contents in files of a folder, where those of another process may be found already."""
        return replace(self, contents=(), files=tuple(_written(own, folder) for own in self.contents))

    def unpack(self) -> Callable[[Any], Any]:
        """The callable; its arrays are mapped, and what is written to them reaches nobody else."""
        # once each, also where several arrays are one: pages count for every mapping that touches them
        mapped = {file: _mapped(Path(file)) for file in dict.fromkeys(self.files)}
        buffers = [mapped[file] for file in self.files]
        work: Callable[[Any], Any] = pickle.loads(self.pickled, buffers=buffers)
        return work


def pack(work: Callable[[Any], Any], folder: Path | None) -> Parcel:
    """A callable as a parcel.

    Args:
        work: Picklable.
        folder: Where its large arrays are written for processes of this machine; None: they travel along.

    Example:
        >>> pack(len, folder=None).unpack()("abc")
        3
    """
    large: list[memoryview] = []

    def beside(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < LARGE_BYTES:
            return True  # in the pickle
        large.append(raw)
        return False

    parcel = Parcel(pickle.dumps(work, protocol=5, buffer_callback=beside))
    if folder is None:
        return replace(parcel, contents=tuple(map(bytes, large)))
    return replace(parcel, files=tuple(_written(own, folder) for own in large))


def own_links(parcel: Parcel, folder: Path) -> Parcel:
    """With a link of one's own to each file, so that the file stays as long as somebody has one.

    Example:
        >>> Path("own").mkdir()
        >>> _ = Path("shared").write_bytes(b"abc")
        >>> linked = own_links(Parcel(b"", files=("shared",)), Path("own"))
        >>> linked.files, Path("shared").stat().st_nlink
        (('own/shared',), 2)
        >>> drop_links(linked, Path("."))  # the last one takes the shared file along
        >>> Path("shared").exists()
        False
    """
    links = [folder / Path(file).name for file in parcel.files]
    for file, link in zip(parcel.files, links, strict=True):
        with suppress(FileExistsError):
            os.link(file, link)
    return replace(parcel, files=tuple(map(str, links)))


def drop_links(parcel: Parcel, shared: Path) -> None:
    """Remove what :func:`own_links` made; the last one removes the file in the folder ``shared``, too.

    Example:
        >>> _ = Path("kept").write_bytes(b"abc")
        >>> for name in ("one", "other"):
        ...     Path(name).mkdir()
        >>> one, other = (own_links(Parcel(b"", files=("kept",)), Path(name)) for name in ("one", "other"))
        >>> drop_links(one, Path("."))
        >>> Path("kept").stat().st_nlink  # the other's is left
        2
    """
    for file in map(Path, parcel.files):
        with suppress(OSError):
            file.unlink()
        common = shared / file.name
        with suppress(OSError):
            if common.stat().st_nlink == 1:
                common.unlink()


def _written(content: bytes | memoryview, folder: Path) -> str:
    """The file of a folder that holds this content; whole or not at all, as another process may look."""
    path = folder / f"explorer-{hashlib.blake2b(content, digest_size=16).hexdigest()}"
    if not path.exists():
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        with temporary.open("wb") as file:
            file.write(content)
        os.replace(temporary, path)
    return str(path)


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        # a page that somebody writes to becomes the process's own; the file stays as it is
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
