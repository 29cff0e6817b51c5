"""Raw samples: from files, folders and a stream, with what is wrong in one sentence."""

import io
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from explorer.runtime.edge.samples import open_samples
from explorer.runtime.errors import UserError

NOTHING = io.BytesIO()


def bundle(*shape: int, dtype: str = "float32", classes: int = 3) -> Any:
    return SimpleNamespace(input_shape=shape, num_classes=classes, input_dtype=dtype)


IMAGE = bundle(1, 4, 4)
RNG = np.random.default_rng(0)


def values_of(what: str, own: Any = IMAGE) -> np.ndarray[Any, Any]:
    return np.stack(list(open_samples(what, own, NOTHING).values))


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["x"], "x"),
        (["x_train", "x_test", "x"], "x_test"),
        (["inputs"], "inputs"),
        (["input", "0.crossing"], "input"),
    ],
)
def test_names_in_npz_files(tmp_path: Path, names: list[str], taken: str) -> None:
    arrays = {name: RNG.random((5, 1, 4, 4)) for name in names}
    np.savez(tmp_path / "data.npz", **arrays)
    samples = open_samples(f"npz:{tmp_path / 'data.npz'}", IMAGE, NOTHING)
    assert samples.count == 5
    assert samples.labels is None
    assert np.array_equal(np.stack(list(samples.values)), arrays[taken])


@pytest.mark.parametrize("pair", [("x_test", "y_test"), ("x", "y"), ("inputs", "labels")])
@pytest.mark.parametrize(
    "labels", [np.array([0, 2, 1]), np.array([[0], [2], [1]], np.uint8), [0.0, 2.0, 1.0]]
)
def test_labels(tmp_path: Path, pair: tuple[str, str], labels: Any) -> None:
    np.savez(tmp_path / "data.npz", **{pair[0]: np.zeros((3, 1, 4, 4)), pair[1]: labels})
    found = open_samples(f"npz:{tmp_path / 'data.npz'}", IMAGE, NOTHING).labels
    assert found is not None
    assert found.tolist() == [0, 2, 1]


def test_labels_of_other_samples_are_not_taken(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x_test=np.zeros((3, 1, 4, 4)), y=np.zeros(3, int), y_train=[1])
    assert open_samples(f"npz:{tmp_path / 'data.npz'}", IMAGE, NOTHING).labels is None


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 1], r"y_test must hold one class per sample, shape \(3,\), got int64 \(2,\)"),
        ([0, 1, 3], "classes from 0 to 2, got 3"),
        ([0, 1, -1], "classes from 0 to 2, got -1"),
        ([0, 1, 0.5], "classes from 0 to 2, got 0.5"),
        ([0, 1, np.nan], "classes from 0 to 2, got nan"),
        (["a", "b", "c"], "one class per sample"),
    ],
)
def test_labels_that_are_none(tmp_path: Path, labels: Any, words: str) -> None:
    np.savez(tmp_path / "data.npz", x_test=np.zeros((3, 1, 4, 4)), y_test=labels)
    with pytest.raises(UserError, match=words):
        open_samples(f"npz:{tmp_path / 'data.npz'}", IMAGE, NOTHING)


@pytest.mark.parametrize(
    ("values", "own", "expected"),
    [
        (RNG.random((2, 4, 4)), IMAGE, lambda values: values[:, None]),
        (RNG.random((2, 9)), bundle(1, 9), lambda values: values[:, None]),
        (RNG.random((2, 9)), bundle(9), lambda values: values),
        (RNG.integers(0, 9, (2, 5)), bundle(5), lambda values: values),
        (RNG.random((2, 5)).astype(np.float16), bundle(5), lambda values: values),
    ],
)
def test_shapes_of_the_search_are_taken(tmp_path: Path, values: Any, own: Any, expected: Any) -> None:
    np.savez(tmp_path / "data.npz", x=values)
    assert np.array_equal(values_of(f"npz:{tmp_path / 'data.npz'}", own), expected(values))


def test_uint8_is_taken_only_where_the_bundle_wants_it(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (2, 8, 6, 3), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", x=pixels)
    what = f"npz:{tmp_path / 'data.npz'}"
    found = values_of(what, bundle(3, 8, 6, dtype="uint8"))
    assert np.array_equal(found, pixels.transpose(0, 3, 1, 2))
    with pytest.raises(UserError, match=r"must be scaled as in training, .* got dtype uint8"):
        open_samples(what, bundle(3, 8, 6), NOTHING)


def test_pixels_that_were_scaled_are_noticed_where_the_bundle_scales(tmp_path: Path) -> None:
    pixels = RNG.random((2, 3, 8, 6))
    own = bundle(3, 8, 6, dtype="uint8")
    np.savez(tmp_path / "scaled.npz", x=pixels)
    with pytest.raises(UserError, match="must hold values from 0 to 255, as in training, got at most 1"):
        open_samples(f"npz:{tmp_path / 'scaled.npz'}", own, NOTHING)
    np.savez(tmp_path / "raw.npz", x=255 * pixels)
    assert np.array_equal(values_of(f"npz:{tmp_path / 'raw.npz'}", own), 255 * pixels)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((2, 1, 5, 4)), r"x must have the shape \(N, 1, 4, 4\), got \(2, 1, 5, 4\)"),
        (np.zeros((2, 16)), r"shape \(N, 1, 4, 4\), got \(2, 16\)"),
        (np.zeros(()), r"shape \(N, 1, 4, 4\), got \(\)"),
        (np.zeros((2, 4, 4, 1)), r"shape \(N, 1, 4, 4\)"),
        (np.zeros((2, 1, 4, 4), complex), "x must hold numbers, got dtype complex128"),
        (np.full((2, 1, 4, 4), "a"), "x must hold numbers, got dtype <U1"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, values: Any, words: str) -> None:
    np.savez(tmp_path / "data.npz", x=values)
    with pytest.raises(UserError, match=words):
        open_samples(f"npz:{tmp_path / 'data.npz'}", IMAGE, NOTHING)


