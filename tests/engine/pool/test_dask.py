"""Pools of workers: results, limits, deaths of every process, and nothing left behind."""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import psutil
import pytest
from dask_cluster import HERE, cluster, free_port
from worker_tasks import Task, Work

from explorer.core.training import TrainingFailedError
from explorer.engine.pool.base import Pool, SerialPool
from explorer.engine.pool.dask import DaskPool, Limits, WorkerFailedError
from explorer.engine.pool.scratch import remove_abandoned
from explorer.errors import UserError

pytestmark = pytest.mark.slow

MEGABYTE = 10**6


def wait_until(condition: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    return Work(tmp_path_factory.mktemp("work") / "arrivals")


@pytest.fixture(scope="module")
def pool(work: Work) -> Iterator[DaskPool[Task, Any]]:
    with DaskPool(work, workers=2, threads=1, limits=Limits(30, 900 * MEGABYTE)) as pool:
        yield pool


@pytest.fixture(scope="module")
def strict(work: Work, pool: DaskPool[Task, Any]) -> Iterator[DaskPool[Task, Any]]:
    """The same cluster with a limit of time that is worth waiting for."""
    limits = Limits(seconds=1)
    with DaskPool(work, workers=2, threads=2, limits=limits, scheduler=pool.address) as pool:
        yield pool


def test_serial_runs_at_once(work: Work) -> None:
    with SerialPool[Task, Any](work) as pool:
        future = pool.submit(("square", 3))
        assert future.done()
        assert future.result() == 9
        assert isinstance(pool.submit(("stumble",)).exception(), KeyError)
        assert pool.slots == 1


def test_results_equal_serial(work: Work, pool: DaskPool[Task, Any]) -> None:
    def results(pool: Pool[Task, Any]) -> list[int]:
        return [future.result() for future in [pool.submit(("square", n)) for n in range(8)]]

    assert results(pool) == results(SerialPool(work))
    assert pool.slots == 2


def test_tasks_overlap(pool: DaskPool[Task, Any]) -> None:
    one, two = (future.result() for future in [pool.submit(("span", 0.5)) for _ in range(2)])
    assert max(one[0], two[0]) < min(one[1], two[1])


def test_equal_tasks_are_two_runs(pool: DaskPool[Task, Any], tmp_path: Path) -> None:
    wait([pool.submit(("note_and_sleep", str(tmp_path / "runs"), 0)) for _ in range(2)])
    assert len(lines(tmp_path / "runs")) == 2


def test_work_arrives_once_per_process(work: Work, pool: DaskPool[Task, Any]) -> None:
    pids = {pool.submit(("pid",)).result() for _ in range(6)}
    wait([pool.submit(("span", 0.2)) for _ in range(4)])
    arrived = [int(pid) for pid in lines(work.arrivals)]
    assert pids <= set(arrived)
    assert len(arrived) == len(set(arrived))
    workers = {psutil.Process(pid).ppid() for pid in pids}
    assert not workers & set(arrived)  # Dask workers see bytes only


def test_threads_are_limited(pool: DaskPool[Task, Any]) -> None:
    assert pool.submit(("threads",)).result() == "1"
    assert pool.submit(("torch_threads",)).result() == 1


def test_too_slow(strict: DaskPool[Task, Any]) -> None:
    slow, quick = strict.submit(("span", 60)), strict.submit(("square", 3))
    with pytest.raises(WorkerFailedError, match=r"^exceeded 1 s$"):
        slow.result(30)
    assert quick.result() == 9
    assert [strict.submit(("square", n)).result() for n in range(3)] == [0, 1, 4]


def test_too_much_memory(pool: DaskPool[Task, Any]) -> None:
    greedy, modest = pool.submit(("take", 1200 * MEGABYTE)), pool.submit(("square", 3))
    with pytest.raises(WorkerFailedError, match=r"^exceeded 900 MB: used \d+ MB$"):
        greedy.result(30)
    assert modest.result() == 9
    assert [pool.submit(("square", n)).result() for n in range(3)] == [0, 1, 4]


@pytest.mark.parametrize(("task", "cause"), [("die", "signal 9"), ("leave", "exit code 3")])
def test_death_of_the_child(pool: DaskPool[Task, Any], task: str, cause: str) -> None:
    dying, living = pool.submit((task,)), pool.submit(("square", 3))
    with pytest.raises(WorkerFailedError) as failure:
        dying.result(30)
    assert str(failure.value) == f"worker process died ({cause})"
    assert living.result() == 9
    assert [pool.submit(("square", n)).result() for n in range(3)] == [0, 1, 4]


def test_exceptions_pass_through(pool: DaskPool[Task, Any]) -> None:
    diverged, stumbled = pool.submit(("diverge",)).exception(30), pool.submit(("stumble",)).exception(30)
    assert type(diverged) is TrainingFailedError
    assert str(diverged) == "diverged: loss nan"
    assert isinstance(stumbled, KeyError)
    assert stumbled.args == ("no such key",)
    assert "in stumble" in "".join(stumbled.__notes__)


def test_what_cannot_be_pickled_fails_with_its_text(pool: DaskPool[Task, Any]) -> None:
    with pytest.raises(pickle.PicklingError if sys.version_info >= (3, 14) else TypeError):
        pool.submit(("open_file",)).result(30)
    with pytest.raises(WorkerFailedError, match=r"^OddError: this and that$"):
        pool.submit(("fail_oddly",)).result(30)


def test_a_submitted_future_cannot_be_cancelled(pool: DaskPool[Task, Any]) -> None:
    future = pool.submit(("square", 3))
    assert not future.cancel()
    assert future.result() == 9


def test_impossible_resources(work: Work, pool: DaskPool[Task, Any]) -> None:
    with pytest.raises(UserError, match=r"offers the resources GPU=1 \(offered: none\)"):
        DaskPool(work, workers=1, threads=1, limits=Limits(), scheduler=pool.address, resources={"GPU": 1})


def test_no_scheduler(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.engine.pool.cluster.CONNECT_SECONDS", 1)
    with pytest.raises(UserError, match="cannot reach the Dask scheduler"):
        DaskPool(work, workers=1, threads=1, limits=Limits(), scheduler=f"tcp://127.0.0.1:{free_port()}")


def test_death_of_a_dask_worker(pool: DaskPool[Task, Any], tmp_path: Path) -> None:
    futures = [pool.submit(("note_and_sleep", str(tmp_path / "runs"), 1)) for _ in range(4)]
    wait_until(lambda: lines(tmp_path / "runs"))
    child_of_worker = int(lines(tmp_path / "runs")[0])
    orphans = psutil.Process(child_of_worker).children()
    os.kill(child_of_worker, signal.SIGKILL)
    assert [future.result(40) for future in futures] == [7] * 4
    assert not psutil.wait_procs(orphans, timeout=5)[1]


def test_nothing_is_left_after_close(work: Work) -> None:
    before = set(psutil.Process().children(recursive=True))
    pool: DaskPool[Task, Any] = DaskPool(work, workers=1, threads=1, limits=Limits())
    pool.submit(("square", 3)).result()
    busy = pool.submit(("span", 60))
    started = set(psutil.Process().children(recursive=True)) - before
    assert len(started) >= 2
    start = time.monotonic()
    pool.close()
    assert time.monotonic() - start < 10
    with pytest.raises(WorkerFailedError, match="closed"):
        busy.result(0)
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(("square", 3))
    alive = psutil.wait_procs(started, timeout=5)[1]
    assert all("resource_tracker" in " ".join(process.cmdline()) for process in alive)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_command_that_was_ended(
    how: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = subprocess.Popen(
        [sys.executable, "-m", "worker_tasks", str(tmp_path)],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=HERE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: lines(tmp_path / "runs"), 30)
    started = psutil.Process(command.pid).children(recursive=True)
    assert len(started) >= 2
    if how == signal.SIGINT:
        os.killpg(command.pid, how)  # as a terminal does: to the Dask worker too
    else:
        command.kill()
    errors = command.communicate(timeout=20)[1]
    assert not psutil.wait_procs(started, timeout=5)[1]
    assert lines(tmp_path / "mains") == [str(command.pid)]  # no worker imported the command again
    if how == signal.SIGINT:
        assert errors.count("Traceback") == 1  # the command's own
    else:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        remove_abandoned()  # as the next search does
    assert not list(tmp_path.glob("explorer-*"))


def test_leaving_the_cluster_takes_the_children_along(work: Work, pool: DaskPool[Task, Any]) -> None:
    guest: DaskPool[Task, Any] = DaskPool(work, workers=1, threads=1, limits=Limits(), scheduler=pool.address)
    child = psutil.Process(guest.submit(("pid",)).result())
    guest.close()
    assert not psutil.wait_procs([child], timeout=5)[1]
    assert pool.submit(("square", 3)).result() == 9


def test_a_command_that_is_killed_leaves_nothing_on_the_cluster(
    pool: DaskPool[Task, Any], tmp_path: Path
) -> None:
    """Its children, which hold its data, end, and no worker that comes later starts one."""
    wait([pool.submit(("square", 3)), pool.submit(("square", 4))])
    workers = [worker for worker in psutil.Process().children() if "spawn" in " ".join(worker.cmdline())]
    own = {child for worker in workers for child in worker.children()}
    line = [sys.executable, "-m", "worker_tasks", str(tmp_path), pool.address]
    command = subprocess.Popen(line, cwd=HERE, stderr=subprocess.DEVNULL)
    wait_until(lambda: lines(tmp_path / "runs"), 60)
    theirs = {child for worker in workers for child in worker.children()} - own
    assert theirs
    command.kill()
    command.wait()
    assert not psutil.wait_procs(theirs, timeout=5)[1]
    assert pool.submit(("square", 3)).result() == 9


def test_scheduler_comes_back(work: Work, tmp_path: Path) -> None:
    port, runs = free_port(), tmp_path / "runs"
    with cluster(port, tmp_path):
        pool: DaskPool[Task, Any] = DaskPool(
            work,
            workers=1,
            threads=1,
            limits=Limits(),
            scheduler=f"tcp://127.0.0.1:{port}",
            resources={"GPU": 1},
            reconnect_seconds=40,
        )
        assert pool.submit(("square", 3)).result() == 9
        future = pool.submit(("note_and_sleep", str(runs), 2))
        wait_until(lambda: lines(runs))
    assert not future.done()
    with pool:
        late = pool.submit(("square", 4))
        with cluster(port, tmp_path):
            assert future.result(40) == 7
            assert late.result(20) == 16
            assert len(lines(runs)) == 2


def test_scheduler_stays_away(work: Work, tmp_path: Path) -> None:
    port, runs = free_port(), tmp_path / "runs"
    address = f"tcp://127.0.0.1:{port}"
    with cluster(port, tmp_path):
        pool: DaskPool[Task, Any] = DaskPool(
            work, workers=1, threads=1, limits=Limits(), scheduler=address, reconnect_seconds=1
        )
        future = pool.submit(("note_and_sleep", str(runs), 60))
        wait_until(lambda: lines(runs))
    with pool:
        with pytest.raises(WorkerFailedError, match="did not come back within 1 s"):
            future.result(30)
        with pytest.raises(UserError, match="did not come back"):
            pool.submit(("square", 3))
