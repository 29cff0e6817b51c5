"""Data sets published as files of their own formats: found in a folder or downloaded, checked by hash.

MNIST: LeCun, Cortes, Burges. Fashion-MNIST: Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747. CIFAR-10:
Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images"; its binary version needs no pickle.
"""

import gzip
import hashlib
import math
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from explorer.errors import UserError
from explorer.runtime.edge.claims import check_claim

Array = npt.NDArray[Any]

DATA_DIR_VARIABLE = "EXPLORER_DATA_DIR"
DOWNLOAD_TIMEOUT_S = 30.0
_md5 = partial(hashlib.md5, usedforsecurity=False)
_IDX_UINT8 = 0x0800  # type code of a magic number; its lowest byte is the number of axes


@dataclass(frozen=True)
class IdxFile:
    """One file of an IDX data set; the MD5s are of the gzipped and of the decompressed bytes.

    Example:
        >>> labels = IDX_SOURCES["mnist"].files[1]
        >>> labels.name, labels.axes
        ('train-labels-idx1-ubyte', 1)
    """

    name: str
    axes: int
    gz_md5: str
    md5: str


@dataclass(frozen=True)
class IdxSource:
    """An IDX data set: a public mirror, and its files in the order of the keys of an NPZ file.

    See :data:`explorer.data.sources.NPZ_KEYS`.

    Example:
        >>> [file.name for file in IDX_SOURCES["fashion_mnist"].files[:2]]
        ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte']
    """

    url: str
    files: tuple[IdxFile, IdxFile, IdxFile, IdxFile]


_TRAIN_IMAGES = partial(IdxFile, "train-images-idx3-ubyte", 3)
_TRAIN_LABELS = partial(IdxFile, "train-labels-idx1-ubyte", 1)
_TEST_IMAGES = partial(IdxFile, "t10k-images-idx3-ubyte", 3)
_TEST_LABELS = partial(IdxFile, "t10k-labels-idx1-ubyte", 1)

IDX_SOURCES: dict[str, IdxSource] = {
    "mnist": IdxSource(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        (
            _TRAIN_IMAGES("f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"),
            _TRAIN_LABELS("d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"),
            _TEST_IMAGES("9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"),
            _TEST_LABELS("ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"),
        ),
    ),
    "fashion_mnist": IdxSource(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        (
            _TRAIN_IMAGES("8d4fb7e6c68d591d4c3dfef9ec88bf0d", "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
            _TRAIN_LABELS("25c81989df183df01b3e8a0aad5dffbe", "9018921c3c673c538a1fc5bad174d6f9"),
            _TEST_IMAGES("bef4ecab320f06d8554ea6380940ec79", "8181f5470baa50b63fa0f6fddb340f0a"),
            _TEST_LABELS("bb300cfdad3c16e7a12a480ee83cd310", "15d484375f8d13e6eb1aabb0c3f46965"),
        ),
    ),
}


CIFAR10 = "cifar10"
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/"
CIFAR10_ARCHIVE = "cifar-10-binary.tar.gz"
CIFAR10_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"  # as published at CIFAR10_URL/cifar.html
_CIFAR10_TRAIN = tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6))
_CIFAR10_TEST = ("cifar-10-batches-bin/test_batch.bin",)
_CIFAR10_PIXELS = (3, 32, 32)

ARCHIVED_SOURCES = (*IDX_SOURCES, CIFAR10)


def read_archived(source: str, folders: list[Path], limit: int) -> list[Array]:
    """Read one of :data:`ARCHIVED_SOURCES` as train inputs, train labels, test inputs, test labels.

    Args:
        source: Its name.
        folders: Looked through before anything is downloaded, each with ``<source>/`` in it first.
        limit: Bytes of memory that each file's array may take.

    Raises:
        UserError: Missing, unreadable, damaged, too large or wrong file; failed download.

    Example:
        >>> Path("mnist").mkdir()
        >>> Path("mnist/train-images-idx3-ubyte").touch()
        >>> read_archived("mnist", [Path(".")], limit=10**9)
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: mnist: must hold all four files of mnist ..., missing ...
    """
    places = [place for root in folders for place in (root / source, root)]
    if source == CIFAR10:
        return _read_cifar10(places)
    files = IDX_SOURCES[source].files
    paths = _find_idx(source, places) or [_download_idx(source, file) for file in files]
    return [_read_idx(path, file, limit) for path, file in zip(paths, files, strict=True)]


def _find_idx(source: str, places: list[Path]) -> list[Path] | None:
    """The four files, plain or gzipped, in the first folder that has any of them."""
    for folder in places:
        found: list[Path] = []
        missing: list[str] = []
        for file in IDX_SOURCES[source].files:
            plain, zipped = folder / file.name, folder / f"{file.name}.gz"
            path = next((path for path in (plain, zipped) if path.is_file()), None)
            if path is None:
                missing.append(file.name)
            else:
                found.append(path)
        if found and missing:
            raise UserError(
                f"{folder}: must hold all four files of {source} (plain or .gz), missing {', '.join(missing)}"
            )
        if found:
            return found
    return None


