"""Samples that stay as they came give the very inputs that normalising all of them first would give."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from explorer.data.dataset import DataSet, Subset, load_data, on_device
from explorer.data.mapped import MappedArray, as_tensor
from explorer.data.normalisation import Normalisation

SAMPLES = 40


def pixels(channels_last: bool = True) -> np.ndarray[Any, Any]:
    shape = (SAMPLES, 6, 5, 3) if channels_last else (SAMPLES, 3, 6, 5)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def subset(array: np.ndarray[Any, Any], rows: np.ndarray[Any, Any] | None = None) -> Subset:
    over = (1, -1, *[1] * (array.ndim - 2))
    mean, std = (np.linspace(*ends, array.shape[1]).reshape(over) for ends in ((0.1, 0.9), (0.2, 0.3)))
    labels = torch.arange(len(array) if rows is None else len(rows))
    own = None if rows is None else torch.from_numpy(rows)
    mapped = MappedArray.of(array)
    return Subset(as_tensor(array), labels, own, Normalisation.of(255.0, mean, std), mapped=mapped)


def expected(array: np.ndarray[Any, Any], part: Subset) -> torch.Tensor:
    assert part.normalisation is not None
    mean, std = (own.numpy() for own in (part.normalisation.mean, part.normalisation.std))
    chosen = array if part.rows is None else array[part.rows.numpy()]
    return torch.from_numpy(((chosen.astype(np.float64) / 255.0 - mean) / std).astype(np.float32))


@given(
    values=arrays.arrays(np.uint8, (7, 4)),
    mean=st.floats(-1e6, 1e6),
    std=st.floats(1e-6, 1e6),
    divisor=st.sampled_from([1.0, 255.0]),
)
def test_normalised_bit_for_bit(
    values: np.ndarray[Any, Any], mean: float, std: float, divisor: float
) -> None:
    got = Normalisation.of(divisor, np.full((1, 1), mean), np.full((1, 1), std))(torch.from_numpy(values))
    wanted = ((values.astype(np.float64) / divisor - mean) / std).astype(np.float32)
    assert np.array_equal(got.numpy(), wanted)


def test_normalising_leaves_the_samples() -> None:
    values = torch.ones(3, 2, dtype=torch.float64)
    Normalisation.of(2.0, np.zeros((1, 1)), np.ones((1, 1)))(values)
    assert torch.equal(values, torch.ones(3, 2, dtype=torch.float64))


@pytest.mark.parametrize("rows", [None, np.arange(SAMPLES)[::-3].copy()], ids=["all", "some"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_batches_are_the_inputs(rows: np.ndarray[Any, Any] | None, channels_last: bool) -> None:
    array = pixels().transpose(0, 3, 1, 2)
    whole = expected(array, subset(array, rows))
    part = subset(array, rows).laid_out(channels_last)
    assert torch.equal(part.inputs, whole)
    assert torch.equal(torch.cat([inputs for inputs, _ in part.batches(7)]), whole)
    assert torch.equal(part.first(3), whole[:3])
    which = torch.tensor([5, 0, 5])
    inputs, labels = part.take(which)
    assert torch.equal(inputs, whole[which])
    assert torch.equal(labels, part.labels[which])
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert not channels_last or inputs.is_contiguous(memory_format=layout)


def test_inputs_that_are_held_are_not_copied() -> None:
    inputs = torch.randn(4, 3)
    held = Subset(inputs, torch.arange(4))
    assert held.inputs is inputs
    assert held.laid_out(False) is held
    assert held.to(torch.device("cpu")) is held


@pytest.mark.parametrize("rows", [None, np.array([4, 2, 9, 7])], ids=["all", "some"])
def test_the_first_alone(rows: np.ndarray[Any, Any] | None) -> None:
    part = subset(pixels().transpose(0, 3, 1, 2), rows)
    assert torch.equal(part.head(3).inputs, part.first(3))
    assert torch.equal(part.head(3).labels, part.labels[:3])


def test_compact_and_none() -> None:
    array = pixels().transpose(0, 3, 1, 2)
    part = subset(array, np.array([3, 1]))
    small = part.compact()
    assert (len(small.samples), small.rows) == (2, None)
    assert torch.equal(small.inputs, part.inputs)
    none = part.without_samples()
    assert (len(none), none.inputs.shape) == (0, (0, 3, 6, 5))


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("rows", [None, np.array([4, 2, 9])], ids=["all", "some"])
def test_pickled_in_memory(beside: bool, rows: np.ndarray[Any, Any] | None) -> None:
    part = subset(pixels().transpose(0, 3, 1, 2), rows)
    buffers = list[pickle.PickleBuffer]()
    text = pickle.dumps(part, protocol=5, buffer_callback=buffers.append if beside else None)
    again: Subset = pickle.loads(text, buffers=buffers)
    assert sum(buffer.raw().nbytes for buffer in buffers) >= beside * part.samples.nbytes
    assert torch.equal(again.inputs, part.inputs)
    assert torch.equal(again.labels, part.labels)


def test_pickled_by_the_name_of_its_file(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", pixels())
    array = np.load(tmp_path / "x.npy", mmap_mode="r").transpose(0, 3, 1, 2)
    part = subset(array, np.array([4, 2, 9]))
    text = pickle.dumps(part)
    assert b"x.npy" in text
    assert pixels()[0, 0].tobytes() not in text
    again: Subset = pickle.loads(text)
    assert torch.equal(again.inputs, expected(array, part))


def test_elsewhere_once() -> None:
    data = load_data("digits", train_samples=99, validation_samples=9, test_samples=9, seed=0)
    there = on_device(data, torch.device("meta"))
    assert there is on_device(data, torch.device("meta"))
    assert there.train.samples.device.type == there.train.index_device.type == "meta"
    assert there.test.device.type == "cpu"


def test_too_large_for_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    part = subset(pixels(channels_last=False))
    monkeypatch.setattr("explorer.data.subset.free_bytes", lambda device: part.sample_bytes * 1.9)
    there = part.to(torch.device("meta"))
    assert there.samples.device.type == there.index_device.type == "cpu"  # batches go there one by one
    inputs, labels = there.take(torch.tensor([1, 2]))
    assert {inputs.device.type, labels.device.type} == {"meta"}


def source(folder: Path, kind: str, samples: int = 400) -> str:
    random, labels = np.random.default_rng(1), np.arange(samples) % 4
    x = random.integers(0, 256, (samples, 6, 5, 3), dtype=np.uint8)
    named = {"x_train": x, "y_train": labels, "x_test": x[:50], "y_test": labels[:50]}
    if kind == "npz":
        np.savez(folder / "own.npz", **named)
        return f"npz:{folder / 'own.npz'}"
    for name, array in named.items():
        np.save(folder / f"{name}.npy", array)
    return f"npy:{folder}"


def loaded(folder: Path, kind: str, train_samples: int | None = None) -> DataSet:
    sizes: dict[str, Any] = {"train_samples": train_samples, "validation_samples": 40, "test_samples": None}
    return load_data(source(folder, kind), **sizes, seed=0)


def test_uint8_stays_uint8_and_is_held_once(tmp_path: Path) -> None:
    data = loaded(tmp_path, "npz")
    assert data.train.samples.dtype == torch.uint8
    assert data.train.samples is data.validation.samples  # of one array, nothing is copied
    assert data.train.inputs.dtype == torch.float32
    few = loaded(tmp_path, "npz", train_samples=20)
    assert (len(few.train.samples), len(few.validation.samples)) == (20, 40)  # most of it can be let go


def test_files_and_memory_give_the_same(tmp_path: Path) -> None:
    in_files, in_memory = loaded(tmp_path, "npy"), loaded(tmp_path, "npz")
    assert in_files.fingerprint == in_memory.fingerprint
    assert (in_files.mean, in_files.std) == (in_memory.mean, in_memory.std)
    for name in ("train", "validation", "test"):
        one, other = getattr(in_files, name), getattr(in_memory, name)
        assert one.mapped is not None
        assert torch.equal(one.inputs, other.inputs)
        assert torch.equal(one.labels, other.labels)
    assert torch.equal(pickle.loads(pickle.dumps(in_files)).train.inputs, in_memory.train.inputs)
    assert in_files.compact().train.mapped is None
    assert len(in_files.without_test().test) == 0
