"""Whole searches that train elsewhere: a training that is killed, hangs or takes too much fails alone."""

import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from dask_cluster import cluster, free_port
from loops import in_memory, results
from optuna.trial import TrialState
from search_tasks import COMPLETE, Trainings
from stand_ins import SETTING, make_proposer

from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask
from explorer.costs.model import CostModel
from explorer.engine.loop import SearchLoop
from explorer.engine.outcomes import Progress
from explorer.engine.pool.dask import DaskPool, Limits
from explorer.runs.store import Store

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]
TRIALS = 16
Workers = DaskPool[TrainingTask, EvaluatedNetwork]


def make_loop(folder: Path, pool: Workers) -> SearchLoop:
    return SearchLoop(
        study=in_memory(),
        proposer=make_proposer(training={"epochs": COMPLETE}),
        store=Store(folder),
        costs=CostModel(SETTING),
        pool=pool,
        rung_epochs=(1, 3, COMPLETE),
        sampler="random",
        seed=0,
    )


def assert_nothing_lost_or_doubled(loop: SearchLoop, trainings: Trainings) -> None:
    trials = loop.study.optuna_study.trials
    assert [trial.number for trial in trials] == list(range(TRIALS))
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.FAIL}
    ended = (trainings.folder / "ended").read_text().split("\n")[:-1]
    assert set(Counter(ended).values()) == {1}  # no network trained twice over the same epochs
    kept = {result.network_key for result in results(loop) if result.outcome != "failed"}
    assert kept == set(loop.networks.store)
    trained = [result.network_key for result in results(loop) if result.outcome == "trained"]
    assert sorted(trained) == sorted(kept)


@pytest.mark.slow
def test_killed_hanging_and_greedy_trainings(tmp_path: Path) -> None:
    trainings = Trainings(tmp_path, ("die", "hang", "take_too_much"))
    with Workers(trainings, workers=2, threads=1, limits=Limits(6, 1200 * 10**6)) as pool:
        loop = make_loop(tmp_path, pool)
        loop.run(TRIALS, None, lambda progress: None)
    assert_nothing_lost_or_doubled(loop, trainings)
    reasons = [result.reason for result in results(loop) if result.outcome == "failed"]
    reasons += [promotion.reason for promotion in loop.promotions if promotion.reason]
    found = sorted(dict.fromkeys(reasons))
    assert len(found) == 3
    assert found[0] == "exceeded 1200 MB: used " + found[0].split()[-2] + " MB"
    assert found[1:] == ["exceeded 6 s", "worker process died (signal 9)"]


@pytest.mark.slow
def test_scheduler_restarted_in_the_midst_of_a_search(tmp_path: Path) -> None:
    port, trainings = free_port(), Trainings(tmp_path)
    reached = threading.Event()

    def watch(progress: Progress) -> None:
        if progress.trials >= 5:
            reached.set()
            time.sleep(0.1)

    with cluster(port, tmp_path):
        pool = Workers(
            trainings,
            workers=1,
            threads=1,
            limits=Limits(),
            scheduler=f"tcp://127.0.0.1:{port}",
            reconnect_seconds=60,
        )
        loop = make_loop(tmp_path, pool)
        search = threading.Thread(target=loop.run, args=(TRIALS, None, watch))
        search.start()
        assert reached.wait(60)
    assert search.is_alive()
    with pool, cluster(port, tmp_path):
        search.join(90)
        assert not search.is_alive()
    trials = loop.study.optuna_study.trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * TRIALS
    kept = {result.network_key for result in results(loop)}
    assert kept == set(loop.networks.store)
    # what was under way when the scheduler went ran again, the rest once
    ended = Counter((tmp_path / "ended").read_text().split("\n")[:-1])
    assert sum(count - 1 for count in ended.values()) <= 1
