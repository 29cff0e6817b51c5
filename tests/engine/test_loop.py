"""The ask/tell loop with made-up networks: counts, reuse, resuming, samplers, several trainings at a time."""

import threading
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from loops import (
    REFERENCES,
    Finished,
    Spy,
    in_memory,
    make_loop,
    proposals,
    results,
    silent,
)
from optuna.trial import TrialState
from stand_ins import SETTING, SPACE, fabricate

from explorer.core.sweep import outcome_at, sweep
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask
from explorer.costs.model import CostModel
from explorer.engine.archive import Archive
from explorer.engine.defaults import SAMPLERS
from explorer.engine.loop import SearchLoop
from explorer.engine.outcomes import Progress, TrialResult

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def test_exactly_the_trials_asked_for(finished: Finished) -> None:
    loop, _, shown = finished
    assert [trial.number for trial in loop.study.optuna_study.trials] == list(range(30))
    assert {trial.state for trial in loop.study.optuna_study.trials} == {TrialState.COMPLETE}
    assert [progress.trials for progress in shown] == list(range(1, 31))
    assert {progress.trials_asked for progress in shown} == {30}
    assert shown[-1].remaining_s == 0


def test_references_come_first(finished: Finished) -> None:
    loop, _, _ = finished
    assert [result.reference for result in results(loop)] == REFERENCES + [""] * 25
    own = results(loop)
    assert [result.split_point for result in own[:5]] == ["output", "output", "relu2", "output", "input"]
    assert own[4].confidence_threshold is None
    # dense, all on the edge and all on the server are one network
    assert [result.outcome for result in own[:5]] == ["trained", "trained", "trained", "cached", "cached"]
    assert len({result.network_key for result in own[2:5]}) == 1


def test_a_network_is_trained_once(finished: Finished) -> None:
    loop, spy, shown = finished
    assert set(spy.calls.values()) == {1}
    assert set(spy.calls) == set(loop.networks.store) == {result.network_key for result in results(loop)}
    assert shown[-1].counts == {
        "trained": len(spy.calls),
        "cached": 30 - len(spy.calls),
        "infeasible": 0,
        "failed": 0,
    }
    assert shown[-1].counts["cached"] > 2
    trained: set[str] = set()
    for result in results(loop):
        assert result.outcome == ("cached" if result.network_key in trained else "trained")
        trained.add(result.network_key)


def test_what_is_told_is_the_candidates_own_point(finished: Finished) -> None:
    loop, _, _ = finished
    for trial, result in zip(loop.study.optuna_study.trials, results(loop), strict=True):
        network = fabricate(loop.networks.store.read(result.network_key).spec)
        outcome = outcome_at(network.evidence, result.run_point)
        split = next(split for split in network.splits if split.name == result.split_point)
        exit_macs = split.exit_macs if result.confidence_threshold is not None else 0
        assert trial.values == [outcome.correct / 40, split.edge_macs + exit_macs]


def test_archive_holds_the_sweeps_of_all_networks(finished: Finished) -> None:
    loop, _, shown = finished
    space = loop.space
    again = Archive(space.metrics, space.objectives, [])
    for key in loop.networks.store:
        network = fabricate(loop.networks.store.read(key).spec)
        again.put(key, CostModel(SETTING).points(sweep(network.evidence, 0.0, 1.0), network.splits, 40))
    assert sorted(map(tuple, loop.networks.archive.front)) == sorted(map(tuple, again.front))
    volumes = [progress.hypervolume for progress in shown]
    assert volumes == sorted(volumes)
    assert 0 < volumes[0] < volumes[-1] == pytest.approx(again.hypervolume)
    assert [result.hypervolume for result in results(loop)] == volumes
    assert [result.front_size for result in results(loop)] == [progress.front_size for progress in shown]


def test_more_trials_go_on_where_the_search_ended(finished: Finished, tmp_path: Path) -> None:
    spy = Spy()
    for trials in (3, 3, 10):  # references that did not fit are proposed later
        make_loop(tmp_path, spy).run(trials, None, silent)
        assert len(make_loop(tmp_path, spy).study.optuna_study.trials) == trials
    assert proposals(make_loop(tmp_path, spy)) == proposals(finished[0])[:10]
    assert set(spy.calls.values()) == {1}


