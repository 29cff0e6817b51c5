"""What looks wrong with data that can be used: axes that look exchanged, samples in two subsets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.data.balance import data_notes, is_warning
from explorer.data.dataset import DataSet, load_data
from explorer.data.notes import exchanged_axes_note, repeated_notes
from explorer.data.sources import given_arrays


def repeated_note(known: list[tuple[np.ndarray, np.ndarray]], test: tuple[np.ndarray, np.ndarray]) -> str:
    """That of test, without a validation subset."""
    (train,) = known
    return "".join(repeated_notes(train, (train[0], train[1][:0]), test))


def load(x_train: np.ndarray, x_test: np.ndarray, layout: str = "images") -> DataSet:
    source = given_arrays((x_train, np.arange(len(x_train)) % 2, x_test, np.arange(len(x_test)) % 2))
    sizes = {"train_samples": None, "validation_samples": 4, "test_samples": None}
    return load_data(source, **sizes, seed=0, layout=layout)  # type: ignore[arg-type]


@given(channels=st.integers(1, 300), steps=st.integers(1, 300))
def test_series_with_more_channels_than_steps_get_a_hint(channels: int, steps: int) -> None:
    note = exchanged_axes_note((channels, steps))
    assert (note != "") == (channels > steps)
    assert not note or f"read as {channels} channels of {steps} steps" in note


def test_the_hint_is_for_series_alone() -> None:
    generator = np.random.default_rng(0)
    windows, others = generator.normal(size=(12, 16, 3)), generator.normal(size=(6, 16, 3))
    assert load(windows, others, "series").notes == (exchanged_axes_note((16, 3)),)
    assert load(windows.transpose(0, 2, 1), others.transpose(0, 2, 1), "series").notes == ()
    assert load(windows, others).notes == ()  # images of 16 x 3


@given(
    train=st.lists(st.integers(0, 9), min_size=1, max_size=20),
    test=st.lists(st.integers(0, 9), min_size=1, max_size=20),
    dtype=st.sampled_from(["u1", "<i8", "<f2", "<f4", ">f8"]),
)
def test_repeated_samples_are_counted(train: list[int], test: list[int], dtype: str) -> None:
    """The truth by comparing every pair; samples are told apart by all of their values."""
    known, unknown = (np.stack([np.zeros(len(part)), part], axis=1).astype(dtype) for part in (train, test))
    count = sum(value in train for value in test)
    note = repeated_note([(known, np.arange(len(train)))], (unknown, np.arange(len(test))))
    assert note.startswith(f"{count} of {len(test)} test samples" if count else "")
    assert bool(note) == bool(count)


def test_only_chosen_samples_count_and_types_may_differ() -> None:
    x = np.arange(12, dtype=np.float64).reshape(6, 2)
    rows = np.arange(3)
    assert repeated_note([(x, rows)], (x, rows + 3)) == ""
    assert repeated_note([(x, rows)], (x.astype(np.float32), rows)).startswith("3 of 3 ")
    assert repeated_note([(x * 0, rows)], (x * -0.0, rows)).startswith(
        "3 of 3 "
    )  # 0.0 and -0.0 are one number


def test_samples_of_a_file_are_compared_too(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 255, (2500, 8)).astype(np.uint8)  # more than are hashed at once
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert repeated_note([(mapped, np.arange(2000))], (x, np.arange(1900, 2500))).startswith("100 of 600 ")


def test_train_and_validation_both_count() -> None:
    x = np.random.default_rng(0).normal(size=(30, 5))
    (note,) = load(x, x[:20]).notes
    assert note.startswith("20 of 20 test samples are in train or validation, too")


@pytest.mark.parametrize("odd", [(), ("one thing",), ("one thing", "another")])
def test_notes_are_told_with_those_of_the_classes(odd: tuple[str, ...]) -> None:
    x = np.random.default_rng(0).normal(size=(30, 5))
    data = replace(load(x, x[:2] + 1), notes=odd)
    assert data_notes(data) == list(odd)


@pytest.mark.parametrize("again", [0, 1, 2, 200])
def test_validation_samples_that_train_has_are_counted(again: int) -> None:
    """From a hundredth on; 200 samples of validation."""
    x = np.arange(800, dtype=np.float32).reshape(400, 2)
    x[200 : 200 + again] = x[:again]
    notes = repeated_notes((x, np.arange(200)), (x, np.arange(200, 400)), (x + 1000, np.arange(9)))
    assert [note.split(" are")[0] for note in notes] == [f"{again} of 200 validation samples"] * (again > 1)


def test_repeated_validation_speaks_against_accuracies() -> None:
    x = np.tile(np.random.default_rng(0).normal(size=(15, 5)), (4, 1))
    (note,) = load(x, x[:2] + 1).notes
    assert note.startswith("4 of 4 validation samples are in train, too")
    assert is_warning(note)


@pytest.mark.parametrize(("factor", "told"), [(1.0, False), (4.0, False), (255.0, True), (1 / 255, True)])
def test_another_scale_of_test_is_told(factor: float, told: bool) -> None:
    generator = np.random.default_rng(0)
    x, other = generator.normal(size=(200, 5)), generator.normal(size=(60, 5))
    notes = load(x, factor * other).notes
    assert [note.startswith("values of test and train differ in size") for note in notes] == [True] * told
    assert load(x, factor * other[:20]).notes == ()  # few samples vary by chance


def test_classes_without_a_sample_are_named() -> None:
    x = np.random.default_rng(0).normal(size=(40, 5))
    labels = np.arange(40) % 4
    source = given_arrays((x, labels, x[:3] + 1, labels[:3]))
    data = load_data(source, train_samples=None, validation_samples=2, test_samples=None, seed=0)
    validation, test = data_notes(data)
    assert validation.startswith("validation has no sample of the class ")
    assert validation.endswith(" and 1 more: its accuracy says nothing of them")
    assert test == "test has no sample of the class 3: its accuracy says nothing of it"
