"""The replay has the latencies of the formula, the same chances for all, and says what falls short."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.link_policy.compare import Comparison, compare, figure, shortfalls
from benchmarks.link_policy.replay import Answers, Phase, World
from benchmarks.link_policy.scenarios import HTTP, Scenario, synthetic
from explorer.core.evidence import Evidence
from explorer.core.run_point import RunPoint


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(synthetic(), samples=1000, seed=0)


def test_mean_latencies_are_those_of_the_formula() -> None:
    scenario = synthetic()
    phase = Phase(60_000, 1e6, 0.02)
    world = World(scenario.costs, scenario.answers, [phase], HTTP, seed=0)
    late = np.mean(world.link_factor_S)  # jitter and outliers
    for place, own in enumerate(scenario.costs):
        expected = own.latency_s(phase.rtt_s * late, 8 * late / phase.bits_per_s, sum(HTTP))
        assert world.fixed(place).latency_S.mean() == pytest.approx(expected, rel=0.02)


def test_the_oracle_takes_the_best_point_of_each_phase() -> None:
    scenario = synthetic()
    world = World(scenario.costs, scenario.answers, scenario.phases(500), HTTP, seed=0)
    oracle = world.oracle(range(4))
    fixed = np.array([world.fixed(place).latency_S.reshape(3, 500).mean(axis=1) for place in range(4)])
    assert np.array_equal(oracle.point_S[::500], fixed.argmin(axis=0))
    assert oracle.latency_S.reshape(3, 500).mean(axis=1) == pytest.approx(fixed.min(axis=0))


def test_the_policy_holds_its_promises(comparison: Comparison) -> None:
    assert shortfalls([comparison]) == []
    assert comparison.oracle_s < comparison.policy_s < comparison.best_fixed_s
    told = comparison.to_json()
    assert told["accuracy"] >= told["accuracy_floor"]
    assert told["probes"] == comparison.policy.probes
    assert [change["number"] for change in told["changes"]] == [
        own.number for own in comparison.policy.changes
    ]


def test_the_same_seed_gives_the_same(comparison: Comparison) -> None:
    again = compare(synthetic(), samples=1000, seed=0)
    assert np.array_equal(again.policy.latency_S, comparison.policy.latency_S)


def test_probes_are_paid_for(comparison: Comparison) -> None:
    policy = comparison.policy
    world = World(synthetic().costs, synthetic().answers, synthetic().phases(1000), HTTP, seed=0)
    without = world.at(policy.point_S).latency_S.sum()
    assert policy.latency_S.sum() == pytest.approx(without + policy.probe_s)


def test_what_falls_short_is_named(comparison: Comparison) -> None:
    slow = replace(comparison.policy, latency_S=2 * comparison.policy.latency_S)
    wrong = replace(comparison.policy, right_S=np.zeros(3000, bool))
    assert len(shortfalls([replace(comparison, policy=slow)])) == 2
    (line,) = shortfalls([replace(comparison, policy=wrong)])
    assert "accuracy 0.0000 is below 0.9000" in line
    (line,) = shortfalls([replace(comparison, eligible=(0,))])
    assert "below the floor" in line


def test_answers_are_those_of_the_evidence() -> None:
    right = np.array([True, False, True])
    evidence = Evidence(
        ("relu",),
        (8,),
        exit_confidence_SN=np.array([[0.9, 0.5, 0.4]], np.float32),
        exit_correct_SN=right[None],
        server_correct_SBN=~right[None, None],
        output_correct_N=right,
        encoded_bytes_SBN=np.array([[[12, 13, 14]]], np.int32),
        label_N=np.zeros(3, np.int64),
    )
    points = [RunPoint("relu", 0.5, 8), RunPoint("relu", None, 8), RunPoint.at_output()]
    answers = Answers.of(evidence, points)
    assert answers.sent_PN.tolist() == [[False, False, True], [True] * 3, [False] * 3]
    assert answers.right_PN.tolist() == [[True, False, False], [False, True, False], right.tolist()]
    assert answers.payload_PN[0].tolist() == [12, 13, 14]


def test_the_figure_shows_every_point_and_change(comparison: Comparison) -> None:
    chart = figure([comparison])
    names = [trace.name for trace in chart.data]
    assert names == [*["fixed point"] * len(comparison.scenario.labels), "oracle", "policy"]
    assert len(chart.layout.shapes) == len(comparison.policy.changes)


def test_gain_is_one_where_one_point_is_always_best() -> None:
    scenario: Scenario = synthetic()
    assert scenario.gain() > 1.15
    assert replace(scenario, costs=scenario.costs[:1]).gain() == 1.0
