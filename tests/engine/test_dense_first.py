"""Searches whose sparse networks start from dense ones: who is trained when, once, also after a kill."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from loops import Killed, in_memory, proposals, results, silent
from optuna.trial import TrialState
from stand_ins import SETTING, SPACE, fabricate, make_proposer

from explorer.core.training import TrainingFailedError
from explorer.core.training_record import TrainingRecord
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask
from explorer.costs.model import CostModel
from explorer.engine.loop import SearchLoop
from explorer.engine.pool.base import SerialPool
from explorer.engine.storage.open import opening
from explorer.runs.store import Store

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

EPOCHS, WARM = 5, 3
FROM_DENSE = {"epochs": EPOCHS, "start": "dense"}
Train = Callable[[TrainingTask], EvaluatedNetwork]


def trained(task: TrainingTask) -> EvaluatedNetwork:
    """A made-up network; one that starts from a dense one must have got its very weights."""
    assert task.until_epoch == (EPOCHS if task.spec.dense is None else WARM)
    assert (task.dense is None) == (task.spec.dense is None)
    if task.spec.dense is not None:
        assert task.dense is not None
        (name, tensor) = next(iter(fabricate(task.spec.dense).weights.items()))
        assert task.dense[name].equal(tensor)
    return replace(fabricate(task.spec), training=TrainingRecord(task.until_epoch, 7, 0.1, 1.0))


class Log:
    """Remembers in which order trainings began."""

    def __init__(self, train: Train = trained) -> None:
        self.train, self.tasks = train, list[TrainingTask]()

    def __call__(self, task: TrainingTask) -> EvaluatedNetwork:
        network = self.train(task)
        self.tasks.append(task)
        return network

    @property
    def keys(self) -> list[str]:
        return [task.spec.key for task in self.tasks]


def make_loop(folder: Path, train: Train, **options: Any) -> SearchLoop:
    proposer = make_proposer(training=options.pop("training", FROM_DENSE), **options.pop("space", {}))
    return SearchLoop(
        study=options.pop("study", None) or in_memory(),
        proposer=proposer,
        store=Store(folder),
        costs=CostModel(SETTING),
        pool=options.pop("pool", None) or SerialPool(train),
        rung_epochs=(EPOCHS,),
        sampler="random",
        seed=0,
        **options,
    )


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchLoop, Log]:
    log = Log()
    loop = make_loop(tmp_path_factory.mktemp("dense-first"), log)
    loop.run(30, None, silent)
    return loop, log


def test_dense_networks_are_trained_before_those_that_start_from_them(
    searched: tuple[SearchLoop, Log],
) -> None:
    loop, log = searched
    assert len(log.keys) == len(set(log.keys)) == len(loop.networks)
    assert any(task.spec.dense is not None for task in log.tasks)
    for place, task in enumerate(log.tasks):
        if task.spec.dense is not None:
            assert task.spec.dense.key in log.keys[:place]


def test_a_dense_network_that_nobody_proposed_is_no_proposal(searched: tuple[SearchLoop, Log]) -> None:
    loop, log = searched
    assert {trial.state for trial in loop.study.optuna_study.trials} == {TrialState.COMPLETE}
    unasked = [promotion.network_key for promotion in loop.promotions]
    assert unasked  # the first reference is a sparse network
    told = {result.network_key for result in results(loop) if result.outcome == "trained"}
    assert not told & set(unasked)
    assert told | set(unasked) == set(log.keys) == set(loop.networks.store)
    assert loop.networks.complete == len(log.keys)
    assert set(loop.networks.archive._fronts) == set(log.keys)


def test_proposals_are_those_of_a_search_from_scratch(
    searched: tuple[SearchLoop, Log], tmp_path: Path
) -> None:
    scratch = make_loop(tmp_path, fabricated, training={"epochs": EPOCHS})
    scratch.run(30, None, silent)
    assert proposals(scratch) == proposals(searched[0])


def test_a_teacher_is_trained_before_those_that_learn_from_it(tmp_path: Path) -> None:
    def taught(task: TrainingTask) -> EvaluatedNetwork:
        assert task.until_epoch == EPOCHS
        assert (task.dense is None) == (task.spec.recipe.teacher is None) == (not task.spec.is_sparse)
        return replace(fabricate(task.spec), training=TrainingRecord(task.until_epoch, 7, 0.1, 1.0))

    log = Log(taught)
    make_loop(tmp_path, log, training={"epochs": EPOCHS, "teacher": "dense"}).run(30, None, silent)
    sparse = [(place, task.spec) for place, task in enumerate(log.tasks) if task.spec.dense is not None]
    assert sparse
    assert all(spec.dense is not None and spec.dense.key in log.keys[:place] for place, spec in sparse)


def fabricated(task: TrainingTask) -> EvaluatedNetwork:
    assert task.dense is None
    return replace(fabricate(task.spec), training=TrainingRecord(task.until_epoch, 7, 0.1, 1.0))


@pytest.mark.parametrize("at", [0, 1, 2, 5, 9])
def test_resumed_after_a_kill_in_training(tmp_path: Path, searched: tuple[SearchLoop, Log], at: int) -> None:
    log = Log()

    def dying(task: TrainingTask) -> EvaluatedNetwork:
        if len(log.tasks) == at:
            raise Killed
        return trained(task)

    log.train, study = dying, in_memory()
    with pytest.raises(Killed):
        make_loop(tmp_path, log, study=study).run(30, None, silent)
    log.train = trained
    resumed = make_loop(tmp_path, log, study=study)
    resumed.run(30, None, silent)
    assert log.keys == searched[1].keys  # the same order, nothing twice
    assert proposals(resumed) == proposals(searched[0])
    whole = [(result.outcome, result.hypervolume) for result in results(searched[0])]
    assert [(result.outcome, result.hypervolume) for result in results(resumed)] == whole


def test_networks_of_a_failed_dense_one_fail_with_its_reason(tmp_path: Path) -> None:
    def fails(task: TrainingTask) -> EvaluatedNetwork:
        if task.spec.argument_values == {"hidden": [16, 8]}:
            raise TrainingFailedError("diverged")
        return trained(task)

    calls = Counter[str]()

    def counted(task: TrainingTask) -> EvaluatedNetwork:
        calls[task.spec.key] += 1
        return fails(task)

    loop = make_loop(tmp_path, counted)
    loop.run(2, None, silent)  # the reference large_sparse, whose dense network nobody proposed
    assert set(calls.values()) == {1}
    reasons = {result.reason for result in results(loop) if result.outcome == "failed"}
    (dense,) = (key for key in calls if key not in loop.networks)
    no_start = f"the dense network it needs, {dense} failed: diverged"
    assert reasons == {no_start}
    assert any(result.outcome == "trained" for result in results(loop))
    again = make_loop(tmp_path, counted, study=loop.study.optuna_study)
    again.run(30, None, silent)
    assert set(calls.values()) == {1}  # a later session knows it, though no proposal was of the dense network


def test_no_training_begins_after_the_timeout(tmp_path: Path) -> None:
    log = Log()
    loop = make_loop(tmp_path, log)
    loop.run(30, 0.0, silent)
    assert log.tasks == []
    assert loop.study.optuna_study.trials == []


class SlowPool:
    """Some slots; trainings end a moment later, in the order they began."""

    def __init__(self, train: Train, slots: int) -> None:
        self.train, self.slots, self.begun, self.ended = train, slots, list[str](), list[str]()
        self.lock = threading.Lock()

    def submit(self, task: TrainingTask) -> "Future[EvaluatedNetwork]":
        if task.spec.dense is not None:
            assert task.spec.dense.key in self.ended
        future: Future[EvaluatedNetwork] = Future()
        self.begun.append(task.spec.key)
        assert len(self.begun) - len(self.ended) <= self.slots
        threading.Timer(0.02, self._finish, (task, future)).start()
        return future

    def _finish(self, task: TrainingTask, future: "Future[EvaluatedNetwork]") -> None:
        with self.lock:
            self.ended.append(task.spec.key)
        future.set_result(self.train(task))


@pytest.mark.parametrize("slots", [2, 4])
def test_proposals_wait_while_others_go_on(tmp_path: Path, slots: int) -> None:
    log = Log()
    pool = SlowPool(log, slots)
    loop = make_loop(tmp_path, log, pool=pool)
    waiting = list[int]()
    loop.run(30, None, lambda progress: waiting.append(len(loop.backlog)))
    assert [trial.number for trial in loop.study.optuna_study.trials] == list(range(30))
    assert {trial.state for trial in loop.study.optuna_study.trials} == {TrialState.COMPLETE}
    assert len(log.keys) == len(set(log.keys)) == len(list(loop.networks.store))
    assert max(waiting) <= slots


def test_one_variant_does_not_take_all_proposals_before_anything_is_known(tmp_path: Path) -> None:
    backbone = SPACE["backbones"]["mlp"] | {"arguments": {"hidden": [[16, 8]]}}
    log = Log()
    pool = SlowPool(log, 3)
    loop = make_loop(tmp_path, log, pool=pool, space={"backbones": {"mlp": backbone}})
    asked = list[int]()

    def first(task: TrainingTask) -> EvaluatedNetwork:
        asked.append(len(loop.study.optuna_study.trials))
        return trained(task)

    pool.train = first
    loop.run(30, None, silent)
    assert asked[0] <= 3 + 3  # three references of the dense network, and as many as can be trained at a time
    assert len(loop.study.optuna_study.trials) == 30


def test_two_processes_train_a_dense_network_once(postgres_url: str, tmp_path: Path) -> None:
    def slow(task: TrainingTask) -> EvaluatedNetwork:
        time.sleep(0.1 if task.spec.dense is None else 0.02)
        return trained(task)

    log, metrics = Log(slow), make_proposer().space.metrics
    folders = [tmp_path / "one", tmp_path / "two"]

    def searches(folder: Path) -> None:
        with opening(postgres_url, "study", metrics, {"seed": 0}, Store(folder)) as opened:
            loop = make_loop(folder, log, study=opened.study, locks=opened.locks, sync=opened.sync)
            loop.run(20, None, silent)
            assert {trial.state for trial in loop.study.optuna_study.trials} == {TrialState.COMPLETE}
            assert len(loop.study.optuna_study.trials) == 20

    threads = [threading.Thread(target=searches, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert len(log.keys) == len(set(log.keys))
    one, two = (set(Store(folder)) for folder in folders)
    assert one == two == set(log.keys)


def test_a_dense_network_of_a_killed_process_is_taken_up(postgres_url: str, tmp_path: Path) -> None:
    def dies(task: TrainingTask) -> EvaluatedNetwork:
        raise Killed

    def loop_of(folder: Path, train: Train, trials: int) -> SearchLoop:
        metrics = make_proposer().space.metrics
        with opening(postgres_url, "study", metrics, {"seed": 0}, Store(folder)) as opened:
            loop = make_loop(folder, train, study=opened.study, locks=opened.locks, sync=opened.sync)
            loop.run(trials, None, silent)
            return loop

    with pytest.raises(Killed):
        loop_of(tmp_path / "one", dies, 8)
    log = Log()
    loop = loop_of(tmp_path / "two", log, 8)
    assert {trial.state for trial in loop.study.optuna_study.trials} == {TrialState.COMPLETE}
    assert log.tasks[0].spec.dense is None


@pytest.mark.parametrize("all_are_lost", [True, False])
def test_lost_networks_are_trained_anew_dense_ones_first(tmp_path: Path, all_are_lost: bool) -> None:
    first = make_loop(tmp_path, trained)
    first.run(2, None, silent)
    store, told = first.networks.store, {result.network_key for result in results(first)}
    before = list(store)
    lost = before if all_are_lost else [key for key in before if key not in told]
    assert not set(lost) <= told, "a dense network that no proposal asked for"
    for key in lost:
        store.remove(key)
    log = Log()
    make_loop(tmp_path, log, study=first.study.optuna_study).run(2, None, silent)
    assert list(store) == before
    assert sorted(log.keys) == sorted(lost)
    for place, task in enumerate(log.tasks):
        assert not all_are_lost or task.spec.dense is None or task.spec.dense.key in log.keys[:place]
