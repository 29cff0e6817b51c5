"""A server on loopback that reacts to each request as a script says: what no honest server would do, too."""

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Reaction = Callable[[socket.socket], bool]  # returns whether the connection is kept


def reply(
    body: bytes = b"", status: str = "200 OK", *headers: str, keep: bool = True, length: int | None = None
) -> Reaction:
    """A whole answer; ``length`` states another length than that of the body."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return raw("\r\n".join([*lines, "\r\n"]).encode() + body, keep=keep)


def raw(content: bytes, keep: bool = True) -> Reaction:
    """These bytes."""

    def react(connection: socket.socket) -> bool:
        connection.sendall(content)
        return keep

    return react


def slow(content: bytes, pause_s: float, portion: int = 1) -> Reaction:
    """These bytes, some at a time, with a pause before each portion."""

    def react(connection: socket.socket) -> bool:
        for start in range(0, len(content), portion):
            time.sleep(pause_s)
            connection.sendall(content[start : start + portion])
        return True

    return react


def hang_up(connection: socket.socket) -> bool:
    """No answer; the connection is closed."""
    return False


def reset(connection: socket.socket) -> bool:
    """No answer; the connection is reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    return False


class ScriptedServer:
    """Takes a reaction for each request, and the last one for all after it.

    Attributes:
        requests: Whole requests as they came, on whatever connection.
        connections: How many were accepted.
    """

    def __init__(self, *script: Reaction, tls: ssl.SSLContext | None = None) -> None:
        self.script = list(script)
        self.requests: list[bytes] = []
        self.connections = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                while request := _request(connection):
                    self.requests.append(request)
                    reaction = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                    if not reaction(connection):
                        return
        except OSError:  # the client has gone
            return


@contextmanager
def scripted_server(*script: Reaction, tls: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    """Such a server, as long as it is needed."""
    server = ScriptedServer(*script, tls=tls)
    try:
        yield server
    finally:
        server.close()


def _request(connection: socket.socket) -> bytes:
    """A whole request; nothing where the client closed the connection."""
    content = b""
    while b"\r\n\r\n" not in content:
        if not (part := connection.recv(65_536)):
            return b""
        content += part
    head = content.partition(b"\r\n\r\n")[0]
    found = re.search(rb"(?i)content-length: *(\d+)", head)
    size = len(head) + 4 + (int(found[1]) if found else 0)
    while len(content) < size:
        if not (part := connection.recv(65_536)):
            return b""
        content += part
    return content
