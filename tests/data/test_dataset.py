"""Subsets: disjoint, of their part, chosen by the seed alone, and told apart by a fingerprint."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from written_data import arrays, load, sample_ids, write_npz

from explorer.errors import UserError


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


def test_load_data_rare_class_stays_in_train(tmp_path: Path) -> None:
    labels = np.array([0] * 25 + [1] * 14 + [2])
    data = load(
        write_npz(tmp_path / "own.npz", y_train=labels, y_test=arrays()["y_test"] % 2), train_samples=3
    )
    assert data.class_counts() == {"train": [1, 1, 1], "validation": [5, 3, 0], "test": [10, 10, 0]}


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
