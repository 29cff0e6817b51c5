"""explorer.data.dataset with its readers (data_sources) and checks (data_checks)."""

import contextlib
import gzip
import hashlib
import io
import math
import os
import random
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
import torch
from hypothesis import given
from hypothesis import strategies as st

from explorer.data import archives as data_archives
from explorer.data.archives import DATA_DIR_VARIABLE, IDX_SOURCES, IdxFile, IdxSource
from explorer.data.dataset import DataSet, Subset, load_data
from explorer.data.division import draw as _draw
from explorer.data.division import quotas as _quotas
from explorer.data.sources import NPZ_KEYS
from explorer.errors import UserError
from explorer.space.choices import DataSpec

REAL_DATA_DIR = os.environ.get(DATA_DIR_VARIABLE)
needs_real_data = pytest.mark.skipif(
    REAL_DATA_DIR is None, reason=f"{DATA_DIR_VARIABLE} does not name a folder with mnist/ and fashion_mnist/"
)


@pytest.fixture(autouse=True)
def _no_data_dir(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_DIR_VARIABLE, raising=False)


def load(source: str, data_dir: Path | None = None, **changes: Any) -> DataSet:
    sizes = {"train_samples": None, "validation_samples": 8, "test_samples": None, "seed": 0}
    return load_data(source, data_dir=data_dir, **(sizes | changes))


# --- sources written by the tests -------------------------------------------------------------------------


def arrays(num_train: int = 40, num_test: int = 20, num_classes: int = 4) -> dict[str, np.ndarray]:
    """uint8 images whose pixels tell which sample they belong to (train: 0.., test: 200..)."""
    pixels = np.zeros((num_train + num_test, 5, 6), dtype=np.uint8)
    pixels[:num_train] += np.arange(num_train, dtype=np.uint8)[:, None, None]
    pixels[num_train:] += np.arange(200, 200 + num_test, dtype=np.uint8)[:, None, None]
    labels = np.arange(num_train + num_test) % num_classes
    return dict(
        zip(
            NPZ_KEYS,
            (pixels[:num_train], labels[:num_train], pixels[num_train:], labels[num_train:]),
            strict=True,
        )
    )


def write_npz(path: Path, **changes: np.ndarray | None) -> str:
    held = {key: value for key, value in (arrays() | changes).items() if value is not None}
    np.savez(path, **held)
    return f"npz:{path}"


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


def sample_ids(subset: Subset, data: DataSet) -> list[int]:
    """Undo the normalisation of :func:`arrays` and read which samples were drawn."""
    pixels = (subset.inputs * data.std[0] + data.mean[0]) * 255
    return pixels.flatten(1).mean(1).round().int().tolist()


# --- subsets ----------------------------------------------------------------------------------------------


def test_load_data_digits_shapes_and_counts() -> None:
    data = load("digits", train_samples=1000, validation_samples=300)
    assert (data.name, data.num_classes, data.input_shape) == ("digits", 10, (1, 8, 8))
    assert [len(data.train), len(data.validation), len(data.test)] == [1000, 300, 360]
    assert data.train.inputs.shape == (1000, 1, 8, 8)
    assert data.train.inputs.dtype == torch.float32
    assert data.train.labels.dtype == torch.int64
    assert data.class_counts()["test"] == [36] * 10
    assert all(28 <= count <= 32 for count in data.class_counts()["validation"])


def test_load_data_digits_every_sample_once() -> None:
    data = load("digits", validation_samples=300)
    inputs = torch.cat([part.inputs for part in (data.train, data.validation, data.test)])
    assert len(inputs) == 1797
    assert len(torch.unique(inputs.flatten(1), dim=0)) == 1797  # the source holds no duplicate


def test_load_data_subsets_are_disjoint_and_from_their_part(tmp_path: Path) -> None:
    data = load(write_npz(tmp_path / "own.npz"), train_samples=20, test_samples=12)
    train, validation = sample_ids(data.train, data), sample_ids(data.validation, data)
    assert (len(set(train)), len(set(validation))) == (20, 8)
    assert set(train).isdisjoint(validation)
    assert set(train + validation) <= set(range(40))
    assert set(sample_ids(data.test, data)) <= set(range(200, 220))
    for subset, ids in ((data.train, train), (data.validation, validation)):
        assert subset.labels.tolist() == [sample % 4 for sample in ids]  # labels travel with their inputs
    assert data.class_counts() == {"train": [5] * 4, "validation": [2] * 4, "test": [3] * 4}


