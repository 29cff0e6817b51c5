"""One kept connection to a server. Every wait ends at a deadline: name look-up, connect, send and receive."""

import http.client
import io
import queue
import socket
import ssl
import threading
import time
from dataclasses import dataclass

from .server_address import ServerAddress

MAX_ANSWER_BYTES = 65_536  # an answer takes some hundred bytes; whatever sends more is not the server

_TORN = "the answer ends before its stated length"
_DROPPED = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)  # how a closed connection shows


class LostError(OSError):
    """There is no answer; the message is the reason, without numbers, so that reasons can be counted."""


@dataclass(frozen=True)
class HttpAnswer:
    """A complete HTTP response.

    Attributes:
        status: Its status code.
        header_length: Value of ``Inference-Header-Content-Length``, None where there is none.
        body: At most :data:`MAX_ANSWER_BYTES`.

    Example:
        >>> HttpAnswer(200, "87", b"{}").status
        200
    """

    status: int
    header_length: str | None
    body: bytes


class Connection:
    r"""A TCP or TLS connection: opened when needed, kept, and opened again where the server closed it.

    It is not for several threads.

    Args:
        address: Where the server listens.

    Attributes:
        sent_bytes, received_bytes: Of HTTP, since it was made, failed messages included; TLS adds to it.
        openings: How often it connected.

    Example:
        >>> from explorer.runtime.edge.server_address import server_address
        >>> connection = Connection(server_address("http://127.0.0.1:1"))
        >>> connection.exchange(b"GET / HTTP/1.1\r\n\r\n", deadline=time.monotonic() + 1)
        Traceback (most recent call last):
            ...
        explorer.runtime.edge.connection.LostError: connection refused
    """

    def __init__(self, address: ServerAddress) -> None:
        self.address = address
        self.sent_bytes = self.received_bytes = self.openings = 0
        self._socket: socket.socket | None = None
        self._places: list[tuple[str, int]] = []  # what the host's name leads to, while it leads somewhere

    def exchange(self, message: bytes, deadline: float) -> HttpAnswer:
        """Send one HTTP request and receive its response.

        Where a kept connection turns out to be closed before anything came back, the message is sent once
        more over a new one: servers close idle connections whenever they like. Nothing else is repeated.

        Args:
            message: The whole request.
            deadline: Of ``time.monotonic()``; all of it ends then.

        Raises:
            LostError: No complete response until then; the connection is closed, so that a response that
                comes too late cannot be taken for that to a later message.
        """
        try:
            kept, received = self._is_alive(), self.received_bytes
            try:
                return self._exchange_once(message, deadline)
            except _DROPPED:
                self.close()
                if not kept or self.received_bytes > received:
                    raise
            return self._exchange_once(message, deadline)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise error if isinstance(error, LostError) else LostError(_reason(error)) from None
        except BaseException:  # interrupted: its answer may still come
            self.close()
            raise

    def close(self) -> None:
        """Close it; the next message opens it again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange_once(self, message: bytes, deadline: float) -> HttpAnswer:
        if self._socket is None:
            self._socket = self._opened(deadline)
            self.openings += 1
        unsent = memoryview(message)
        while unsent:
            self._socket.settimeout(_remaining(deadline))
            sent = self._socket.send(unsent)
            self.sent_bytes += sent
            unsent = unsent[sent:]
        response = http.client.HTTPResponse(_Readable(self, self._socket, deadline), method="POST")  # type: ignore[arg-type]
        response.begin()
        if response.length is None and not response.chunked:  # as where the headers end in their middle
            raise LostError("the answer states no length")
        body = response.read(MAX_ANSWER_BYTES + 1)
        if len(body) > MAX_ANSWER_BYTES:
            raise LostError(f"the answer has more than {MAX_ANSWER_BYTES} bytes")
        if response.length:
            raise LostError(_TORN)
        if response.will_close:
            self.close()
        return HttpAnswer(response.status, response.headers["Inference-Header-Content-Length"], body)

    def _opened(self, deadline: float) -> socket.socket:
        plain = self._connected(deadline)
        try:
            # a message is sent as a whole: nothing is gained by waiting for more of it
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.address.tls is None:
                return plain
            plain.settimeout(_remaining(deadline))
            return self.address.tls.wrap_socket(plain, server_hostname=self.address.host)
        except BaseException:
            plain.close()
            raise

    def _connected(self, deadline: float) -> socket.socket:
        """The first of the host's addresses that accepts."""
        places, self._places = self._places or self._looked_up(deadline), []
        for number, place in enumerate(places, 1):
            try:
                found = socket.create_connection(place, _remaining(deadline))
            except OSError:
                if number == len(places):
                    raise
            else:
                self._places = [place]
                return found
        raise LostError("the host's name leads to no address")

    def _looked_up(self, deadline: float) -> list[tuple[str, int]]:
        """Addresses of the host; the system's look-up knows no deadline, so another thread waits for it."""
        found: queue.SimpleQueue[list[tuple[str, int]] | OSError] = queue.SimpleQueue()

        def look_up() -> None:
            try:
                places = socket.getaddrinfo(self.address.host, self.address.port, type=socket.SOCK_STREAM)
                found.put([(str(place[4][0]), int(place[4][1])) for place in places])
            except OSError as error:
                found.put(error)

        threading.Thread(target=look_up, daemon=True).start()
        try:
            places = found.get(timeout=_remaining(deadline))
        except queue.Empty:
            raise LostError("the host's name could not be looked up in time") from None
        if isinstance(places, OSError):
            raise places
        return places

    def _is_alive(self) -> bool:
        """Whether there is a connection; one that was closed or holds unasked bytes is given up here.

        Only what is not encrypted tells: TLS sends messages of its own at any time.
        """
        if self._socket is None:
            return False
        if self.address.tls is None:
            self._socket.settimeout(0)
            try:
                self._socket.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                return True
            except OSError:
                pass
            self.close()
        return self._socket is not None


class _Readable(io.RawIOBase):
    """A socket as ``http.client.HTTPResponse`` reads it, every read with what remains of the time."""

    def __init__(self, owner: Connection, source: socket.socket, deadline: float) -> None:
        self._owner, self._source, self._deadline = owner, source, deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._source.settimeout(_remaining(self._deadline))
        count = self._source.recv_into(buffer)
        self._owner.received_bytes += count
        return count


def _remaining(deadline: float) -> float:
    """Seconds until then, above 0."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _reason(error: Exception) -> str:
    """Why there is no answer, in words that are the same for the same cause."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, http.client.RemoteDisconnected):
        return "the server closed the connection without an answer"
    if isinstance(error, http.client.IncompleteRead):
        return _TORN
    if isinstance(error, http.client.HTTPException):
        return "the answer is not HTTP"
    if isinstance(error, socket.gaierror):
        return f"the host's name cannot be looked up: {error.strerror}"
    return str(getattr(error, "strerror", None) or error).lower() or type(error).__name__
