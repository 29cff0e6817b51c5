"""Folders of ``.npy`` files: what is refused, and that samples stay where they are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.data.dataset import DataSet, load_data
from explorer.errors import UserError


def write(folder: Path, **others: Any) -> None:
    labels = np.arange(40) % 4
    arrays = {"x_train": np.random.default_rng(0).normal(size=(40, 6)), "y_train": labels}
    arrays |= {"x_test": arrays["x_train"][:8], "y_test": labels[:8]}
    for name, array in (arrays | others).items():
        np.save(folder / f"{name}.npy", array)


def load(folder: Path) -> DataSet:
    sizes: dict[str, Any] = {"train_samples": None, "validation_samples": 8, "test_samples": None}
    return load_data(f"npy:{folder}", **sizes, seed=0)


def test_numbers_stay_in_their_files(tmp_path: Path) -> None:
    write(tmp_path)
    data = load(tmp_path)
    assert data.name == f"npy:{tmp_path.name}"
    assert data.train.mapped is not None
    assert data.train.mapped.path == str(tmp_path / "x_train.npy")
    assert np.allclose(data.train.inputs.mean(0), 0, atol=1e-6)
    assert np.allclose(data.train.inputs.std(0, correction=0), 1, atol=1e-6)


def test_relative_to_a_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own").mkdir()
    write(tmp_path / "own")
    monkeypatch.setenv("EXPLORER_DATA_DIR", str(tmp_path))
    sizes: dict[str, Any] = {"train_samples": None, "validation_samples": 8, "test_samples": None}
    assert len(load_data("npy:own", **sizes, seed=0).train) == 32


def test_groups_and_a_validation_part(tmp_path: Path) -> None:
    write(tmp_path, groups_train=np.repeat(np.arange(10), 4))
    assert load(tmp_path).validation_is_apart
    (tmp_path / "groups_train.npy").unlink()
    write(tmp_path, x_validation=np.zeros((9, 6)), y_validation=np.arange(9) % 4)
    assert len(load(tmp_path).train) == 40


@pytest.mark.parametrize("missing", ["x_train", "y_test"])
def test_a_missing_file(tmp_path: Path, missing: str) -> None:
    write(tmp_path)
    (tmp_path / f"{missing}.npy").unlink()
    with pytest.raises(UserError, match=rf"{missing}\.npy: must be there, found none"):
        load(tmp_path)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must name an existing folder, found none"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00v\x00{'descr'"])
def test_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    write(tmp_path)
    (tmp_path / "x_train.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"x_train\.npy: must be an \.npy file of plain numbers, got"):
        load(tmp_path)


def test_another_byte_order(tmp_path: Path) -> None:
    write(tmp_path, x_train=np.zeros((40, 6), ">f4"))
    with pytest.raises(UserError, match="this machine's byte order, got >f4"):
        load(tmp_path)


def test_not_finite(tmp_path: Path) -> None:
    write(tmp_path, x_train=np.full((40, 6), np.nan))
    with pytest.raises(UserError, match="x_train must be finite"):
        load(tmp_path)


def test_names_of_classes(tmp_path: Path) -> None:
    write(tmp_path)
    classes = int(np.load(tmp_path / "y_train.npy").max()) + 1
    names = np.array([f"class {number}" for number in range(classes)])
    np.save(tmp_path / "class_names.npy", names)
    assert load(tmp_path).class_names == tuple(names.tolist())
    np.save(tmp_path / "class_names.npy", names[1:])
    with pytest.raises(UserError, match="class_names must hold"):
        load(tmp_path)


def test_arrays_that_mean_nothing_are_told(tmp_path: Path) -> None:
    write(tmp_path)
    np.save(tmp_path / "group_train.npy", np.arange(3))
    assert any("not read: group_train; beside the four" in note for note in load(tmp_path).notes)


@pytest.mark.parametrize("shape", ["(True, 8)", "(-3, 8)", "(3.0, 8)"])
def test_a_header_whose_shape_is_none(tmp_path: Path, shape: str) -> None:
    write(tmp_path)
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    padded = header + b" " * (63 - (len(header) + 10) % 64) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + bytes(96)
    (tmp_path / "x_train.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"x_train.npy: must be an .npy file of plain numbers, got"):
        load(tmp_path)