def test_load_data_is_a_function_of_its_arguments() -> None:
    first = load("digits", train_samples=200, seed=3)
    load("digits", train_samples=100, seed=4)
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    state = (torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate())
    again = load("digits", train_samples=200, seed=3)
    assert first.fingerprint == again.fingerprint
    assert torch.equal(first.train.inputs, again.train.inputs)
    assert torch.equal(first.validation.labels, again.validation.labels)
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.array_equal(np.random.get_state()[1], state[1])
    assert random.getstate() == state[2]


def test_load_data_seed_changes_train_and_validation_but_not_test(tmp_path: Path) -> None:
    source = write_npz(tmp_path / "own.npz")
    one, two = (load(source, train_samples=20, test_samples=8, seed=seed) for seed in (1, 2))
    assert sample_ids(one.train, one) != sample_ids(two.train, two)
    assert set(sample_ids(one.validation, one)) != set(sample_ids(two.validation, two))
    assert sample_ids(one.test, one) == sample_ids(two.test, two)
    assert one.fingerprint != two.fingerprint


def test_load_data_validation_does_not_depend_on_train_samples(tmp_path: Path) -> None:
    source = write_npz(tmp_path / "own.npz")
    few, all_ = load(source, train_samples=10), load(source)
    assert sample_ids(few.validation, few) == sample_ids(all_.validation, all_)
    assert set(sample_ids(few.train, few)) < set(sample_ids(all_.train, all_))


def test_draw_is_frozen() -> None:
    validation, train = _draw(np.arange(12) % 3, [np.array([1, 1, 1]), np.array([2, 1, 1])], seed=0)
    assert (validation.tolist(), train.tolist()) == (
        [6, 11, 4],
        [10, 2, 9, 3],
    )  # of the order 6 11 4 10 2 8 1 7 9 3 0 5


def test_fingerprint_changes_with_one_pixel_and_one_label(tmp_path: Path) -> None:
    images, labels = arrays()["x_test"].copy(), arrays()["y_test"].copy()
    images[3, 0, 0] += 1
    labels[3] = 0
    sources = [
        write_npz(tmp_path / "a.npz"),
        write_npz(tmp_path / "b.npz", x_test=images),
        write_npz(tmp_path / "c.npz", y_test=labels),
    ]
    assert len({load(source).fingerprint for source in sources}) == 3
    assert load(sources[0]).fingerprint == load(sources[0]).fingerprint


@given(st.data())
def test_quotas_follow_shares(data: st.DataObject) -> None:
    available = np.array(data.draw(st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any)))
    size = data.draw(st.integers(0, int(available.sum())))
    quotas = _quotas(available, size)
    share = available * size / available.sum()
    assert quotas.sum() == size
    assert ((quotas >= 0) & (quotas <= available)).all()
    if size >= np.count_nonzero(available):
        assert (quotas[available > 0] >= 1).all()
    if (share[available > 0] >= 1).all():  # nobody had to be helped to its one sample
        assert (np.abs(quotas - share) < 1).all()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 2**32 - 1), st.data())
def test_draw_keeps_quotas_and_disjointness(values: list[int], seed: int, data: st.DataObject) -> None:
    labels = np.array(values)
    counts = np.bincount(labels, minlength=4)
    first = _quotas(counts, data.draw(st.integers(0, len(labels))))
    rest = counts - first
    second = _quotas(rest, data.draw(st.integers(0, int(rest.sum())))) if rest.any() else rest
    drawn = _draw(labels, [first, second], seed)
    for indices, quotas in zip(drawn, (first, second), strict=True):
        assert np.array_equal(np.bincount(labels[indices], minlength=4), quotas)
    everything = np.concatenate(drawn)
    assert len(set(everything.tolist())) == len(everything)


def test_load_data_rare_class_stays_in_train(tmp_path: Path) -> None:
    labels = np.array([0] * 25 + [1] * 14 + [2])
    data = load(
        write_npz(tmp_path / "own.npz", y_train=labels, y_test=arrays()["y_test"] % 2), train_samples=3
    )
    assert data.class_counts() == {"train": [1, 1, 1], "validation": [5, 3, 0], "test": [10, 10, 0]}


# --- inputs -----------------------------------------------------------------------------------------------


