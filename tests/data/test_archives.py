"""Files that others published: found, downloaded once, held against their hashes."""

import gzip
import hashlib
import io
import math
import os
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import pytest
from written_data import arrays, load, sample_ids

from explorer.data import archives as data_archives
from explorer.data.archives import DATA_DIR_VARIABLE, IDX_SOURCES, IdxFile, IdxSource
from explorer.data.sources import NPZ_KEYS
from explorer.errors import UserError

REAL_DATA_DIR = os.environ.get(DATA_DIR_VARIABLE)
needs_real_data = pytest.mark.skipif(
    REAL_DATA_DIR is None, reason=f"{DATA_DIR_VARIABLE} does not name a folder with mnist/ and fashion_mnist/"
)


def idx_bytes(array: np.ndarray) -> bytes:
    header = [0x0800 + array.ndim, *array.shape]
    return b"".join(number.to_bytes(4, "big") for number in header) + array.astype(np.uint8).tobytes()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def idx_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data_dir whose mnist/ holds four tiny gzipped files; the table of known hashes is theirs."""
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    files = []
    for known, key in zip(IDX_SOURCES["mnist"].files, NPZ_KEYS, strict=True):
        content = idx_bytes(arrays()[key])
        zipped = gzip.compress(content, mtime=0)
        (folder / f"{known.name}.gz").write_bytes(zipped)
        files.append(replace(known, gz_md5=md5(zipped), md5=md5(content)))
    monkeypatch.setitem(IDX_SOURCES, "mnist", IdxSource("http://127.0.0.1:9/", tuple(files)))
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return folder.parent


@pytest.mark.parametrize("layout", ["data_dir/mnist", "data_dir", "environment", "plain"])
def test_load_data_finds_idx_files(idx_folder: Path, monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    data_dir: Path | None = idx_folder
    if layout == "data_dir":
        data_dir = idx_folder / "mnist"
    elif layout == "environment":
        monkeypatch.setenv(DATA_DIR_VARIABLE, str(idx_folder))
        data_dir = None
    elif layout == "plain":
        for path in (idx_folder / "mnist").iterdir():
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    data = load("mnist", data_dir)
    assert (data.name, data.num_classes, data.input_shape) == ("mnist", 4, (1, 5, 6))
    assert sorted(sample_ids(data.train, data) + sample_ids(data.validation, data)) == list(range(40))
    assert sorted(sample_ids(data.test, data)) == list(range(200, 220))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda zipped, _: zipped[:-9], r"must be a whole gzip file, got a damaged one"),
        (lambda zipped, _: zipped[:40] + b"\xff" * 20 + zipped[60:], r"must be a whole gzip file"),
        (
            lambda _, content: content[:-1],
            r"must hold 28 bytes for shape \[20\], got 27|must hold 1216 bytes for .*, got 1215",
        ),
        (lambda _, content: content + b"\0", r"must hold .* bytes for shape .*, got"),
        (lambda _, content: content[:-1] + b"\7", r"decompressed bytes must have the MD5 \w{32}, got \w{32}"),
        (lambda _, content: gzip.compress(content[:-1] + b"\7"), r"decompressed bytes must have the MD5"),
        (lambda _, content: b"\0\0\x0d" + content[3:], r"must start with the IDX magic number 0x\w+, got 0x"),
        (lambda _, content: content[:2], r"must start with the IDX magic number"),
        (lambda _, __: b"", r"must start with the IDX magic number 0x\w+, got 0x00000000"),
    ],
)
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_load_data_damaged_idx_file(idx_folder: Path, damage: Any, message: str, name: str) -> None:
    path = idx_folder / "mnist" / f"{name}.gz"
    zipped = path.read_bytes()
    path.write_bytes(damage(zipped, gzip.decompress(zipped)))
    with pytest.raises(UserError, match=message) as caught:
        load("mnist", idx_folder)
    assert str(path) in str(caught.value)


def test_load_data_missing_idx_file(idx_folder: Path) -> None:
    (idx_folder / "mnist" / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(
        UserError, match=r"must hold all four files of mnist .*, missing train-labels-idx1-ubyte$"
    ):
        load("mnist", idx_folder)


def test_load_data_missing_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UserError, match=r"absent: --data-dir and EXPLORER_DATA_DIR must name an existing folder"
    ):
        load("mnist", tmp_path / "absent")
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path / "gone"))
    with pytest.raises(UserError, match="gone"):
        load("mnist")
    assert load("digits").name == "digits"  # embedded: needs no folder


def test_load_data_unreachable_download(idx_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        UserError, match=r"mnist: cannot download http\S+ubyte.gz into .*--data-dir or EXPLORER_DATA_DIR"
    ):
        load("mnist", tmp_path / "empty")


@pytest.fixture
def mirror(idx_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server on this machine that offers the tiny files; yields the folder it serves."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    folder = idx_folder / "mnist"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setitem(IDX_SOURCES, "mnist", replace(IDX_SOURCES["mnist"], url=url))
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_load_data_downloads_once(mirror: Path, tmp_path: Path) -> None:
    first = load("mnist")
    for path in mirror.iterdir():
        path.unlink()
    assert load("mnist").fingerprint == first.fingerprint
    cached = sorted(path.name for path in (tmp_path / "cache").rglob("*.gz"))
    assert cached == sorted(f"{file.name}.gz" for file in IDX_SOURCES["mnist"].files)


def test_load_data_rejects_a_wrong_download(mirror: Path, tmp_path: Path) -> None:
    (mirror / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"something else"))
    with pytest.raises(UserError, match=r"cannot download .*hash.*--data-dir"):
        load("mnist")
    assert not list((tmp_path / "cache").rglob("*.gz"))


def test_known_hashes_are_distinct_md5s() -> None:
    hashes = [
        digest
        for source in IDX_SOURCES.values()
        for file in source.files
        for digest in (file.gz_md5, file.md5)
    ]
    assert len(set(hashes)) == 16
    assert all(len(digest) == 32 and int(digest, 16) for digest in hashes)


def test_read_idx_checks_form_before_hash(tmp_path: Path) -> None:
    content = idx_bytes(np.arange(6).reshape(1, 2, 3))
    (tmp_path / "file").write_bytes(content)
    read = data_archives._read_idx(tmp_path / "file", IdxFile("file", 3, "", md5(content)), 1000)
    assert read.shape == (1, 2, 3)
    assert read.ravel().tolist() == list(range(6))


def cifar10_archive(path: Path) -> np.ndarray:
    """Write an archive of six records a file; returns them, shape (36, 3073)."""
    records = np.random.default_rng(0).integers(0, 256, (36, 3073), dtype=np.uint8)
    records[:, 0] = np.arange(36) % 3
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    with tarfile.open(path, "w:gz") as archive:
        for number, name in enumerate(names):
            content = records[6 * number : 6 * number + 6].tobytes()
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return records


@pytest.mark.parametrize("place", ["", "cifar10"])
def test_cifar10_from_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    (tmp_path / place).mkdir(exist_ok=True)
    path = tmp_path / place / data_archives.CIFAR10_ARCHIVE
    records = cifar10_archive(path)
    monkeypatch.setattr(data_archives, "CIFAR10_MD5", md5(path.read_bytes()))
    x_train, y_train, x_test, y_test = data_archives.read_archived("cifar10", [tmp_path], limit=10**6)
    assert x_train.shape == (30, 3, 32, 32)
    assert np.array_equal(y_train, records[:30, 0])
    assert np.array_equal(y_test, records[30:, 0])
    # the first 1024 pixels of a record are the red plane, row by row
    assert x_test[5, 0, 1, 2] == records[35, 1 + 32 + 2]
    assert x_test[5, 2, 31, 31] == records[35, -1]
    assert load("cifar10", tmp_path).input_shape == (3, 32, 32)


def test_another_archive_is_not_cifar10(tmp_path: Path) -> None:
    cifar10_archive(tmp_path / data_archives.CIFAR10_ARCHIVE)
    with pytest.raises(UserError, match=r"binary.tar.gz: the archive must have the MD5 c32a1d4ab5d03f12"):
        load("cifar10", tmp_path)


def test_cifar10_cannot_be_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_archives, "CIFAR10_URL", "http://127.0.0.1:9/")
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    with pytest.raises(UserError, match=r"cifar10: cannot download .*; put cifar-10-binary.tar.gz into"):
        load("cifar10", tmp_path)


@needs_real_data
@pytest.mark.parametrize(
    ("source", "mean", "std"), [("mnist", 0.1307, 0.3081), ("fashion_mnist", 0.2860, 0.3530)]
)
def test_load_data_real_idx(source: str, mean: float, std: float) -> None:
    """The published mean and deviation of the whole training part, from a tenth of it."""
    data = load(
        source, Path(str(REAL_DATA_DIR)), train_samples=6000, validation_samples=2000, test_samples=1000
    )
    assert (len(data.train), len(data.validation), len(data.test)) == (6000, 2000, 1000)
    assert (data.num_classes, data.input_shape) == (10, (1, 28, 28))
    assert math.isclose(data.mean[0], mean, abs_tol=0.003)
    assert math.isclose(data.std[0], std, abs_tol=0.003)
    if source == "fashion_mnist":
        assert data.class_counts()["train"] == [600] * 10