def test_elapsed_time_and_counts_cover_all_sessions(tmp_path: Path) -> None:
    shown: list[Progress] = []
    make_loop(tmp_path, fabricate).run(4, None, shown.append)
    again = make_loop(tmp_path, fabricate)
    again.run(6, None, shown.append)
    assert [sum(progress.counts.values()) for progress in shown] == [1, 2, 3, 4, 5, 6]
    elapsed = [result.elapsed_s for result in results(again)]  # what is shown comes after what is told
    assert elapsed == sorted(elapsed)


def test_timeout_ends_between_trials(tmp_path: Path) -> None:
    loop = make_loop(tmp_path, fabricate)
    loop.run(30, 0.0, silent)
    assert loop.study.optuna_study.trials == []
    make_loop(tmp_path, fabricate).run(2, None, silent)
    assert (
        len(
            [
                t
                for t in make_loop(tmp_path, fabricate).study.optuna_study.trials
                if t.state == TrialState.COMPLETE
            ]
        )
        == 2
    )


# constraints and samplers


def own_point(loop: SearchLoop, result: TrialResult) -> dict[str, float]:
    stored = loop.networks.store.read(result.network_key)
    evidence = loop.networks.store.read_evidence(result.network_key)
    outcome = outcome_at(evidence, result.run_point)
    return CostModel(SETTING).point(result.run_point, outcome, stored.splits, evidence.num_samples)


def test_constraints_reach_the_study(tmp_path: Path) -> None:
    limits = ["edge_macs <= 150", "payload_bytes <= 40"]
    loop = make_loop(tmp_path, fabricate, study=in_memory(), constraints=limits)
    loop.run(15, None, silent)
    trained = [result for result in results(loop) if result.outcome != "infeasible"]
    points = [own_point(loop, result) for result in trained]
    feasible = [bool(point["edge_macs"] <= 150 and point["payload_bytes"] <= 40) for point in points]
    assert 0 < sum(feasible) < len(trained) < 15
    complete = [trial for trial in loop.study.optuna_study.trials if trial.state == TrialState.COMPLETE]
    for trial, point, is_feasible in zip(complete, points, feasible, strict=True):
        violations = trial.constraints
        assert set(violations) == set(limits)
        assert violations["edge_macs <= 150"] == pytest.approx((point["edge_macs"] - 150) / 150)
        assert violations["payload_bytes <= 40"] == pytest.approx((point["payload_bytes"] - 40) / 40)
        assert all(value <= 0 for value in violations.values()) == is_feasible
    best = {trial.number for trial in loop.study.optuna_study.best_trials}
    assert best <= {t.number for t, is_feasible in zip(complete, feasible, strict=True) if is_feasible}
    assert (loop.networks.archive.front[:, 1] <= 150).all()


def test_what_the_edge_device_cannot_hold_is_not_feasible(tmp_path: Path) -> None:
    small = SETTING.edge.model_copy(update={"flash_bytes": 700.0, "ram_bytes": 1e6})
    setting = replace(SETTING, edge=small)
    limits = {"edge_flash_bytes <= 700", "edge_ram_bytes <= 1e+06"}
    loop = make_loop(tmp_path / "fit", fabricate, study=in_memory(), setting=setting)
    loop.run(15, None, silent)
    trained = [result for result in results(loop) if result.outcome != "infeasible"]
    assert len(trained) < 15  # others are known not to fit before they train
    complete = [trial for trial in loop.study.optuna_study.trials if trial.state == TrialState.COMPLETE]
    assert all(set(trial.constraints) == limits for trial in complete)
    whatever = make_loop(tmp_path / "any", fabricate, study=in_memory(), setting=setting, fit="none")
    whatever.run(15, None, silent)
    assert all(result.outcome != "infeasible" for result in results(whatever))
    assert whatever.networks.archive.hypervolume > loop.networks.archive.hypervolume


def test_constraint_on_an_unknown_cost_is_never_met(tmp_path: Path) -> None:
    unknown = replace(SETTING, edge=SETTING.edge.model_copy(update={"active_w": None}))
    limits = ["energy_model_j <= 1"]
    loop = make_loop(tmp_path, fabricate, study=in_memory(), setting=unknown, constraints=limits)
    loop.run(2, None, silent)
    assert all(trial.constraints["energy_model_j <= 1"] > 0 for trial in loop.study.optuna_study.trials)
    assert len(loop.networks.archive.front) == 0


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler(tmp_path: Path, sampler: str) -> None:
    # Gaussian processes take seconds per trial in large spaces
    backbone = SPACE["backbones"]["mlp"] | {"arguments": {"hidden": [[4]]}}
    space = {"backbones": {"mlp": backbone}, "payload_bits": [8]}
    loop = make_loop(
        tmp_path, fabricate, sampler, 3, in_memory(objectives=1), objectives={"accuracy": 0.1}, **space
    )
    loop.run(15, None, silent)
    assert {trial.state for trial in loop.study.optuna_study.trials} == {TrialState.COMPLETE}
    if sampler == "front":  # it never proposes a network twice, and this space has no more
        assert loop.exhausted
        return
    assert len(loop.study.optuna_study.trials) == 15
    drawn = [trial.params["mlp.split_point"] for trial in loop.study.optuna_study.trials[3:]]
    assert len(set(drawn)) > 8


