"""Sweep and front anew for weighted samples, beside the plain ones."""

from dataclasses import replace

import numpy as np
import pytest

from explorer import Run
from explorer.core.evidence import Evidence
from explorer.core.quality import Quality
from explorer.core.sweep import outcome_at, right_and_exits, sweep
from explorer.costs.model import CostModel
from explorer.front.pareto import mark_front
from explorer.front.resampled import Resampler
from explorer.runs.point_table import points_of
from explorer.runs.store import Store
from explorer.space.constraints import Constraint, parse_constraint
from explorer.space.metrics import SEARCHED_METRICS


@pytest.fixture(scope="module")
def run(digits_run: Run) -> Run:
    return digits_run


def evidence_of(run: Run) -> dict[str, Evidence]:
    store = Store(run.path)
    return {key: store.read_evidence(key) for key in run.results.networks}


def resampler_of(run: Run, constraints: list[Constraint] = []) -> Resampler:  # noqa: B006
    networks = [(own, run.results.networks[key].splits) for key, own in evidence_of(run).items()]
    return Resampler(networks, CostModel(run.results.setting), run.results.objectives, constraints, 0.0, 1.0)


@pytest.mark.parametrize("asked", [[], ["edge_memory_bytes <= 40 kB", "accuracy >= 0.9"]])
def test_each_sample_once_gives_the_front_of_the_run(run: Run, asked: list[str]) -> None:
    constraints = [parse_constraint(text, "--where") for text in asked]
    front = resampler_of(run, constraints).front(np.ones(400))
    networks = run.results.networks
    frames = [own.points.assign(reference="") for own in networks.values()]
    swept = points_of(networks, frames, run.results.setting)
    marked = mark_front(swept, run.results.objectives, constraints)
    expected = marked.loc[marked["on_front"], "accuracy"]
    assert sorted(front.quality_R) == pytest.approx(sorted(expected))


def test_whole_weights_are_samples_that_are_there_as_often(run: Run) -> None:
    weights = np.random.default_rng(0).multinomial(400, np.full(400, 1 / 400))
    some = np.repeat(np.arange(400), weights)
    frames, networks = [], run.results.networks
    for own in evidence_of(run).values():
        drawn = replace(
            own,
            exit_confidence_SN=own.exit_confidence_SN[:, some],
            exit_correct_SN=own.exit_correct_SN[:, some],
            server_correct_SBN=own.server_correct_SBN[:, :, some],
            output_correct_N=own.output_correct_N[some],
            label_N=own.label_N[some],
        )
        frames.append(sweep(drawn, 0.0, 1.0).assign(reference=""))
    points = mark_front(points_of(networks, frames, run.results.setting), run.results.objectives, [])
    front = resampler_of(run).front(weights.astype(float))
    expected = points.loc[points["on_front"], "accuracy"]
    assert sorted(front.quality_R) == pytest.approx(sorted(expected))


def test_points_are_what_their_accuracy_is_stated_of(run: Run) -> None:
    resampler, evidence = resampler_of(run), list(evidence_of(run).values())
    half = (np.arange(400) % 2).astype(float)
    front = resampler.front(half)
    everything = resampler.quality(front, np.ones(400))
    for (network, point), accuracy in zip(resampler.points(front), everything, strict=True):
        assert outcome_at(evidence[network], point).correct / 400 == pytest.approx(accuracy)


def test_another_quality_is_resampled_as_it_is_swept(run: Run) -> None:
    quality = Quality("balanced_accuracy")
    weights = np.random.default_rng(0).multinomial(400, np.full(400, 1 / 400)).astype(float)
    evidence = [replace(own, quality=quality) for own in evidence_of(run).values()]
    stored = list(run.results.networks.values())
    networks = [(own, network.splits) for own, network in zip(evidence, stored, strict=True)]
    objectives = [SEARCHED_METRICS[name] for name in ("balanced_accuracy", "edge_macs", "payload_bytes")]
    limits = [parse_constraint("balanced_accuracy_ci95_low >= 0.7", "--where")]
    resampler = Resampler(networks, CostModel(run.results.setting), objectives, limits, 0.0, 1.0)
    front = resampler.front(weights)
    half = resampler.quality(front, np.ones(400))
    for (network, point), value, shown in zip(resampler.points(front), half, front.quality_R, strict=True):
        right_N, _ = right_and_exits(evidence[network], point)
        labels = evidence[network].label_N
        recalls = [right_N[labels == label].mean() for label in range(10)]
        assert value == pytest.approx(np.mean(recalls))
        drawn = [np.average(right_N[labels == own], weights=weights[labels == own]) for own in range(10)]
        assert shown == pytest.approx(np.mean(drawn))
    assert sorted(np.concatenate(resampler.strata).tolist()) == list(range(400))
    assert len(resampler.strata) == 10
    assert resampler.column == "balanced_accuracy"


def test_each_sample_once_gives_the_front_of_another_quality(run: Run) -> None:
    quality = Quality("weighted_accuracy", ((8, 5.0),))
    objectives = [SEARCHED_METRICS[name] for name in ("weighted_accuracy_ci95_low", "edge_macs")]
    networks, frames = [], []
    for key, own in evidence_of(run).items():
        evidence = replace(own, quality=quality)
        networks.append((evidence, run.results.networks[key].splits))
        frames.append(sweep(evidence, 0.0, 1.0).assign(reference=""))
    swept = points_of(run.results.networks, frames, run.results.setting)
    marked = mark_front(swept, objectives, [])
    expected = marked.loc[marked["on_front"], "weighted_accuracy"]
    front = Resampler(networks, CostModel(run.results.setting), objectives, [], 0.0, 1.0).front(np.ones(400))
    assert sorted(front.quality_R) == pytest.approx(sorted(expected))
