"""Sweep and front anew for weighted samples, beside the plain ones."""

from dataclasses import replace

import numpy as np
import pytest

from explorer import Run, run_search
from explorer.core.evidence import Evidence
from explorer.core.sweep import outcome_at, sweep
from explorer.costs.model import CostModel
from explorer.front.pareto import mark_front
from explorer.front.resampled import Resampler
from explorer.runs.results import points_of
from explorer.runs.store import Store
from explorer.space.metrics import Constraint, parse_constraint


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    where = tmp_path_factory.mktemp("reports")
    return run_search("digits", trials=4, name="run", workers=1, energy=False, progress=False, reports=where)


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
    assert sorted(front.accuracy_R) == pytest.approx(sorted(expected))


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
    assert sorted(front.accuracy_R) == pytest.approx(sorted(expected))


def test_points_are_what_their_accuracy_is_stated_of(run: Run) -> None:
    resampler, evidence = resampler_of(run), list(evidence_of(run).values())
    half = (np.arange(400) % 2).astype(float)
    front = resampler.front(half)
    everything = resampler.accuracy(front, np.ones(400))
    for (network, point), accuracy in zip(resampler.points(front), everything, strict=True):
        assert outcome_at(evidence[network], point).correct / 400 == pytest.approx(accuracy)
