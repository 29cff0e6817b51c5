"""The benchmark of rare classes: its claim by hand; tests/test_quality.py searches its spaces."""

import numpy as np

from benchmarks.rare_class import CLASS_NAMES, QUALITIES, rare_space, shortfalls, write_data
from explorer.space.files import space_from
from explorer.space.quality_spec import quality_name


def test_spaces_differ_in_what_is_counted_only(tmp_path) -> None:  # type: ignore[no-untyped-def]
    spaces = [rare_space(tmp_path / "rare.npz", quality) for quality in QUALITIES]
    for space, quality in zip(spaces, QUALITIES, strict=True):
        assert quality_name(space_from(space).quality) == quality
        del space["quality"], space["objectives"]
    assert spaces[0] == spaces[1] == spaces[2]


def test_three_percent_are_positive(tmp_path) -> None:  # type: ignore[no-untyped-def]
    write_data(tmp_path / "rare.npz", seed=0, train=1000, test=100)
    with np.load(tmp_path / "rare.npz") as arrays:
        assert (arrays["y_train"].sum(), arrays["y_test"].sum()) == (30, 3)
        assert tuple(arrays["class_names"].tolist()) == CLASS_NAMES


def test_what_falls_short_is_named() -> None:
    rows = [
        {"quality": "accuracy", "seed": 0, "most_recall": 0.0},
        {"quality": "accuracy", "seed": 1, "most_recall": 0.4},
        {"quality": "balanced_accuracy", "seed": 0, "most_recall": 0.9},
        {"quality": "weighted_accuracy", "seed": 0, "most_recall": 0.7},
    ]
    assert [line.split(":")[0] for line in shortfalls(rows)] == [
        "accuracy, seed 1",
        "weighted_accuracy, seed 0",
    ]
