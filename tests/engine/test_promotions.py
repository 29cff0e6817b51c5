"""Rungs in the loop: who is trained further, what samplers learn, what is left at the end."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from loops import Killed, in_memory, proposals, results, silent
from optuna.trial import TrialState
from rung_loops import RUNGS, Log, make_loop, trained

from explorer.core.sweep import outcome_at
from explorer.core.training import TrainingFailedError
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask
from explorer.engine.loop import SearchLoop
from explorer.engine.outcomes import REFERENCE, Progress, TrialResult

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchLoop, Log, list[Progress]]:
    log, shown = Log(), list[Progress]()
    loop = make_loop(tmp_path_factory.mktemp("rungs"), log)
    loop.run(30, None, shown.append)
    return loop, log, shown


def test_training_goes_on_where_it_stopped(searched: tuple[SearchLoop, Log, list[Progress]]) -> None:
    loop, log, _ = searched
    reached: dict[str, int] = {}
    for key, begun_at, until_epoch in log.pieces:
        assert begun_at == reached.get(key, 0)
        assert until_epoch in RUNGS
        reached[key] = until_epoch
    assert {loop.networks.store.read(key).training.epochs for key in loop.networks.store} <= set(RUNGS)
    assert {key: loop.networks.store.read(key).training.epochs for key in loop.networks.store} == reached


def test_most_networks_stop_early(searched: tuple[SearchLoop, Log, list[Progress]]) -> None:
    loop, _, _ = searched
    at_first, at_second, _ = loop.networks.rungs.summary()["networks"]
    assert at_second < at_first
    assert 0 < loop.networks.complete < len(loop.networks)


def test_front_and_references_are_complete_in_the_end(
    searched: tuple[SearchLoop, Log, list[Progress]],
) -> None:
    loop, _, _ = searched
    references = {result.network_key for result in results(loop)[:5]}
    for key in {*loop.networks.archive.networks(), *references}:
        assert loop.networks.store.read(key).training.epochs == RUNGS[-1]


def test_the_first_network_is_trained_to_the_end_at_once(
    searched: tuple[SearchLoop, Log, list[Progress]],
) -> None:
    _, log, _ = searched
    first = log.pieces[0][0]
    assert log.pieces[:3] == [(first, 0, 1), (first, 1, 3), (first, 3, 9)]


def test_samplers_learn_from_the_first_rung_alone(
    searched: tuple[SearchLoop, Log, list[Progress]],
) -> None:
    loop, _, _ = searched
    for trial, result in zip(loop.study.optuna_study.trials, results(loop), strict=True):
        assert trial.state == TrialState.COMPLETE
        spec = loop.networks.store.read(result.network_key).spec
        evidence = trained(TrainingTask(spec, RUNGS[0])).evidence
        own = outcome_at(evidence, result.run_point)
        assert trial.values[0] == own.correct / evidence.num_samples


def test_proposals_do_not_depend_on_promotions(tmp_path: Path) -> None:
    def told(rungs: tuple[int, ...], name: str) -> list[tuple[dict[str, Any], list[float]]]:
        # the same first rung: who is promoted when differs
        loop = make_loop(tmp_path / name, trained, rungs, sampler="tpe")
        loop.run(25, None, silent)
        return [(trial.params, trial.values) for trial in loop.study.optuna_study.trials]

    assert told((1, 3, 9), "three") == told((1, 9), "two")


def test_promotions_are_no_proposals(searched: tuple[SearchLoop, Log, list[Progress]]) -> None:
    loop, log, shown = searched
    assert len(loop.study.optuna_study.trials) == 30
    assert [progress.trials for progress in shown] == sorted(progress.trials for progress in shown)
    begun = Counter(begun_at > 0 for _, begun_at, _ in log.pieces)
    assert shown[-1].promotions == len(loop.promotions) == begun[True]
    assert shown[-1].counts["trained"] == begun[False] == len(loop.networks)
    volumes = [promotion.hypervolume for promotion in loop.promotions]
    assert volumes[-1] == pytest.approx(loop.networks.archive.hypervolume)


def test_the_archive_holds_networks_as_they_are_now(
    searched: tuple[SearchLoop, Log, list[Progress]],
) -> None:
    loop, _, _ = searched
    again = make_loop(loop.networks.store.run, trained, study=loop.study.optuna_study)
    front = sorted(map(tuple, loop.networks.archive.front))
    assert sorted(map(tuple, again.networks.archive.front)) == front
    assert again.networks.rungs.summary() == loop.networks.rungs.summary()


def test_no_training_begins_after_the_timeout(tmp_path: Path) -> None:
    log = Log()
    make_loop(tmp_path, log).run(30, 0.0, silent)
    assert log.pieces == []


@pytest.mark.parametrize("at", [0, 1, 2, 5, 9])
def test_resumed_after_a_crash_in_training(
    tmp_path: Path, searched: tuple[SearchLoop, Log, list[Progress]], at: int
) -> None:
    log = Log()

    def dying(task: TrainingTask) -> EvaluatedNetwork:
        if len(log.pieces) == at:
            raise Killed
        return trained(task)

    log.train = dying
    study = in_memory()
    with pytest.raises(Killed):
        make_loop(tmp_path, log, study=study).run(30, None, silent)
    log.train = trained
    resumed = make_loop(tmp_path, log, study=study)
    resumed.run(30, None, silent)
    assert proposals(resumed) == proposals(searched[0])
    assert len(set(log.pieces)) == len(log.pieces)  # nothing is trained twice
    for key in resumed.networks.archive.networks():
        assert resumed.networks.store.read(key).training.epochs == RUNGS[-1]


def test_a_failed_promotion_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    def fails_later(task: TrainingTask) -> EvaluatedNetwork:
        if task.until_epoch > RUNGS[0]:
            raise TrainingFailedError("exceeded 3 s")
        return trained(task)

    loop = make_loop(tmp_path, fails_later)
    loop.run(12, None, silent)
    assert {trial.state for trial in loop.study.optuna_study.trials} == {TrialState.COMPLETE}
    assert {promotion.reason for promotion in loop.promotions} == {"exceeded 3 s"}
    keys = [promotion.network_key for promotion in loop.promotions]
    assert len(set(keys)) == len(keys)  # each is tried once
    assert {loop.networks.store.read(key).training.epochs for key in loop.networks.store} == {RUNGS[0]}


def test_candidates_that_cost_too_much_are_not_trained(tmp_path: Path) -> None:
    log = Log()
    space = {"constraints": ["edge_macs <= 60", "accuracy >= 0.1"]}
    loop = make_loop(tmp_path, log, space=space, sampler="tpe")
    loop.run(30, None, silent)
    untrained = 0
    for trial in loop.study.optuna_study.trials:
        result = TrialResult.of(trial)
        if result.outcome == "infeasible":
            assert REFERENCE not in trial.user_attrs
            assert trial.state == TrialState.PRUNED
            assert set(trial.constraints) == {"edge_macs <= 60"}
            assert result.reason == "known before training: not edge_macs <= 60"
            untrained += 1
    assert untrained > 3
    assert len(loop.study.optuna_study.trials) == 30


def test_a_lost_network_is_trained_as_far_as_it_was(tmp_path: Path) -> None:
    first = make_loop(tmp_path, trained)
    first.run(30, None, silent)
    store = first.networks.store
    before = {key: store.read(key).training.epochs for key in store}
    promoted = {entry.network_key: entry.until_epoch for entry in first.promotions}
    lost = [key for key in before if key in promoted][::2]
    assert not set(lost) <= {*first.networks.archive.networks()}, "one that only its past is a reason for"
    for key in lost:
        store.remove(key)
    log = Log()
    again = make_loop(tmp_path, log, study=first.study.optuna_study, trained_to=promoted)
    again.run(30, None, silent)
    # a rung that is ranked anew may promote others, too: it waits for several results before it is
    assert all(store.read(key).training.epochs >= epochs for key, epochs in before.items())
    assert {key for key, begun_at, _ in log.pieces if not begun_at} == set(lost)
    for key in lost:
        pieces = [(begun_at, until) for own, begun_at, until in log.pieces if own == key]
        rungs = [0, *(rung for rung in RUNGS if rung <= before[key])]
        assert pieces[: len(rungs) - 1] == list(pairwise(rungs))
