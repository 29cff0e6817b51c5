"""Inputs are shifted and scaled by the training subset alone, and lose no digits."""

from pathlib import Path

import numpy as np
import pytest
import torch
from written_data import load, sample_ids, write_npz

from explorer.errors import UserError
from explorer.space.choices import DataSpec


def test_load_data_normalises_with_the_train_subset_only(tmp_path: Path) -> None:
    data = load(write_npz(tmp_path / "own.npz"), train_samples=20)
    ids = np.array(sample_ids(data.train, data)) / 255
    assert data.mean == pytest.approx((ids.mean(),))
    assert data.std == pytest.approx((ids.std(),))
    assert data.train.inputs.mean().item() == pytest.approx(0, abs=1e-6)
    assert data.train.inputs.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    assert data.test.inputs.mean().item() > 5  # the test part is brighter and must stay so


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
