"""Where labelled samples come from: embedded digits, IDX files, a user's own arrays; read, not yet checked.

MNIST: LeCun, Cortes, Burges. Fashion-MNIST: Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747.
Digits: scikit-learn's copy of the UCI optical recognition of handwritten digits test set.
"""

import gzip
import hashlib
import math
import os
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pooch  # type: ignore[import-untyped]
from sklearn.datasets import load_digits

from explorer.errors import UserError

Array = npt.NDArray[Any]

DATA_DIR_VARIABLE = "EXPLORER_DATA_DIR"
DOWNLOAD_TIMEOUT_S = 30.0
DIGITS_TEST_PER_CLASS = 36  # 360 of 1,797 samples
NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")
_IDX_UINT8 = 0x0800  # type code of a magic number; its lowest byte is the number of axes


@dataclass(frozen=True)
class RawData:
    """A data set as its source gives it: inputs of shape (N, ...), labels of shape (N,)."""

    name: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array


@dataclass(frozen=True)
class IdxFile:
    """One file of an IDX data set; the MD5s are of the gzipped and of the decompressed bytes."""

    name: str
    axes: int
    gz_md5: str
    md5: str


@dataclass(frozen=True)
class IdxSource:
    """An IDX data set: a public mirror, and its files in the order of :data:`NPZ_KEYS`."""

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


def read_source(source: str, data_dir: Path | None) -> RawData:
    """Read ``digits``, ``mnist``, ``fashion_mnist`` or ``npz:PATH``.

    Args:
        source: Name of the source.
        data_dir: Folder with data files; ``EXPLORER_DATA_DIR`` is looked at after it.

    Raises:
        UserError: Unknown source; missing, unreadable, damaged or wrong file; failed download.
    """
    if source == "digits":
        return _read_digits()
    folders = [data_dir] if data_dir is not None else []
    if from_environment := os.environ.get(DATA_DIR_VARIABLE):
        folders.append(Path(from_environment))
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: --data-dir and {DATA_DIR_VARIABLE} must name an existing folder")
    if source in IDX_SOURCES:
        paths = _find_idx(source, folders) or [_download(source, file) for file in IDX_SOURCES[source].files]
        arrays = [_read_idx(path, file) for path, file in zip(paths, IDX_SOURCES[source].files, strict=True)]
        return RawData(source, *arrays)
    if source.startswith("npz:") and source != "npz:":
        return _read_npz(Path(source.removeprefix("npz:")).expanduser(), folders)
    raise UserError(f"data source must be digits, {', '.join(IDX_SOURCES)} or npz:PATH, got {source!r}")


def _read_digits() -> RawData:
    """8x8 grey images with values 0 .. 16; the test part is fixed: 36 random samples of every class."""
    digits = load_digits()
    images, labels = np.asarray(digits.images), np.asarray(digits.target)
    order = np.random.RandomState(0).permutation(len(labels))
    test = np.sort(
        np.concatenate([order[labels[order] == label][:DIGITS_TEST_PER_CLASS] for label in range(10)])
    )
    is_train = np.ones(len(labels), dtype=bool)
    is_train[test] = False
    return RawData("digits", images[is_train], labels[is_train], images[test], labels[test])


def _find_idx(source: str, folders: list[Path]) -> list[Path] | None:
    """The four files, plain or gzipped, in the first folder that has any of them."""
    for folder in [place for root in folders for place in (root / source, root)]:
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


def _download(source: str, file: IdxFile) -> Path:
    """Fetch one gzipped file into the operating system's cache folder, unless it is there already."""
    url = f"{IDX_SOURCES[source].url}{file.name}.gz"
    cache = pooch.os_cache("split-sparsity-explorer") / source
    downloader = pooch.HTTPDownloader(timeout=DOWNLOAD_TIMEOUT_S)
    try:
        path = pooch.retrieve(url, f"md5:{file.gz_md5}", f"{file.name}.gz", cache, downloader=downloader)
    except (OSError, ValueError) as error:  # ValueError: wrong hash
        raise UserError(
            f"{source}: cannot download {url} into {cache} ({error}); put the four IDX files, plain or .gz,"
            f" into a folder and name it with --data-dir or {DATA_DIR_VARIABLE}"
        ) from error
    return Path(path)


def _read_idx(path: Path, file: IdxFile) -> Array:
    """Read one IDX file of uint8 values and check its form and the MD5 of its decompressed bytes."""
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: must be a whole gzip file, got a damaged one ({error})") from error
    except OSError as error:
        raise UserError(f"{path}: must be readable, got {error.strerror}") from error
    header_bytes = 4 * (1 + file.axes)
    magic, *shape = (int.from_bytes(content[at : at + 4], "big") for at in range(0, header_bytes, 4))
    if magic != _IDX_UINT8 + file.axes:
        expected = _IDX_UINT8 + file.axes
        raise UserError(f"{path}: must start with the IDX magic number {expected:#010x}, got {magic:#010x}")
    expected_bytes = header_bytes + math.prod(shape)
    if len(content) != expected_bytes:
        raise UserError(f"{path}: must hold {expected_bytes} bytes for shape {shape}, got {len(content)}")
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 != file.md5:
        raise UserError(f"{path}: decompressed bytes must have the MD5 {file.md5}, got {md5}")
    return np.frombuffer(content, dtype=np.uint8, offset=header_bytes).reshape(shape)


def _read_npz(path: Path, folders: list[Path]) -> RawData:
    """Read a user's arrays; a relative path is looked for in the working directory, then in ``folders``."""
    found = next((place for place in (path, *(folder / path for folder in folders)) if place.is_file()), None)
    if found is None:
        raise UserError(f"npz:{path}: must name an existing .npz file, found none")
    with found.open("rb") as file:
        archive = _readable(found, "the file", partial(np.load, file, allow_pickle=False))
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise UserError(
                f"{found}: must be an .npz archive with {', '.join(NPZ_KEYS)}, got a single array"
            )
        if missing := [key for key in NPZ_KEYS if key not in archive]:
            held = ", ".join(archive.files) or "nothing"
            raise UserError(f"{found}: must hold {', '.join(NPZ_KEYS)}, got {held}; missing {missing[0]}")
        arrays = [np.asarray(_readable(found, key, partial(archive.__getitem__, key))) for key in NPZ_KEYS]
    return RawData(f"npz:{found.name}", *arrays)


def _readable(path: Path, what: str, read: Callable[[], Any]) -> Any:
    """Call ``read``; what numpy says about pickled or damaged content becomes a :class:`UserError`."""
    try:
        return read()
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        what_is_wrong = "pickled or damaged data" if isinstance(error, ValueError) else error
        raise UserError(
            f"{path}: {what} must be plain numpy data (no pickled or object arrays), got: {what_is_wrong}"
        ) from error
