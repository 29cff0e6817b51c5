"""What files claim of their size is checked before memory is taken; what is no file is not opened."""

import gzip
import io
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from explorer.data.archives import IDX_SOURCES, read_archived
from explorer.data.claims import check_npz, check_regular, npy_claim
from explorer.data.sources import NPZ_KEYS, read_source
from explorer.errors import UserError

TERABYTES = 36 * 2**40
ARRAYS = (np.zeros((4, 8), np.float32), np.arange(4) % 2, np.zeros((2, 8), np.float32), np.arange(2))


def npy_bytes(array: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    """An ``.npy`` file whose header may promise another shape."""
    file = io.BytesIO()
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": shape or array.shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + array.tobytes()


def write_npz(path: Path, compression: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    held = {key: npy_bytes(array) for key, array in zip(NPZ_KEYS, ARRAYS, strict=True)} | members
    with zipfile.ZipFile(path, "w", compression) as archive:
        for key, content in held.items():
            archive.writestr(f"{key}.npy", content)
    return path


def refused(read: Callable[[], object], at_most: int = 2**20) -> str:
    """Why it is refused, after making sure that this took little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(UserError) as told:
            read()
        assert tracemalloc.get_traced_memory()[1] < at_most
    finally:
        tracemalloc.stop()
    return str(told.value)


@given(shape=st.lists(st.integers(0, 5), max_size=4).map(tuple), dtype=st.sampled_from(["u1", "<i4", "<f8"]))
def test_a_header_claims_the_bytes_that_the_array_has(shape: tuple[int, ...], dtype: str) -> None:
    content = npy_bytes(np.zeros(shape, dtype))
    file = io.BytesIO(content)
    assert npy_claim("x", file, len(content)) == np.zeros(shape, dtype).nbytes
    assert file.tell() == len(content) - np.zeros(shape, dtype).nbytes


def test_an_archive_that_promises_terabytes(tmp_path: Path) -> None:
    promise = npy_bytes(ARRAYS[0], shape=(TERABYTES // 4,))
    path = write_npz(tmp_path / "a.npz", x_train=promise)
    told = refused(lambda: read_source(f"npz:{path}", None))
    assert f"{path}: x_train must hold the {TERABYTES:,} bytes that its header promises" in told
    assert told.endswith(f"got {ARRAYS[0].nbytes}")


def test_an_archive_that_unpacks_to_more_than_is_allowed(tmp_path: Path) -> None:
    bomb = npy_bytes(np.zeros((100, 10**5), np.uint8))
    path = write_npz(tmp_path / "bomb.npz", zipfile.ZIP_DEFLATED, x_train=bomb)
    assert path.stat().st_size < 20_000
    told = refused(lambda: read_source(f"npz:{path}", None, max_bytes=10**6))
    assert "x_train must take at most 1,000,000 bytes of memory (--max-data-bytes" in told
    assert told.endswith("got a claim of 10,000,000")


def test_all_arrays_of_an_archive_count_together(tmp_path: Path) -> None:
    path, total = write_npz(tmp_path / "a.npz"), sum(array.nbytes for array in ARRAYS)
    check_npz(path, NPZ_KEYS, limit=total)
    with pytest.raises(UserError, match=rf"x_train, y_train, x_test, y_test .* claim of {total}$"):
        check_npz(path, NPZ_KEYS, limit=total - 1)
    assert read_source(f"npz:{path}", None, max_bytes=total).x_train.shape == (4, 8)


def test_a_member_without_a_header_of_an_array_is_not_unpacked(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz", zipfile.ZIP_DEFLATED, x_train=b"\0" * 10**7)
    assert "must be plain numpy data" in refused(lambda: read_source(f"npz:{path}", None))


@pytest.mark.parametrize("end", ["", "'''", "[", ": {[]: 1}"])
def test_a_member_with_a_damaged_header_is_not_plain_data(tmp_path: Path, end: str) -> None:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': (4, 8){end}"
    damaged = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + ARRAYS[0].tobytes()
    path = write_npz(tmp_path / "a.npz", x_train=damaged)
    assert "must be plain numpy data" in refused(lambda: read_source(f"npz:{path}", None))
    (tmp_path / "x_train.npy").write_bytes(damaged)
    assert "must be an .npy file of plain numbers" in refused(lambda: read_source(f"npy:{tmp_path}", None))


def test_a_single_array_in_place_of_an_archive_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(npy_bytes(np.zeros(10**7, np.uint8)))
    assert refused(lambda: read_source(f"npz:{tmp_path / 'a.npz'}", None)).endswith("got a single array")


def test_names_of_classes_are_checked_too(tmp_path: Path) -> None:
    names = npy_bytes(np.array(["cat", "dog"]), shape=(TERABYTES,))
    path = write_npz(tmp_path / "a.npz", class_names=names)
    assert "class_names must hold" in refused(lambda: read_source(f"npz:{path}", None))


def test_files_of_arrays_that_promise_too_much(tmp_path: Path) -> None:
    for key, array in zip(NPZ_KEYS, ARRAYS, strict=True):
        (tmp_path / f"{key}.npy").write_bytes(npy_bytes(array))
    (tmp_path / "y_train.npy").write_bytes(npy_bytes(ARRAYS[1], shape=(TERABYTES // 8,)))
    assert "y_train.npy must hold" in refused(lambda: read_source(f"npy:{tmp_path}", None))
    (tmp_path / "y_train.npy").write_bytes(npy_bytes(np.zeros(10**6, np.uint8)))
    told = refused(lambda: read_source(f"npy:{tmp_path}", None, max_bytes=1000))
    assert told.endswith(
        "y_train.npy must take at most 1,000 bytes of memory " + told.partition("memory ")[2]
    )


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("shape", "content", "words"),
    [
        ((2**32 - 1, 2**16, 2**16), b"", "must take at most 10,000,000 bytes"),
        ((1, 2, 3), b"\0" * 5, "must hold 22 bytes for shape [1, 2, 3], got 21"),
        ((1, 2, 3), b"\0" * 10**7, "must hold 22 bytes for shape [1, 2, 3], got more"),
    ],
)
def test_published_files_are_read_no_further_than_their_header_says(
    tmp_path: Path, zipped: bool, shape: tuple[int, ...], content: bytes, words: str
) -> None:
    header = b"".join(number.to_bytes(4, "big") for number in (0x0803, *shape))
    for file in IDX_SOURCES["mnist"].files:
        data = gzip.compress(header + content) if zipped else header + content
        (tmp_path / (file.name + ".gz" * zipped)).write_bytes(data)
    assert words in refused(lambda: read_archived("mnist", [tmp_path], limit=10**7))


def image_folder(folder: Path) -> Path:
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(2):
            Image.new("L", (30, 20), number).save(folder / name / f"{number}.png")
    return folder


def test_decoded_images_count(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "pets")
    assert read_source(f"folder:{folder}", None, max_bytes=4 * 600).x_train.shape == (2, 20, 30)
    with pytest.raises(UserError, match=r"pets: 4 images of 30 x 20 must take .* got a claim of 2,400$"):
        read_source(f"folder:{folder}", None, max_bytes=4 * 600 - 1)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def link_to_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.timeout(20)  # a pipe that is opened would wait for ever
@pytest.mark.parametrize(("put", "kind"), [(make_pipe, "a pipe (FIFO)"), (link_to_device, "a device")])
@pytest.mark.parametrize("place", ["cat/9.png", "groups.csv", "x_test.npy", "own.npz"])
def test_what_is_no_file_is_not_opened(
    tmp_path: Path, place: str, put: Callable[[Path], None], kind: str
) -> None:
    folder = image_folder(tmp_path / "data")
    for key, array in zip(NPZ_KEYS, ARRAYS, strict=True):
        np.save(folder / f"{key}.npy", array)
    (folder / place).unlink(missing_ok=True)
    put(folder / place)
    sources = {".npy": f"npy:{folder}", ".npz": f"npz:{folder / place}"}
    with pytest.raises(UserError) as told:
        read_source(sources.get(Path(place).suffix, f"folder:{folder}"), None)
    assert str(told.value) == f"{folder / place}: must be a regular file, got {kind}"


def test_folders_are_no_files_and_what_is_missing_is_for_others_to_say(tmp_path: Path) -> None:
    check_regular(tmp_path / "missing")
    with pytest.raises(UserError, match=r"got a folder$"):
        check_regular(tmp_path)
