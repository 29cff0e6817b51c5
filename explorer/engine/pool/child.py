"""A process that runs tasks one after the other, watched from outside: limits, death, replacement.

A child is a fresh interpreter, so that threads are limited before torch is imported and nothing of the main
program is imported again. It is no ``multiprocessing`` process: those may not be started by a Dask worker,
which is a daemon. Needs POSIX (sessions and signals). Run by ``python -m explorer.engine.pool.child``.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from math import inf
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Literal

import psutil

from explorer.engine.pool.parcel import Parcel

# What became of a task: a pickled result, a pickled exception, or the UTF-8 text of a reason.
Kind = Literal["result", "error", "failed"]
Outcome = tuple[Kind, bytes]

CHECK_SECONDS = 0.05
START_SECONDS = 300.0
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Limits:
    """What a task may use; None is without limit.

    Attributes:
        seconds: Wall-clock time, without the start of the process.
        memory_bytes: Memory of the process's own. Files that it maps, such as libraries and shared data, are
            not counted: the system takes them back when memory is short.

    Example:
        >>> Limits(seconds=60)  # as much memory as there is
        Limits(seconds=60, memory_bytes=None)
    """

    seconds: float | None = None
    memory_bytes: int | None = None


class _HopelessError(Exception):
    """The process has to be killed; the message is the reason."""


class Child:
    """The process as its parent sees it. One task at a time; not for several threads, but for :meth:`kill`.

    Args:
        work: What it runs.
        threads: Computing threads.
        memory_bytes: Limit that holds while starting too.
        environment: Variables that are set in it, such as the GPU that it sees.

    Example:
        >>> from explorer.engine.pool.parcel import pack
        >>> child = Child(pack(len, folder=None), threads=1, memory_bytes=None)
        >>> kind, result = child.run(pickle.dumps("abc"), Limits(seconds=60))
        >>> child.kill()
        >>> kind, pickle.loads(result)
        ('result', 3)
    """

    def __init__(
        self,
        work: Parcel,
        threads: int,
        memory_bytes: int | None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "explorer.engine.pool.child",
                    str(theirs.fileno()),
                    str(threads),
                ],
                stdin=subprocess.DEVNULL,
                env={**_environment(threads), **(environment or {})},
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C in a terminal is for the parent only
            )
        self._start_failure = self._exchange(pickle.dumps(work), Limits(START_SECONDS, memory_bytes))

    @property
    def usable(self) -> bool:
        """Whether the process lives and waits for a task."""
        return self._start_failure is None and self._process.returncode is None

    def run(self, task: bytes, limits: Limits) -> Outcome:
        """Run one pickled task; a process that breaks a limit is killed."""
        outcome = self._start_failure or self._exchange(task, limits)
        return outcome or ("failed", b"worker process gave no answer")

    def kill(self) -> None:
        """End the process and what it started."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _exchange(self, message: bytes, limits: Limits) -> Outcome | None:
        try:
            self._connection.send_bytes(message)
            self._wait(limits)
            answer: Outcome | None = self._connection.recv()
            return answer
        except _HopelessError as error:
            reason = str(error)
        except (EOFError, OSError):
            reason = f"worker process died ({self._death()})"
        self.kill()
        return "failed", reason.encode()

    def _wait(self, limits: Limits) -> None:
        """Return when there is something to read."""
        seconds = inf if limits.seconds is None else limits.seconds
        deadline = time.monotonic() + seconds
        while not self._connection.poll(CHECK_SECONDS):
            # a process that the task forked may hold the connection open after the child's death
            if self._process.poll() is not None and not self._connection.poll():
                raise EOFError
            if time.monotonic() > deadline:
                raise _HopelessError(f"exceeded {seconds:g} s")
            if limits.memory_bytes is not None and (used := self._used_bytes()) > limits.memory_bytes:
                raise _HopelessError(f"exceeded {_megabytes(limits.memory_bytes)}: used {_megabytes(used)}")

    def _used_bytes(self) -> int:
        try:
            memory = psutil.Process(self._process.pid).memory_info()
            return int(memory.rss - getattr(memory, "shared", 0))  # known on Linux
        except psutil.Error:  # it just died, which the connection will tell
            return 0

    def _death(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "closed its connection"
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def _environment(threads: int) -> dict[str, str]:
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    # Dask has its workers return freed memory at once; fetching it again slows training
    inherited = {name: value for name, value in os.environ.items() if name != "MALLOC_TRIM_THRESHOLD_"}
    return {**inherited, **dict.fromkeys(THREAD_VARIABLES, str(threads)), "PYTHONPATH": path}


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


def main(descriptor: int, threads: int) -> None:
    """Run tasks until the parent closes the connection.

    Example:
        >>> from explorer.engine.pool.parcel import pack
        >>> child = Child(pack(len, folder=None), threads=1, memory_bytes=None)  # a process that runs it
        >>> outcomes = [child.run(pickle.dumps(task), Limits())[0] for task in ("abc", 3)]
        >>> child.kill()
        >>> outcomes
        ['result', 'error']
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.set_inheritable(descriptor, False)
    connection: Connection[Any, Any] = Connection(descriptor)
    inbox: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, inbox), daemon=True).start()
    try:
        parcel: Parcel = pickle.loads(inbox.get())
        work = parcel.unpack()
    except Exception as error:
        connection.send(_failure(error))
        return
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
        import_module("torch._dynamo")  # the first optimiser imports it, which takes seconds
    connection.send(None)
    while True:
        connection.send(_outcome(work, inbox.get()))


def _listen(connection: "Connection[Any, Any]", inbox: SimpleQueue[bytes]) -> None:
    """Take tasks in; end the process, in the midst of a task too, when the parent is gone."""
    try:
        while True:
            inbox.put(connection.recv_bytes())
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)


def _outcome(work: Callable[[Any], Any], task: bytes) -> Outcome:
    try:
        return "result", pickle.dumps(work(pickle.loads(task)))
    except Exception as error:
        return _failure(error)


def _failure(error: Exception) -> Outcome:
    """The error itself if it survives pickling, else its type and message."""
    text = f"{type(error).__name__}: {error}"
    error.add_note(f"raised in a worker process:\n{''.join(traceback.format_exception(error))}")
    try:
        pickled = pickle.dumps(error)
        pickle.loads(pickled)
    except Exception:
        return "failed", text.encode(errors="replace")
    return "error", pickled


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
