"""benchmarks.training_speed: contestants train what they say, and what exceeds its limit is named."""

from dataclasses import replace

import pytest
import torch

from benchmarks import training_speed
from benchmarks.training_speed import (
    ALL,
    CASES,
    Case,
    measured,
    prepared,
    runs_of,
    shortfalls,
    sparse_backbone,
)
from explorer.errors import UserError

TINY = Case("tiny", "explorer.backbones:mlp", {"hidden": [16, 16]}, (1, 4, 4), 32, 16, ALL, 12)


def test_shortfalls_are_named() -> None:
    good = {"network": "a", "plain_s": 1.0, "dense": 0.9, "exits": 1.1, "sparse": None}
    assert shortfalls([good, good | {"sparse": 0.6}]) == []
    lines = shortfalls([good | {"dense": 0.95, "sparse": 0.7}])
    assert [line.split(":")[0] for line in lines] == ["a, dense", "a, sparse"]


def test_a_plain_batch_is_normalised_and_cropped() -> None:
    images = torch.full((8, 1, 6, 6), 255, dtype=torch.uint8)
    batch = prepared(images)
    assert batch.shape == images.shape
    assert set(batch.unique().tolist()) <= {0.0, 2.0}  # (1 - 0.5) / 0.25, and what was padded


@pytest.mark.parametrize(
    "case", [case for case in CASES if "sparse" in case.contestants], ids=lambda case: case.name
)
def test_wide_layers_are_sparse(case: Case) -> None:
    dense = sum(p.numel() for p in sparse_backbone(replace(case, sparse_from=10_000)).parameters())
    sparse = sum(p.numel() for p in sparse_backbone(case).parameters())
    assert sparse < 0.75 * dense


def test_all_contestants_run_in_turn() -> None:
    assert list(runs_of(TINY)) == ["plain", "dense", "exits", "sparse"]
    row = measured(TINY, repeats=1)
    assert all(row[name] > 0 for name in ("plain_s", "dense", "exits", "sparse"))


def test_no_such_case() -> None:
    with pytest.raises((SystemExit, UserError)):
        training_speed.main(["--cases", "nothing"])
