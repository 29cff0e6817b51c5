"""What int8 costs other spaces: counted by hand, one small search, and folders without data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.microcontroller import int8_spaces
from benchmarks.microcontroller.int8_spaces import (
    SOURCES,
    SpaceRow,
    drops,
    measured,
    shortfalls,
    write_windows,
)

ROW = SpaceRow("mnist_mlp", "mnist", networks=3, accuracy=0.9, drop=0.01, samples=1000)


def test_a_drop_is_that_of_a_network_at_output() -> None:
    points = pd.DataFrame(
        {
            "network_key": ["a", "a", "b", "b", "a"],
            "split_point": ["output", "output", "output", "output", "relu1"],
            "edge_weight_bits": [32, 8, 32, 8, 8],
            "accuracy": [0.9, 0.87, 0.8, 0.81, 0.1],
        }
    )
    found = drops(points)
    np.testing.assert_allclose(found["drop"], [0.03, -0.01])
    np.testing.assert_allclose(found["accuracy"], [0.9, 0.8])


def test_what_falls_short_is_named() -> None:
    assert shortfalls([ROW]) == []
    assert len(shortfalls([ROW, replace(ROW, drop=0.011)])) == 1


def test_spaces_without_data_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8_spaces, "MADE", "")
    assert list(measured(tmp_path)) == []
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == list(SOURCES)


def test_windows_that_are_made_are_waves_of_their_class(tmp_path: Path) -> None:
    write_windows(tmp_path / "own.npz", seed=0)
    with np.load(tmp_path / "own.npz") as made:
        x, y = made["x_train"], made["y_train"]
    assert x.shape == (3000, 3, 64)
    assert set(y) == set(range(6))
    power = np.abs(np.fft.rfft(x[y == 4])) ** 2  # 4 turns in a window
    assert power.mean(axis=(0, 1)).argmax() == 4


@pytest.mark.slow
def test_a_space_is_searched_with_data_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 2, 16)).astype(np.float32), np.arange(80) % 3
    np.savez(tmp_path / "sensor_windows.npz", x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])
    for name, value in (("NETWORKS", 1), ("TRAIN_SAMPLES", 40), ("VALIDATION_SAMPLES", 40), ("EPOCHS", 1)):
        monkeypatch.setattr(int8_spaces, name, value)
    (row,) = measured(tmp_path)
    assert (row.space, row.networks, row.samples) == ("sensor_cnn1d", 1, 40)
    assert 0 <= row.accuracy <= 1