def test_load_data_normalises_with_the_train_subset_only(tmp_path: Path) -> None:
    data = load(write_npz(tmp_path / "own.npz"), train_samples=20)
    ids = np.array(sample_ids(data.train, data)) / 255
    assert data.mean == pytest.approx((ids.mean(),))
    assert data.std == pytest.approx((ids.std(),))
    assert data.train.inputs.mean().item() == pytest.approx(0, abs=1e-6)
    assert data.train.inputs.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    assert data.test.inputs.mean().item() > 5  # the test part is brighter and must stay so


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((5, 6), np.uint8, (1, 5, 6)),
        ((5, 6), np.float32, (1, 5, 6)),
        ((5, 6, 1), np.uint8, (1, 5, 6)),
        ((5, 6, 3), np.uint8, (3, 5, 6)),
        ((5, 6, 4), np.uint8, (4, 5, 6)),
        ((3, 5, 6), np.uint8, (3, 5, 6)),
        ((3, 5, 6), np.float64, (3, 5, 6)),
        ((1, 5, 3), np.float32, (1, 5, 3)),
        ((7,), np.uint8, (7,)),
        ((7,), np.float16, (7,)),
        ((7,), np.int64, (7,)),
        ((7,), np.bool_, (7,)),
    ],
)
def test_load_data_input_shape(
    tmp_path: Path, shape: tuple[int, ...], dtype: type, expected: tuple[int, ...]
) -> None:
    generator = np.random.default_rng(0)
    inputs = generator.integers(0, 2 if dtype is np.bool_ else 256, (60, *shape)).astype(dtype)
    data = load(write_npz(tmp_path / "own.npz", x_train=inputs[:40], x_test=inputs[40:]))
    assert data.input_shape == expected
    assert data.train.inputs.shape == (32, *expected)
    assert data.train.inputs.dtype == torch.float32
    assert data.train.inputs.is_contiguous()
    shared = dtype is np.uint8 and len(shape) == 1  # flattened pixels
    axes = tuple(axis for axis in range(len(expected) + 1) if axis != 1 or shared)
    means = data.train.inputs.mean(axes)
    torch.testing.assert_close(means, torch.zeros_like(means), atol=1e-5, rtol=0)
    assert len(data.mean) == len(data.std) == (1 if shared else expected[0])


def test_load_data_channels_last_images_keep_their_pixels(tmp_path: Path) -> None:
    images = np.zeros((40, 5, 6, 3), dtype=np.uint8)
    images[:, 1, 2, 0] = np.arange(40)
    images[:, 3, 4, 2] = 255
    data = load(write_npz(tmp_path / "own.npz", x_train=images, x_test=images[:20]))
    std, mean = (torch.tensor(values).view(3, 1, 1) for values in (data.std, data.mean))
    pixels = data.train.inputs * std + mean
    assert data.std[1] == 1  # constant channel: only shifted
    torch.testing.assert_close(pixels[:, 2, 3, 4], torch.ones(32))
    assert pixels[:, 0, 1, 2].unique().numel() == 32
    pixels[:, 0, 1, 2] = pixels[:, 2, 3, 4] = 0
    torch.testing.assert_close(pixels, torch.zeros(32, 3, 5, 6), atol=1e-6, rtol=0)


def test_load_data_float_arrays_are_not_scaled_and_lose_no_digits(tmp_path: Path) -> None:
    features = 1.6e9 + np.arange(60, dtype=np.float64)[:, None] * [1.0, 0.0]  # float32 resolves 128 here
    data = load(write_npz(tmp_path / "own.npz", x_train=features[:40], x_test=features[40:]))
    assert data.mean[1] == 1.6e9
    assert data.std[1] == 1
    seconds = data.train.inputs[:, 0].double() * data.std[0] + data.mean[0] - 1.6e9
    assert set(seconds.round().int().tolist()) <= set(range(40))
    torch.testing.assert_close(seconds, seconds.round(), atol=1e-4, rtol=0)


def test_load_data_constant_features_are_not_blown_up_by_rounding(tmp_path: Path) -> None:
    features = np.tile([0.1, 0.7, 1e9 + 0.3], (60, 1))  # their mean is off by an ulp or so
    data = load(write_npz(tmp_path / "own.npz", x_train=features[:40], x_test=features[40:]))
    assert data.std == (1, 1, 1)
    assert data.test.inputs.abs().max().item() < 1e-6


