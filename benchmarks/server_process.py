"""A real server in a process of its own, which is killed, stopped and started again."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import explorer


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class ServerProcess:
    """``explorer serve`` on a port that it keeps when it is started again.

    Attributes:
        url: Where it listens.
        log: Its lines since it was last started.
    """

    def __init__(self, *words: object) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log: list[dict[str, Any]] = []
        self._words = [*map(str, words), "--port", str(self.port)]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and return once it is ready."""
        assert self._process is None
        self.log.clear()
        environment = os.environ | {"PYTHONPATH": str(Path(explorer.__file__).parent.parent)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "explorer.serve", *self._words],
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for line in self._lines():
            if line.get("event") == "ready":
                break
        else:
            raise AssertionError(f"the server ended: {self.log}")
        threading.Thread(target=lambda: list(self._lines()), daemon=True).start()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """End it by a signal, and return its exit code."""
        self.send(number)
        if number == signal.SIGKILL:
            self.send(signal.SIGCONT)
        assert self._process is not None
        code = self._process.wait(timeout=30)
        self._process = None
        return code

    def metric(self, name: str) -> float:
        """The sum of a metric over all its labels."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.partition("{")[0] == name)

    def close(self) -> None:
        """End it if it runs."""
        if self._process is not None:
            self.end()

    def _lines(self) -> Iterator[dict[str, Any]]:
        assert self._process is not None
        assert self._process.stderr is not None
        for line in self._process.stderr:
            content = json.loads(line) if line.startswith("{") else {"text": line}
            self.log.append(content)
            yield content


@contextmanager
def server_process(*words: object) -> Iterator[ServerProcess]:
    """Such a server, started, as long as it is needed."""
    server = ServerProcess(*words)
    try:
        server.start()
        yield server
    finally:
        server.close()