@pytest.mark.parametrize(
    ("sampler", "sessions"), [("tpe", (7, 12, 15)), ("nsga2", (20, 53, 57)), ("front", (6, 13, 24))]
)
def test_resumed_search_proposes_the_same_with_a_sampler_that_learns(
    tmp_path: Path, sampler: str, sessions: tuple[int, ...]
) -> None:
    """TPE learns from the 10th trial on, NSGA-II from the 50th."""
    whole = make_loop(tmp_path / "whole", fabricate, sampler, study=in_memory())
    whole.run(sessions[-1], None, silent)
    study = in_memory()
    for trials in sessions:
        make_loop(tmp_path / "parts", fabricate, sampler, study=study).run(trials, None, silent)
    assert [trial.params for trial in study.trials] == proposals(whole)


def test_other_seed_other_proposals(finished: Finished, tmp_path: Path) -> None:
    other = make_loop(tmp_path, fabricate, seed=1, study=in_memory())
    other.run(8, None, silent)
    assert proposals(other)[:5] == proposals(finished[0])[:5]  # references
    assert proposals(other)[5:] != proposals(finished[0])[5:8]


def test_only_allowed_split_points_are_stored(tmp_path: Path) -> None:
    backbone = SPACE["backbones"]["mlp"] | {"split_points": ["relu1", "output"]}
    loop = make_loop(tmp_path, fabricate, study=in_memory(), backbones={"mlp": backbone})
    loop.run(4, None, silent)
    stored = pd.concat([loop.networks.store.read(key).points for key in loop.networks.store])
    assert set(stored["split_point"]) == {"relu1", "output"}
    assert set(result.split_point for result in results(loop)) <= {"relu1", "output"}


# small spaces, several trainings at a time


def test_an_exhausted_space_ends_the_search(tmp_path: Path) -> None:
    backbone = SPACE["backbones"]["mlp"] | {"arguments": {"hidden": [[4]]}, "densities": [0.5, 1.0]}
    spy = Spy()
    loop = make_loop(tmp_path, spy, study=in_memory(), backbones={"mlp": backbone})
    loop.run(10_000, None, silent)
    assert loop.proposer.inventory.num_networks == 4  # two junctions, two densities
    assert len(spy.calls) == 4
    assert loop.exhausted
    done = len(loop.study.optuna_study.trials)
    assert done < 10_000
    loop.run(10_000, None, silent)
    assert len(loop.study.optuna_study.trials) == done


class LatePool:
    """Two slots; a training ends when both are taken, the later one first."""

    slots = 2

    def __init__(self) -> None:
        self.begun: list[tuple[TrainingTask, Future[EvaluatedNetwork]]] = []
        self.most = 0

    def submit(self, task: TrainingTask) -> "Future[EvaluatedNetwork]":
        future: Future[EvaluatedNetwork] = Future()
        self.begun.append((task, future))
        self.most = max(self.most, len(self.begun))
        threading.Timer(0.01, self._finish).start()
        return future

    def _finish(self) -> None:
        task, future = self.begun.pop()
        future.set_result(fabricate(task.spec))


def test_two_trainings_at_a_time(tmp_path: Path) -> None:
    loop, pool = make_loop(tmp_path, fabricate, study=in_memory()), LatePool()
    loop.pool = pool  # type: ignore[assignment]
    shown: list[Progress] = []
    loop.run(25, None, shown.append)
    assert pool.most == 2
    done = [progress.trials for progress in shown]
    assert done == sorted(set(done))
    assert done[-1] == len(loop.study.optuna_study.trials) == 25
    assert {trial.state for trial in loop.study.optuna_study.trials} == {TrialState.COMPLETE}
    keys = [result.network_key for result in results(loop) if result.outcome == "trained"]
    assert len(keys) == len(set(keys)) == len(list(loop.networks.store))
