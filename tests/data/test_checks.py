"""Arrays of any source: which shapes and types are taken, and why others are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from written_data import LABELS, arrays, load, write_npz

from explorer.errors import UserError


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


def test_load_data_label_column_and_whole_floats(tmp_path: Path) -> None:
    changes = {"y_train": arrays()["y_train"][:, None], "y_test": arrays()["y_test"].astype(np.float32)}
    data = load(write_npz(tmp_path / "own.npz", **changes))
    assert data.train.labels.shape == (32,)
    assert data.test.labels.dtype == torch.int64


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
