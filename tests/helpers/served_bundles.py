"""Servers for tests: in a thread of this process, or as the command in a process of its own."""

import asyncio
import http.client
import io
import json
import queue
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer

from explorer.runtime.protocol.messages import HEADER_LENGTH, Response, parse_response
from explorer.runtime.server.application import Application
from explorer.runtime.server.logs import Log
from explorer.runtime.server.serving import listen, make_app

Answer = tuple[int, dict[str, str], bytes]


class Served:
    """A server in a thread, and ways to talk to it."""

    def __init__(self, app: Application, log: io.StringIO) -> None:
        self.app, self._log = app, log
        self.port = 0
        self.loop: asyncio.AbstractEventLoop
        self.server: HTTPServer
        (self.name, self.versions), *_ = app._models.items()
        self.version = next(iter(self.versions))

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Log lines so far."""
        return [json.loads(line) for line in self._log.getvalue().splitlines()]

    def connect(self) -> socket.socket:
        """A connection of bytes."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def infer(self, body: bytes, length: str | None, version: str | None = None) -> Answer:
        """One inference request."""
        path = f"/v2/models/{self.name}/versions/{version or self.version}/infer"
        return self.ask("POST", path, body, {} if length is None else {HEADER_LENGTH: length})

    def send(self, message: bytes) -> Answer:
        """A whole message on a connection of its own."""
        with self.connect() as connection:
            connection.sendall(message)
            return received(connection)

    def soon(self, coroutine: Any) -> "Future[Any]":
        """Run a coroutine in the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)


def received(connection: socket.socket) -> Answer:
    """Read one answer."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, dict(response.getheaders()), response.read()


def response_of(answer: Answer) -> Response:
    """What an answer of status 200 says."""
    status, headers, body = answer
    assert status == 200, body
    return parse_response(body, headers.get(HEADER_LENGTH))


def error_of(answer: Answer) -> str:
    """The one line of a refusal."""
    message = json.loads(answer[2])
    assert list(message) == ["error"]
    assert "\n" not in message["error"]
    assert "Traceback" not in message["error"]
    return str(message["error"])


@contextmanager
def serving(
    *folders: Path,
    ready: bool = True,
    tls: ssl.SSLContext | None = None,
    idle_s: float = 60,
    body_s: float = 10,
    **options: Any,
) -> Iterator[Served]:
    """A server of bundles in a thread."""
    log = io.StringIO()
    served = Served(make_app(folders, log=Log(log), **options), log)
    started, stop = threading.Event(), asyncio.Event()

    async def main() -> None:
        served.loop = asyncio.get_running_loop()
        served.server, served.port = listen(served.app, tls=tls, idle_s=idle_s, body_s=body_s)
        if ready:
            await served.app.open()
        started.set()
        await stop.wait()
        served.server.stop()
        await served.server.close_all_connections()
        served.app.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    try:
        assert started.wait(20)
        yield served
    finally:
        served.loop.call_soon_threadsafe(stop.set)
        thread.join(20)


class Command:
    """The command in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._arriving: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.port = int(self.wait_for("listening")["port"])

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._arriving.put(line)
        self._arriving.put(None)

    def wait_for(self, event: str) -> dict[str, Any]:
        """The next log line of an event."""
        while (line := self._arriving.get(timeout=30)) is not None:
            self.lines.append(json.loads(line))
            if self.lines[-1]["event"] == event:
                return self.lines[-1]
        raise AssertionError(f"ended without {event!r}: {self.lines}")

    def largest_bytes(self) -> int:
        """Most memory that the process has had."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        (own,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
        return int(own) << 10


@contextmanager
def command(
    *arguments: object, program: Sequence[str] = ("-m", "explorer.serve"), ready: bool = True
) -> Iterator[Command]:
    """The command ``explorer serve``, ready to answer."""
    line = [sys.executable, *program, *map(str, arguments), "--port", "0"]
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    try:
        running = Command(process)
        if ready:
            running.wait_for("ready")
        yield running
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
