"""A PostgreSQL server of one's own: a new cluster in a temporary folder, gone afterwards."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from sqlalchemy import create_engine, text

USER, PASSWORD = "searcher", "s3cret:word"
OWNER = "postgres"  # the server refuses to run as root; Debian's package makes this user


class MissingPostgresError(Exception):
    """No server can be started here; the message says why."""


def find_program(name: str) -> str:
    """Path of one of the server's programs; Debian keeps them off PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(installed[-1]) if installed else None)
    if found is None:
        raise MissingPostgresError(f"PostgreSQL is not installed ({name} not found)")
    return found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """A running server.

    Attributes:
        port: On 127.0.0.1.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._data = folder / "data"
        self._owner = {"user": OWNER, "group": OWNER} if os.getuid() == 0 else {}
        if self._owner:
            shutil.chown(folder, OWNER)
        (folder / "password").write_text(PASSWORD)
        self._run(
            "initdb", "-D", self._data, "-U", USER, "-A", "scram-sha-256", f"--pwfile={folder}/password"
        )

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        options += " -c fsync=off -c max_connections=400"  # pools of many tests, closed when collected
        self._run("pg_ctl", "-D", self._data, "-w", "-l", self._data / "log", "-o", options, "start")

    def stop(self) -> None:
        """As when the machine goes down: connections break."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def kill(self) -> None:
        """Kill it without warning, and wait until nothing of it holds its files any more."""
        server = psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))
        processes = [server, *server.children(recursive=True)]
        server.kill()
        psutil.wait_procs(processes, timeout=30)

    def create(self, database: str) -> None:
        """Make an empty database."""
        engine = create_engine(self.url(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {database}"))
        engine.dispose()

    def url(self, database: str = "postgres", password: str = PASSWORD) -> str:
        """Storage URL of one of its databases."""
        return f"postgresql+psycopg://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def _run(self, program: str, *arguments: object) -> None:
        command = [find_program(program), *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            **self._owner,  # type: ignore[call-overload]
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def running_server() -> Iterator[Server]:
    """A server for as long as the context lasts.

    Raises:
        MissingPostgresError: None can be started here.
    """
    find_program("initdb")
    with tempfile.TemporaryDirectory(prefix="explorer-postgres-") as folder:
        server = Server(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()
