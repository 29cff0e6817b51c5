"""Trainings on worker processes of this machine, or on a Dask cluster.

A pool knows nothing of what it runs: ``work`` is a picklable callable that holds its data, a task is its
argument. Futures are those of ``concurrent.futures``.
"""

import logging
import pickle
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from distributed import Client, KilledWorker
from distributed.comm.core import CommClosedError
from distributed.utils import silence_logging_cmgr

from explorer.core.training import TrainingFailedError
from explorer.engine.pool.base import running_future
from explorer.engine.pool.child import Limits, Outcome
from explorer.engine.pool.cluster import (
    close_client,
    connecting,
    count_workers,
    end_with_client,
    local_cluster,
    offers,
    suits,
)
from explorer.engine.pool.parcel import pack
from explorer.engine.pool.queue_depth import QueueDepth
from explorer.engine.pool.scratch import scratch_folder
from explorer.engine.pool.worker_plugin import ChildPlugin, prepare, run_task
from explorer.errors import UserError

__all__ = ["DaskPool", "Limits", "WorkerFailedError"]

T = TypeVar("T")
R = TypeVar("R")

KEEPER_SECONDS = 20.0
WORKERS_SECONDS = 60.0
CHECK_SECONDS = 1.0


class WorkerFailedError(TrainingFailedError):
    """A task could not be run to its end; the message is the reason shown to the user."""


