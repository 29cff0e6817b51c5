"""Optimism of known size, and where there is none."""

import numpy as np
import pytest

from explorer.core.evidence import Evidence
from explorer.costs.build import costs_before_training
from explorer.costs.model import CostModel
from explorer.costs.split_costs import SplitCosts
from explorer.devices import Setting
from explorer.front.estimators import ESTIMATORS, METHOD, estimated_optimism
from explorer.front.optimism import Method, Optimism
from explorer.front.resampled import Resampler
from explorer.space.candidate import NetworkSpec
from explorer.space.constraints import parse_constraint
from explorer.space.files import load_space
from explorer.space.metrics import METRICS

SAMPLES, SHARE = 400, 0.9
SETTING = Setting.load("rpi4", "nvidia_t4", "lte_2021")


def coins(networks: int, seed: int, asked: tuple[str, ...] = ()) -> Resampler:
    """Networks without split points that answer each sample right at random, all equally often."""
    rng = np.random.default_rng(seed)
    none, splits = np.zeros((0, SAMPLES), dtype=bool), (_output(),)
    found = []
    for _ in range(networks):
        right = rng.random(SAMPLES) < SHARE
        evidence = Evidence(
            (),
            (8,),
            none.astype(np.float32),
            none,
            none[:, None],
            right,
            np.zeros((0, 1, 1), np.int32),
            right * 1,
        )
        found.append((evidence, splits))
    constraints = [parse_constraint(text, "--where") for text in asked]
    return Resampler(found, CostModel(SETTING), [METRICS["accuracy"]], constraints, 0.0, 1.0)


def _output() -> SplitCosts:
    how = ("explorer.backbones:mlp", '{"hidden": [4]}', "block", (), 8, load_space("digits")[0].recipe, "{}")
    return costs_before_training(NetworkSpec("mlp", *how), (8,), 2, "sample")[-1]


def mean_error(method: Method, networks: int, draws: int) -> tuple[float, float]:
    """Mean of the best accuracy less the true one, as it was and as it is corrected."""
    raw, corrected = [], []
    for seed in range(draws):
        resampler = coins(networks, seed)
        best = resampler.front(np.ones(SAMPLES)).quality_R
        optimism = estimated_optimism(resampler, method, repeats=4, seed=seed)
        assert optimism is not None
        raw.append(best[0] - SHARE)
        corrected.append(best[0] - optimism.at(best)[0] - SHARE)
    return float(np.mean(raw)), float(np.mean(corrected))


@pytest.mark.parametrize("method", ESTIMATORS)
def test_the_best_of_equal_networks_is_lucky_and_corrected(method: Method) -> None:
    raw, corrected = mean_error(method, networks=20, draws=25)
    assert raw > 0.02, "1.87 standard deviations of 1.5 points"
    assert abs(corrected) < (0.4 if method == METHOD else 0.7) * raw


def test_nothing_is_chosen_where_there_is_one_network() -> None:
    optimism = estimated_optimism(coins(1, seed=0))
    assert optimism is not None
    assert max(optimism.amounts) < 0.005


def test_estimates_depend_on_the_seed_alone() -> None:
    first, again, other = (estimated_optimism(coins(5, seed=0), seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_a_front_without_points_has_no_optimism() -> None:
    assert estimated_optimism(coins(1, seed=0, asked=("accuracy >= 1",))) is None


def test_corrected_shares_stay_shares() -> None:
    columns = Optimism("bootstrap", 1, (0.5,), (0.6,)).columns(np.array([0.5, 0.7]), 100)
    assert columns["accuracy_corrected"].tolist() == pytest.approx([0.0, 0.1])
    assert (columns["accuracy_corrected_ci95_low"] >= 0).all()
