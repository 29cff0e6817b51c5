"""A Dask cluster as a user starts it by hand."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import explorer

HERE = str(Path(__file__).parent)  # where workers find the functions that tests send them


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def cluster(
    port: int, folder: Path, protocol: str = "tcp", variables: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A scheduler and a worker as a user starts them by hand; killed without warning."""
    address, dask = f"{protocol}://127.0.0.1:{port}", [sys.executable, "-m", "dask"]
    bare = ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    small = ["--nthreads", "1", "--no-nanny", "--resources", "GPU=1", "--local-directory", str(folder)]
    commands = [
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--protocol", protocol, *bare],
        [*dask, "worker", address, *bare, *small],
    ]
    log = (folder / "log").open("a")
    environment = {
        **os.environ,
        **(variables or {}),
        "PYTHONPATH": os.pathsep.join([HERE, str(Path(explorer.__file__).parent.parent)]),
    }
    processes = [
        subprocess.Popen(command, stderr=log, stdout=log, env=environment, cwd=folder) for command in commands
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
        log.close()