class DaskPool(Generic[T, R]):
    """Runs tasks on Dask workers, each of which hands them to a child process of its own.

    A task that exceeds a limit or kills its process fails, alone, with :class:`WorkerFailedError`. A task
    whose Dask worker or scheduler is lost runs again, so work must be safe to repeat. An exception
    of ``work`` reaches the future as it is, or as :class:`WorkerFailedError` if it cannot be pickled.

    Without ``scheduler`` the workers are processes of this machine that offer no resources, reachable from
    this machine only; the large arrays of ``work`` lie in files that they share. A Dask resource such as
    ``GPU`` merely counts: start each worker of a GPU with its own ``CUDA_VISIBLE_DEVICES`` and ``--resources
    GPU=1``; child processes inherit the variable. On one GPU per machine nothing needs to be set. Workers of
    a cluster need this package and whatever ``work`` needs; start them with ``--nthreads 1``, since a worker
    runs one task at a time.

    Args:
        work: Picklable callable; reaches every worker once.
        workers: Processes to start; a cluster has its own number.
        threads: Computing threads per task.
        limits: Of one task.
        scheduler: Address of an existing cluster, ``tcp://HOST:PORT``.
        resources: What a task needs of its worker.
        gpus: That processes started here share in turn, as ``CUDA_VISIBLE_DEVICES`` names them.
        reconnect_seconds: How long a scheduler, or all its workers, may be gone before tasks fail.

    Raises:
        UserError: The scheduler cannot be reached, has no workers, or none with the resources.

    Example:
        >>> with DaskPool(len, workers=2, threads=1, limits=Limits(seconds=60)) as pool:  # doctest: +SKIP
        ...     [future.result() for future in [pool.submit("abc"), pool.submit("de")]]
        [3, 2]
    """

    def __init__(
        self,
        work: Callable[[T], R],
        *,
        workers: int,
        threads: int,
        limits: Limits,
        scheduler: str | None = None,
        resources: Mapping[str, float] | None = None,
        gpus: Sequence[str] = (),
        reconnect_seconds: float = 120.0,
    ) -> None:
        self._workers, self._queue_depth = 0, QueueDepth()
        self.under_this_process = scheduler is None
        self._name = f"explorer-{uuid.uuid4().hex}"
        self._resources, self._reconnect_seconds = dict(resources or {}), reconnect_seconds
        self._tasks: dict[Future[R], bytes] = {}  # not finished yet
        self._lock = threading.RLock()  # a future that is done calls back at once
        self._client: Client | None = None
        self._executor: Executor | None = None  # None while there is no connection
        self._connections = 0  # a task lost with an earlier connection has been submitted again
        self._lost, self._closing, self._given_up = threading.Event(), threading.Event(), False
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._stack = ExitStack()
        try:
            self._stack.enter_context(silence_logging_cmgr(logging.CRITICAL + 1))
            folder = None
            if scheduler is None:
                folder = Path(self._stack.enter_context(scratch_folder()))
                scheduler = self._stack.enter_context(local_cluster(workers, folder)).scheduler_address
            self.address, alone = scheduler, self.under_this_process
            self._plugin = ChildPlugin(pack(work, folder), threads, limits, ignore_interrupt=alone, gpus=gpus)
            self._connect(WORKERS_SECONDS)
            self._keeper.start()
        except BaseException:
            self.close()
            raise

    @property
    def slots(self) -> int:
        """One for each worker; while tasks are short another that waits."""
        return self._queue_depth.in_flight(self._workers)

    def submit(self, task: T) -> Future[R]:
        """Run ``work(task)`` on a worker; equal tasks are run each for itself.

        Raises:
            UserError: The cluster was lost and did not come back.
        """
        payload = pickle.dumps(task)
        future: Future[R] = running_future()
        with self._lock:
            if self._closing.is_set():
                raise RuntimeError("the pool is closed")
            if self._given_up:
                raise UserError(self._loss)
            self._tasks[future] = payload
            self._send(future, payload)
        return future

    def wait_until_ready(self) -> None:
        """Return when the workers' processes have started, which takes seconds; tasks may be sent before."""
        with self._lock:
            executor = self._executor
        if executor is not None:
            wait([executor.submit(prepare, self._name) for _ in range(self._workers)])

    def close(self) -> None:
        """End what the pool started, here and in its workers; unfinished tasks fail."""
        self._closing.set()
        self._lost.set()
        if self._keeper.is_alive():
            self._keeper.join(KEEPER_SECONDS)
        self._disconnect()
        self._stack.close()
        self._fail_all("the pool was closed before the task ended")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def _loss(self) -> str:
        return (
            f"the Dask scheduler {self.address} or its workers went away"
            f" and did not come back within {self._reconnect_seconds:g} s"
        )

    def _send(self, future: Future[R], payload: bytes) -> None:
        """Submit to the present connection, if there is one; the lock is held."""
        if self._executor is None:
            return
        try:
            inner = self._executor.submit(run_task, self._name, payload)
        except Exception:  # the connection just broke; the task is submitted again with the next one
            self._lost.set()
            return
        inner.add_done_callback(partial(self._finish, future, self._connections))

    def _finish(self, future: Future[R], connection: int, inner: "Future[Outcome | None]") -> None:
        """Called by Dask's thread, which must not be kept waiting."""
        error = None if inner.cancelled() else inner.exception()
        outcome = None if inner.cancelled() or error is not None else inner.result()
        if isinstance(error, KilledWorker):
            outcome = "failed", f"{error.allowed_failures + 1} Dask workers died running it".encode()
        elif error is not None and not isinstance(error, CommClosedError):
            outcome = "failed", f"{type(error).__name__}: {error}".encode()
        with self._lock:
            if outcome is None and connection == self._connections:
                self._lost.set()
            if outcome is None or self._tasks.pop(future, None) is None:
                return
        self._queue_depth.task_ended()
        _settle(future, outcome)

    def _connect(self, seconds: float) -> None:
        with connecting(self.address, seconds) as client:
            self._workers = count_workers(client, self._resources, seconds, self._closing)
            end_with_client(client, self._name)  # first: it may be killed right after the next line
            client.register_plugin(self._plugin, self._name)
        with self._lock:
            self._client, self._connections = client, self._connections + 1
            self._executor = client.get_executor(pure=False, retries=0, resources=self._resources or None)
            self._lost.clear()
            for future, payload in list(self._tasks.items()):
                self._send(future, payload)

    def _keep(self) -> None:
        """Watch the connection; make a new one when it is lost."""
        seen = time.monotonic()
        while not self._closing.is_set():
            lost = self._lost.wait(CHECK_SECONDS)
            if lost or self._client is None or self._client.status != "running":
                self._reconnect()
                seen = time.monotonic()
            elif self._has_workers():
                seen = time.monotonic()
            elif time.monotonic() - seen > self._reconnect_seconds:
                self._give_up()
            if self._given_up:
                return

    def _has_workers(self) -> bool:
        assert self._client is not None
        try:
            return any(suits(offer, self._resources) for offer in offers(self._client))
        except Exception:
            self._lost.set()
            return False

    def _reconnect(self) -> None:
        deadline = time.monotonic() + self._reconnect_seconds
        self._disconnect()
        while not self._closing.is_set():
            try:
                return self._connect(deadline - time.monotonic())
            except Exception:  # of many kinds, from a scheduler that is going or coming
                if time.monotonic() > deadline:
                    return self._give_up()
                self._closing.wait(CHECK_SECONDS)

    def _give_up(self) -> None:
        with self._lock:
            self._given_up = True
        self._fail_all(self._loss)

    def _fail_all(self, reason: str) -> None:
        with self._lock:
            tasks, self._tasks = list(self._tasks), {}
        for future in tasks:
            future.set_exception(WorkerFailedError(reason))

    def _disconnect(self) -> None:
        with self._lock:
            client, executor = self._client, self._executor
            self._client, self._executor = None, None
        if client is None or executor is None:
            return
        if client.status == "running":
            with suppress(Exception):
                executor.shutdown(wait=False)
                client.unregister_worker_plugin(self._name)
        close_client(client)


def _settle(future: Future[Any], outcome: Outcome) -> None:
    kind, payload = outcome
    try:
        if kind == "failed":
            future.set_exception(WorkerFailedError(payload.decode()))
        elif kind == "error":
            future.set_exception(pickle.loads(payload))
        else:
            future.set_result(pickle.loads(payload))
    except Exception as error:  # cannot be unpickled here
        future.set_exception(error)