def test_files_that_are_none(tmp_path: Path) -> None:
    file = tmp_path / "data.npz"
    for content in (b"", b"nothing", b"PK\x03\x04 broken", b"\x80\x04\x95 pickled"):
        file.write_bytes(content)
        with pytest.raises(UserError, match=r"data\.npz cannot be read as arrays"):
            open_samples(f"npz:{file}", IMAGE, NOTHING)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"one\.npy must be an npz file"):
        open_samples(f"npz:{tmp_path / 'one.npy'}", IMAGE, NOTHING)
    np.savez(file, mine=np.zeros(3))
    with pytest.raises(UserError, match="must hold one of x_test, x, inputs, input, got mine"):
        open_samples(f"npz:{file}", IMAGE, NOTHING)
    with pytest.raises(FileNotFoundError):
        open_samples(f"npz:{tmp_path / 'missing.npz'}", IMAGE, NOTHING)


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="x cannot be read as an array of numbers"):
        open_samples(f"npz:{tmp_path / 'data.npz'}", IMAGE, NOTHING)
    with zipfile.ZipFile(tmp_path / "torn.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00v\x00{'descr'")
    with pytest.raises(UserError, match="x cannot be read"):
        open_samples(f"npz:{tmp_path / 'torn.npz'}", IMAGE, NOTHING)


def test_folders_are_read_in_order_one_file_at_a_time(tmp_path: Path) -> None:
    arrays = {name: RNG.random((1, 4, 4)) for name in ("b", "a", "c")}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "notes.txt").write_text("not a sample")
    samples = open_samples(f"folder:{tmp_path}", IMAGE, NOTHING)
    assert samples.count == 3
    np.save(tmp_path / "c.npy", np.zeros((2, 2)))  # seen only when its turn comes
    assert np.array_equal(next(samples.values), arrays["a"])
    assert np.array_equal(next(samples.values), arrays["b"])
    with pytest.raises(UserError, match=r"c\.npy \(as one of N samples\) must have the shape \(N, 1, 4, 4\)"):
        next(samples.values)


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must hold npy files"):
        open_samples(f"folder:{tmp_path}", IMAGE, NOTHING)
    with pytest.raises(UserError, match="must be a folder"):
        open_samples(f"folder:{tmp_path / 'missing'}", IMAGE, NOTHING)
    np.savez(tmp_path / "more", a=np.zeros(3))
    (tmp_path / "more.npz").rename(tmp_path / "more.npy")
    with pytest.raises(UserError, match="must hold one array"):
        next(open_samples(f"folder:{tmp_path}", IMAGE, NOTHING).values)


class Trickle(io.RawIOBase):
    """A stream that delivers a few bytes at a time, as pipes do."""

    def __init__(self, content: bytes, portion: int) -> None:
        self._content, self._portion = content, portion

    def read(self, size: int = -1) -> bytes:
        portion = min(size, self._portion)
        part, self._content = self._content[:portion], self._content[portion:]
        return part


@pytest.mark.parametrize("portion", [1, 7, 64, 1000])
def test_streams_of_float32(portion: int) -> None:
    values = RNG.random((3, 1, 4, 4), dtype=np.float32)
    stream: Any = Trickle(values.astype("<f4").tobytes(), portion)
    samples = open_samples("-", IMAGE, stream)
    assert samples.count is None
    assert np.array_equal(np.stack(list(samples.values)), values)


def test_a_stream_that_ends_within_a_sample() -> None:
    samples = open_samples("-", IMAGE, io.BytesIO(bytes(64 + 10)))
    next(samples.values)
    with pytest.raises(UserError, match="float32 samples of 64 bytes each, sample 1 has 10"):
        next(samples.values)


def test_a_stream_is_read_no_further_than_asked() -> None:
    stream = io.BytesIO(bytes(64 * 3))
    next(open_samples("-", IMAGE, stream).values)
    assert stream.tell() == 64


@pytest.mark.parametrize("what", ["", "npz:", "folder:", "csv:a.csv", "data.npz", "--"])
def test_other_words(what: str) -> None:
    with pytest.raises(UserError, match="--data must be npz:FILE, folder:DIR or -, got"):
        open_samples(what, IMAGE, NOTHING)


def test_files_are_held_against_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, one = tmp_path / "data.npz", tmp_path / "one"
    one.mkdir()
    x, y = np.zeros((5, 1, 4, 4), np.float32), np.zeros(5, np.int64)
    np.savez_compressed(path, x_test=x, y_test=y, x_train=np.zeros(10**6))
    np.save(one / "0.npy", x[0])
    for what, claim in ((f"npz:{path}", x.nbytes + y.nbytes), (f"folder:{one}", x[0].nbytes)):
        said = f"at most {claim - 1:,} bytes of memory .* got a claim of {claim:,}$"
        assert len(list(open_samples(what, IMAGE, NOTHING, claim).values)) == (5 if "npz" in what else 1)
        with pytest.raises(UserError, match=said):
            list(open_samples(what, IMAGE, NOTHING, claim - 1).values)
        monkeypatch.setenv("EXPLORER_MAX_DATA_BYTES", str(claim - 1))
        with pytest.raises(UserError, match=said):
            list(open_samples(what, IMAGE, NOTHING).values)
        monkeypatch.delenv("EXPLORER_MAX_DATA_BYTES")
