"""What runs inside a Dask worker: it hands tasks to its child process, and so keeps answering.

Imports neither torch nor the work: a Dask worker sees bytes only.
"""

import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from distributed import Reschedule, Worker, WorkerPlugin, get_worker

from explorer.engine.pool.child import Child, Limits, Outcome
from explorer.engine.pool.parcel import Parcel, drop_links, own_links


class ChildPlugin(WorkerPlugin):
    """One child process per Dask worker, started at once and replaced, when lost, with the next task.

    Args:
        work: What a child runs; reaches a worker once, with the plugin. Workers of one machine that have a
            folder in common keep its large arrays there once.
        threads: Computing threads of the child.
        limits: Of one task.
        ignore_interrupt: Leave Ctrl-C to the program that started the worker.
        gpus: That workers started here share, as ``CUDA_VISIBLE_DEVICES`` names them: each child sees one.

    Example:
        >>> import pickle
        >>> from explorer.engine.pool.parcel import pack
        >>> work = pack(len, folder=None)
        >>> plugin = ChildPlugin(work, threads=1, limits=Limits(60), ignore_interrupt=False)
        >>> plugin.setup(worker=None)
        >>> kind, result = plugin.run(pickle.dumps("abc"))
        >>> plugin.teardown(worker=None)
        >>> kind, pickle.loads(result)
        ('result', 3)
    """

    def __init__(
        self,
        work: Parcel,
        threads: int,
        limits: Limits,
        *,
        ignore_interrupt: bool,
        gpus: Sequence[str] = (),
    ) -> None:
        self._work, self._threads, self._limits = work, threads, limits
        self._ignore_interrupt, self._gpus = ignore_interrupt, tuple(gpus)
        self._environment: dict[str, str] = {}
        self._shared: Path | None = None  # holds the files that came with the work

    def setup(self, worker: Worker) -> None:
        """Called by Dask on the worker, in the thread that answers the scheduler."""
        self._lock, self._closed = threading.Lock(), False
        self._child: Child | None = None
        if self._gpus:
            self._environment["CUDA_VISIBLE_DEVICES"] = self._gpus[int(worker.name) % len(self._gpus)]
        if self._work.contents:
            own = Path(worker.local_directory)
            self._shared = own.parent
            self._work = own_links(self._work.laid_down(self._shared), own)
        if self._ignore_interrupt and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=self.prepare, daemon=True).start()

    def teardown(self, worker: Worker) -> None:
        """Called by Dask when the plugin is removed or the worker closes."""
        self._closed = True
        if self._child is not None:
            self._child.kill()
        if self._shared is not None:
            drop_links(self._work, self._shared)

    def prepare(self) -> None:
        """Have a child ready before the first task; returns when it is."""
        with self._lock:
            self._started()
            if self._closed:
                self._drop()

    def run(self, task: bytes) -> Outcome:
        """Run one pickled task in the child.

        Raises:
            Reschedule: The worker is closing; the task is for another one.
        """
        with self._lock:
            if self._closed:
                raise Reschedule
            child = self._started()
            outcome = child.run(task, self._limits)
            if self._closed or not child.usable:
                self._drop()
            if self._closed:
                raise Reschedule
            return outcome

    def _started(self) -> Child:
        """The child, started if there is none; the lock is held."""
        if self._child is None:
            self._child = Child(self._work, self._threads, self._limits.memory_bytes, self._environment)
        return self._child

    def _drop(self) -> None:
        if self._child is not None:
            self._child.kill()
        self._child = None


def run_task(plugin: str, task: bytes) -> Outcome | None:
    """The task as Dask sees it; None where the plugin is not (yet) registered.

    Example:
        >>> client.register_plugin(plugin, "explorer-1")  # doctest: +SKIP
        >>> client.submit(run_task, "explorer-1", pickle.dumps("abc")).result()[0]  # doctest: +SKIP
        'result'
    """
    found = get_worker().plugins.get(plugin)
    return found.run(task) if isinstance(found, ChildPlugin) else None


def prepare(plugin: str) -> None:
    """Wait until the worker's child is ready.

    Example:
        >>> client.register_plugin(plugin, "explorer-1")  # doctest: +SKIP
        >>> client.submit(prepare, "explorer-1").result()  # doctest: +SKIP
    """
    found = get_worker().plugins.get(plugin)
    if isinstance(found, ChildPlugin):
        found.prepare()
