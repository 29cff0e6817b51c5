"""A tiny search whose networks are trained under fake quantisation."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml

from explorer import run_search
from explorer.run import Run
from explorer.runs.store import Store
from explorer.space.files import load_space
from explorer.space.training import QUANTISED_EPOCHS


def searched(reports: Path, name: str) -> Run:
    content: dict[str, Any] = yaml.safe_load(load_space("digits_stm32")[1])
    content["data"] |= {"train_samples": 200, "validation_samples": 100, "test_samples": 50}
    content["training"] |= {"epochs": 4, "quantised": True}
    content["backbones"] = {
        "mlp": {"factory": "explorer.backbones:mlp", "arguments": {"hidden": [[12], [16]]}}
    }
    how: dict[str, Any] = {"workers": 1, "energy": False, "progress": False}
    return run_search(content, trials=3, name=name, reports=reports, **how)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    reports = tmp_path_factory.mktemp("reports")
    return {name: searched(reports, name) for name in ("first", "again")}


def test_networks_are_trained_and_evaluated_with_it(runs: dict[str, Run]) -> None:
    own = runs["first"]
    assert set(own.points["edge_weight_bits"]) == {8, 32}
    recipes = [stored.spec.recipe for stored in own.results.networks.values()]
    assert {recipe.quantised_epochs for recipe in recipes} == {QUANTISED_EPOCHS}
    assert {stored.training.epochs for stored in own.results.networks.values()} == {4}


def test_the_same_search_gives_the_same_points_and_weights(runs: dict[str, Run]) -> None:
    own, again = runs["first"], runs["again"]
    counted = ["point_id", "accuracy", "edge_weight_bits", "exit_rate", "payload_bytes"]
    pd.testing.assert_frame_equal(own.points[counted], again.points[counted])
    for key in own.results.networks:
        weights, others = (Store(run.path).read_weights(key) for run in (own, again))
        assert all(torch.equal(tensor, others[name]) for name, tensor in weights.items())