def _download_idx(source: str, file: IdxFile) -> Path:
    wanted = "the four IDX files, plain or .gz,"
    return _download(source, IDX_SOURCES[source].url, f"{file.name}.gz", file.gz_md5, wanted)


def _download(source: str, url: str, name: str, md5: str, what: str) -> Path:
    """Fetch one file into the operating system's cache folder, unless it is there already."""
    import pooch  # type: ignore[import-untyped]  # slow to import, and only downloads need it

    cache = pooch.os_cache("split-sparsity-explorer") / source
    downloader = pooch.HTTPDownloader(timeout=DOWNLOAD_TIMEOUT_S)
    try:
        path = pooch.retrieve(url + name, f"md5:{md5}", name, cache, downloader=downloader)
    except (OSError, ValueError) as error:  # ValueError: wrong hash
        raise UserError(
            f"{source}: cannot download {url}{name} into {cache} ({error}); put {what} into a folder and"
            f" name it with --data-dir or {DATA_DIR_VARIABLE}"
        ) from error
    return Path(path)


def _read_idx(path: Path, file: IdxFile, limit: int) -> Array:
    """Read one IDX file of uint8 values and check its form and the MD5 of its decompressed bytes."""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) if zipped else raw as opened:
                content, shape = _idx_content(path, file, opened, limit)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: must be a whole gzip file, got a damaged one ({error})") from error
    except OSError as error:
        raise UserError(f"{path}: must be readable, got {error.strerror}") from error
    _check_md5(path, _md5(content).hexdigest(), file.md5, "decompressed bytes")
    return np.frombuffer(content, dtype=np.uint8, offset=len(content) - math.prod(shape)).reshape(shape)


def _idx_content(path: Path, file: IdxFile, opened: BufferedIOBase, limit: int) -> tuple[bytes, list[int]]:
    """All bytes, and the shape of the array; never more than the header says."""
    header_bytes = 4 * (1 + file.axes)
    header = opened.read(header_bytes)
    magic, *shape = (int.from_bytes(header[at : at + 4], "big") for at in range(0, header_bytes, 4))
    if magic != _IDX_UINT8 + file.axes:
        expected = _IDX_UINT8 + file.axes
        raise UserError(f"{path}: must start with the IDX magic number {expected:#010x}, got {magic:#010x}")
    expected_bytes = header_bytes + math.prod(shape)
    check_claim(str(path), expected_bytes, limit)
    content = header + opened.read(expected_bytes - header_bytes + 1)
    if len(content) != expected_bytes:
        got = "more" if len(content) > expected_bytes else len(content)
        raise UserError(f"{path}: must hold {expected_bytes} bytes for shape {shape}, got {got}")
    return content, shape


def _check_md5(path: Path, md5: str, expected: str, what: str) -> None:
    if md5 != expected:
        raise UserError(f"{path}: {what} must have the MD5 {expected}, got {md5}")


def _read_cifar10(places: list[Path]) -> list[Array]:
    """The archive's six files: records of one label byte and 3 x 32 x 32 pixels, read without extraction."""
    found = next((place / CIFAR10_ARCHIVE for place in places if (place / CIFAR10_ARCHIVE).is_file()), None)
    if found is None:
        found = _download(CIFAR10, CIFAR10_URL, CIFAR10_ARCHIVE, CIFAR10_MD5, CIFAR10_ARCHIVE)
    try:
        with found.open("rb") as file:
            md5 = hashlib.file_digest(file, _md5).hexdigest()
        _check_md5(found, md5, CIFAR10_MD5, "the archive")
        with tarfile.open(found, "r:gz") as archive:
            train, test = (_cifar10_records(archive, names) for names in (_CIFAR10_TRAIN, _CIFAR10_TEST))
    except OSError as error:
        raise UserError(f"{found}: must be readable, got {error.strerror}") from error
    images = [part[:, 1:].reshape(-1, *_CIFAR10_PIXELS) for part in (train, test)]
    return [images[0], train[:, 0], images[1], test[:, 0]]


def _cifar10_records(archive: tarfile.TarFile, names: Sequence[str]) -> Array:
    """Records of the files named, shape (N, 1 + pixels); the archive's hash stands for their form."""
    contents = [content.read() for name in names if (content := archive.extractfile(name)) is not None]
    return np.frombuffer(b"".join(contents), dtype=np.uint8).reshape(-1, 1 + math.prod(_CIFAR10_PIXELS))
