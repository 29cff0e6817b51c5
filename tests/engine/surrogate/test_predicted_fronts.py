"""Predicted fronts under constraints on what training alone tells."""

import numpy as np
import pytest

from explorer.core.intervals import wilson_interval
from explorer.costs.model import CostModel
from explorer.devices import Setting
from explorer.engine.proposals import Proposer
from explorer.engine.surrogate.architectures import Architectures
from explorer.engine.surrogate.predicted_fronts import FrontPredictor, PredictedFronts
from explorer.front.pareto import reference_and_ideal
from explorer.space.files import load_space
from explorer.space.inventory import build_inventory


@pytest.mark.parametrize("column", ["accuracy", "accuracy_ci95_low"])
def test_a_bound_on_the_accuracy_or_its_lower_end_holds_for_the_predicted_share(column: str) -> None:
    space = load_space("digits")[0].model_copy(update={"constraints": [f"{column} >= 0.9"]})
    networks = Architectures(
        inventory := build_inventory(space, (1, 8, 8), 10), Proposer(inventory, {}).network
    )
    corners = reference_and_ideal(space.metrics, space.objectives)
    predictor = FrontPredictor(
        networks, CostModel(Setting.load("rpi4", "nvidia_t4", "lte_2021")), space, *corners
    )
    shares = np.array([0.89, 0.91, 0.99])
    logits = np.column_stack([np.log(shares / (1 - shares)), np.ones(3)])
    whole = np.zeros(3, dtype=np.int64)
    fronts = PredictedFronts(
        whole,
        ["output"] * 3,
        whole,
        whole * 1.0,
        np.zeros((3, 4)),
        {"correct": logits},
        whole + 400,
        whole == 0,
    )
    allowed = np.isfinite(predictor.losses(fronts, 0.0)).all(axis=1)
    low = wilson_interval(shares * 400, 400)[0]
    assert allowed.tolist() == ((shares if column == "accuracy" else low) >= 0.9).tolist()
    assert np.isfinite(predictor.losses(fronts, 3.0)).all(), "all reach it if they are better than predicted"
