"""A Dask cluster as a user starts it by hand, whose scheduler is killed and started again."""

import socket
from pathlib import Path

import psutil

from benchmarks.endurance.searches import Marked

WORKERS = 2


class Cluster:
    """A scheduler and its workers, each with a nanny.

    Args:
        folder: For their files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, 0
        self._temporary = folder / "tmp-cluster"
        self._temporary.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self._parts: list[Marked] = []
        self.restart()

    @property
    def address(self) -> str:
        """Of the scheduler."""
        return f"tcp://127.0.0.1:{self._port}"

    def processes(self, role: str) -> list[psutil.Process]:
        """What lives of it in one role, see :data:`benchmarks.endurance.searches.ROLES`."""
        return [process for part in self._parts for process in part.processes(role)]

    def kill_scheduler(self) -> None:
        """Kill the scheduler alone."""
        self._parts[0].kill()

    def restart(self) -> None:
        """Start everything anew, at the same address."""
        self.close()
        bare = ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
        files = ["--nthreads", "1", "--local-directory", str(self._temporary)]
        lines = [["dask", "scheduler", "--host", "127.0.0.1", "--port", str(self._port), *bare]]
        lines += [["dask", "worker", self.address, *bare, *files]] * WORKERS
        for line in lines:
            self._number += 1
            self._parts.append(Marked(line, self._folder, f"cluster{self._number}", self._temporary))

    def close(self) -> None:
        """End everything."""
        for part in self._parts:
            part.left_after(0.0)
            part.process.wait()
        self._parts.clear()