def test_load_data_label_column_and_whole_floats(tmp_path: Path) -> None:
    changes = {"y_train": arrays()["y_train"][:, None], "y_test": arrays()["y_test"].astype(np.float32)}
    data = load(write_npz(tmp_path / "own.npz", **changes))
    assert data.train.labels.shape == (32,)
    assert data.test.labels.dtype == torch.int64


def test_load_data_npz_relative_to_working_directory_then_data_dir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    write_npz(
        tmp_path / "there" / "own.npz", x_train=arrays()["x_train"][:, :4], x_test=arrays()["x_test"][:, :4]
    )
    monkeypatch.chdir(tmp_path / "here")
    assert load("npz:own.npz", tmp_path / "there").input_shape == (1, 4, 6)
    write_npz(Path("own.npz"))
    assert load("npz:own.npz", tmp_path / "there").input_shape == (1, 5, 6)
    assert load("npz:own.npz").name == "npz:own.npz"


# --- errors of arguments and arrays -----------------------------------------------------------------------


@pytest.mark.parametrize("source", ["", "cifar", "npz:", "MNIST", "npz"])
def test_load_data_unknown_source(source: str) -> None:
    with pytest.raises(
        UserError,
        match=r"must be digits, mnist, fashion_mnist, cifar10, npz:PATH, npy:DIR, folder:PATH or \S+, got ",
    ):
        load(source)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation_samples": 0}, r"digits: validation_samples must be 1 .. 1427 .*, got 0"),
        ({"validation_samples": 1428}, r"validation_samples must be 1 .. 1427 .*, got 1428"),
        ({"train_samples": 1430}, r"train_samples must be 10 .* .. 1429 .*, got 1430"),
        ({"train_samples": 9}, r"train_samples must be 10 .*, got 9"),
        ({"train_samples": -1}, r"train_samples must be 10 .*, got -1"),
        ({"test_samples": 361}, r"test_samples must be 1 .. 360 .*, got 361"),
        ({"test_samples": 0}, r"test_samples must be 1 .. 360 .*, got 0"),
        ({"seed": -1}, r"seed < 2\*\*32` must hold, got seed=-1"),
        ({"seed": 2**32}, r"got seed=4294967296"),
    ],
)
def test_load_data_impossible_sizes(changes: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load("digits", **changes)


LABELS = arrays()["y_train"]
IMAGES = arrays()["x_train"].astype(np.float32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, r"own.npz: must hold x_train, y_train, x_test, y_test, got .*; missing y_test"),
        ({"x_train": np.array([{}] * 40)}, r"own.npz: x_train must be plain numpy data"),
        ({"y_train": LABELS.astype(str)}, r"y_train must hold whole numbers, got text such as"),
        ({"y_train": LABELS + 0.5}, r"y_train must hold whole numbers, got 0.5 "),
        ({"y_train": np.where(LABELS == 3, np.nan, LABELS)}, r"y_train must hold whole numbers, got nan"),
        ({"y_train": np.where(LABELS == 3, 1e300, LABELS)}, r"y_train must hold whole numbers, got 1e\+300"),
        ({"y_train": LABELS[:-1]}, r"y_train must hold one label per sample, shape \(40,\), got \(39,\)"),
        ({"y_train": np.eye(4)[LABELS]}, r"y_train must hold one label per sample.*got \(40, 4\)"),
        ({"y_train": LABELS * 2}, r"without gaps, got 4 classes from 0 to 6"),
        ({"y_train": LABELS + 1}, r"without gaps, got 4 classes from 1 to 4"),
        ({"y_train": LABELS - 1}, r"without gaps, got 4 classes from -1 to 2"),
        ({"y_train": LABELS * 0}, r"at least 2 classes, got 1"),
        ({"y_test": arrays()["y_test"] + 1}, r"y_test must hold only the classes 0 .. 3 of y_train, got 4"),
        ({"y_test": arrays()["y_test"] - 1}, r"y_test must hold only the classes 0 .. 3 of y_train, got -1"),
        (
            {"x_train": np.where(IMAGES == 7, np.nan, IMAGES)},
            r"must be finite.*, got nan in sample \d+",
        ),
        (
            {"x_train": np.where(IMAGES == 7, np.inf, IMAGES)},
            r"must be finite.*, got inf in sample \d+",
        ),
        ({"x_train": IMAGES.astype(np.float64) * 1e300}, r"x_train must be finite and fit float32"),
        ({"x_train": IMAGES}, r"both be uint8 .* or neither, got float32 and uint8"),
        ({"x_train": IMAGES.astype(complex)}, r"x_train must hold numbers, got dtype complex128"),
        ({"x_train": np.full((40, 5, 6), "a")}, r"x_train must hold numbers, got text such as 'a'"),
        ({"x_train": IMAGES[:, :4].astype(np.uint8)}, r"one shape, got \(1, 4, 6\) and \(1, 5, 6\)"),
        ({"x_train": IMAGES[:, 0, 0]}, r"x_train must have the shape .*, got \(40,\)"),
        ({"x_train": IMAGES[:0]}, r"x_train must have the shape .* not be empty, got \(0, 5, 6\)"),
        ({"x_train": IMAGES[:, None, None]}, r"x_train must have the shape .*, got \(40, 1, 1, 5, 6\)"),
        (
            {"x_train": np.zeros((40, 5, 6, 3))},
            r"x_train looks like \(N, H, W, C\) but only uint8 .* float64",
        ),
    ],
)
def test_load_data_unusable_arrays(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    source = write_npz(tmp_path / "own.npz", **changes)
    with pytest.raises(UserError, match=message) as caught:
        load(source)
    assert "own.npz" in str(caught.value)


def test_load_data_npz_files_that_are_not_archives(tmp_path: Path) -> None:
    single, text, empty = (tmp_path / name for name in ("single.npz", "text.npz", "empty.npz"))
    with single.open("wb") as file:
        np.save(file, LABELS)
    text.write_text("x_train,y_train\n")
    empty.touch()
    with pytest.raises(UserError, match=r"single.npz: must be an .npz archive with .*, got a single array"):
        load(f"npz:{single}")
    for path in (text, empty):
        with pytest.raises(UserError, match=rf"{path.name}: the file must be plain numpy data"):
            load(f"npz:{path}")
    with pytest.raises(UserError, match=r"must name an existing .npz file, found none"):
        load(f"npz:{tmp_path / 'absent.npz'}")


def test_load_data_never_unpickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.npz").write_bytes(b"\x80\x04cposix\nsystem\n")  # the start of a pickle
    monkeypatch.setattr("pickle.load", lambda *_, **__: pytest.fail("unpickled"))
    with pytest.raises(UserError, match="plain numpy data"):
        load(f"npz:{tmp_path / 'own.npz'}")
    source = write_npz(tmp_path / "own.npz", y_test=np.array([{}] * 20))
    with pytest.raises(UserError, match="y_test must be plain numpy data"):
        load(source)


def test_load_data_damaged_npz_is_a_user_error(tmp_path: Path) -> None:
    write_npz(tmp_path / "own.npz")
    whole = (tmp_path / "own.npz").read_bytes()
    generator = random.Random(0)
    for _ in range(150):
        damaged = bytearray(whole[: generator.choice([len(whole), generator.randrange(len(whole))])])
        for _ in range(3):
            if damaged:
                damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
        (tmp_path / "own.npz").write_bytes(damaged)
        with contextlib.suppress(
            UserError
        ):  # damage outside the arrays may go unseen; nothing else is raised
            load(f"npz:{tmp_path / 'own.npz'}")


# --- IDX files --------------------------------------------------------------------------------------------


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


# --- CIFAR-10 ---------------------------------------------------------------------------------------------


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


# --- a user's function ------------------------------------------------------------------------------------

FACTORY = """
import numpy as np
def load():
    x = np.arange(60, dtype=np.float32).reshape(30, 2)
    return x, np.arange(30) % 3, x[:9], np.arange(9) % 3
def load_three():
    return 1, 2, 3
def load_list():
    return [0, 0, 0, 0]
def fail():
    raise RuntimeError("no such table")
"""


@pytest.fixture
def factory_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_sensor_data.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("factory_folder")
def test_arrays_of_a_function() -> None:
    data = load("own_sensor_data:load")
    assert (data.name, data.num_classes, data.input_shape) == ("own_sensor_data:load", 3, (2,))
    assert (len(data.train), len(data.test)) == (22, 9)


@pytest.mark.usefixtures("factory_folder")
@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("load_three", r"must return the tuple \(x_train, y_train, x_test, y_test\), got 3 values"),
        ("load_list", r"must return the tuple .*, got list"),
        ("fail", r"'own_sensor_data:fail': RuntimeError: no such table"),
        ("absent", r"module 'own_sensor_data' has no function 'absent'"),
    ],
)
def test_functions_that_give_no_data(function: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(f"own_sensor_data:{function}")


def test_function_of_no_module() -> None:
    with pytest.raises(UserError, match="cannot import 'no_such_module_here'"):
        load("no_such_module_here:load")


# --- series, labels, balance ------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "expected"), [((2, 5), (2, 5)), ((5,), (1, 5))])
def test_series_keep_channels_and_time(
    tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    x_train, x_test = rng.normal(3, 2, (40, *shape)), rng.normal(3, 2, (20, *shape))
    source = write_npz(tmp_path / "own.npz", x_train=x_train, x_test=x_test)
    data = load(source, layout="series")
    assert data.input_shape == expected
    assert len(data.mean) == len(data.std) == expected[0]
    torch.testing.assert_close(data.train.inputs.mean((0, 2)), torch.zeros(expected[0]), atol=1e-5, rtol=0)
    assert load(source).input_shape != expected or shape == expected[1:]


def test_images_are_no_series(tmp_path: Path) -> None:
    images = np.zeros((40, 3, 4, 4))
    source = write_npz(tmp_path / "own.npz", x_train=images, x_test=images[:20])
    with pytest.raises(UserError, match=r"x_train must have the shape \(N, L\) or \(N, C, L\)"):
        load(source, layout="series")


def test_labels_as_text_and_gaps_are_named(tmp_path: Path) -> None:
    names = np.array(["cat", "dog"] * 20)
    with pytest.raises(UserError, match="y_train must hold whole numbers, got text such as 'cat'"):
        load(write_npz(tmp_path / "text.npz", y_train=names))
    with pytest.raises(UserError, match="without gaps, got 3 classes from 0 to 3, none is 2"):
        load(write_npz(tmp_path / "gap.npz", y_train=np.array([0, 1, 3, 0] * 10)))


def test_nan_pixels_are_refused(tmp_path: Path) -> None:
    pixels = np.zeros((40, 5, 6))
    pixels[7, 2, 2] = np.nan
    with pytest.raises(UserError, match="x_train must be finite and fit float32, got nan in sample"):
        load(write_npz(tmp_path / "nan.npz", x_train=pixels, x_test=pixels[:20] * 0))


# --- real data --------------------------------------------------------------------------------------------


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


def test_an_archive_may_name_its_classes(tmp_path: Path) -> None:
    names = np.array(["zero", "one", "two", "three"])
    num_classes = len(np.unique(arrays()["y_train"]))
    data = load(write_npz(tmp_path / "own.npz", class_names=names[:num_classes]), train_samples=20)
    assert data.class_names == tuple(names[:num_classes].tolist())
    without = load(write_npz(tmp_path / "plain.npz"), train_samples=20)
    assert without.class_names == ()
    assert without.fingerprint == data.fingerprint  # names do not change samples


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (np.array(["a"]), "class_names must hold . names, one per class of y_train, got 1"),
        (np.array([["a", "b"]]), "class_names must be text"),
        (np.array([1, 2]), "class_names must be text"),
        (np.array(["a", "a"]), "each name once"),
        (np.array(["a", "b", "c", ""]), "names of classes must be printable text, got ''"),
        (np.array(["a", "b", "c", "d\ne"]), r"names of classes must be printable text, got 'd\\ne'"),
        (np.array(["a", "b", "c", "\ud800"]), r"names of classes must be printable text, got '\\ud800'"),
    ],
)
def test_names_that_do_not_fit_are_refused(tmp_path: Path, names: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(write_npz(tmp_path / "own.npz", class_names=names), train_samples=20)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1e-320), (1e308, 1e-300), (1e39, 1.0), (0.0, 1e-39)])
def test_a_normalisation_that_float32_does_not_hold(tmp_path: Path, mean: float, std: float) -> None:
    path = write_npz(tmp_path / "own.npz")
    with pytest.raises(UserError, match=r"data.normalise must leave values .*, got mean \[.*\] and std \["):
        load(path, train_samples=20, normalise=([mean], [std]))


def test_a_given_normalisation_warns_of_nothing(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    load(write_npz(tmp_path / "own.npz"), train_samples=20, normalise=([0.5], [0.25]))
    spec = DataSpec(source="digits", validation_samples=4, normalise={"mean": [0.5], "std": [0.25]})
    assert spec.model_dump()["normalise"] == {"mean": [0.5], "std": [0.25]}
    assert not recwarn.list
