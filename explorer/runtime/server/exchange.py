"""One request and its answer over HTTP: judged when its headers are there, and a refused body is not kept.

This speaks to tornado's HTTP layer directly, below its framework of handlers, so an answer has no headers but
those that are written here. Nothing here knows what the requests are about.
"""

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import responses
from typing import Any, Protocol

from tornado import httputil

DISCARDED_BYTES = 1 << 24  # a longer body is not read to its end for the sake of a polite refusal


@dataclass(frozen=True, eq=False)
class Head:
    """What is known of a request before its body.

    Attributes:
        method: ``GET``, ``POST``, ..
        path: Without the query.
        headers: Of HTTP; names in any case.
        peer: The other side's address.

    Example:
        >>> Head("GET", "/v2", {}).path
        '/v2'
    """

    method: str
    path: str
    headers: Mapping[str, str]
    peer: str = ""


@dataclass(frozen=True, eq=False)
class Reply:
    """An answer.

    Attributes:
        status: Of HTTP.
        body: All of it.
        headers: ``Content-Length`` may be among them.

    Example:
        >>> Reply.json(200, {"ready": True}).body
        b'{"ready": true}'
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, status: int, content: Any, headers: Mapping[str, str] | None = None) -> "Reply":
        """An answer of JSON in one line."""
        body = json.dumps(content).encode("ascii")
        return cls(status, body, {"Content-Type": "application/json", **(headers or {})})


class RefusedError(Exception):
    """A request that is not answered as it wished.

    Args:
        status: Of HTTP.
        reason: One word for logs and metrics.
        message: One line for the client.
        headers: Besides the usual ones.
    """

    def __init__(
        self, status: int, reason: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.headers = status, reason, message, headers

    def reply(self) -> Reply:
        """The answer that says so."""
        return Reply.json(self.status, {"error": self.message}, self.headers)


class Answers(Protocol):
    """What answers requests."""

    max_body: int

    def admit(self, head: Head) -> Any:
        """Say what a request is about; may raise :class:`RefusedError`."""

    def answer(self, head: Head, about: Any, body: bytes) -> "Reply | asyncio.Future[Reply]":
        """Answer it, now or later; may raise :class:`RefusedError`."""

    def refused(self, head: Head, about: Any, refusal: RefusedError) -> None:
        """Take note of a refusal; ``about`` is None where it was refused before that was known."""


class Exchange(httputil.HTTPMessageDelegate):
    """Receives one request from tornado and writes the answer.

    Args:
        answers: What answers it.
        connection: Where it comes from, and the answer goes.

    Example:
        >>> Exchange(answers=None, connection=None).finished
        False
    """

    def __init__(self, answers: Answers, connection: Any) -> None:
        self._answers, self._connection = answers, connection
        self._head = Head("", "", {})
        self._about: Any = None
        self._refusal: RefusedError | None = None
        self._body = bytearray()
        self.finished = False

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> None:
        """Judge a request by what is known before its body."""
        path = start_line.path.partition("?")[0]
        self._head = Head(start_line.method, path, headers, str(self._connection.context))
        try:
            length = _body_bytes(headers)
            if self._answers.max_body < length <= DISCARDED_BYTES:
                self._connection.set_max_body_size(length)  # to read it, not to keep it
            self._about = self._answers.admit(self._head)
            if length > self._answers.max_body:
                most = self._answers.max_body
                message = f"body: must have at most {most} bytes, got {length}"
                raise RefusedError(413, "too_large", message)
        except RefusedError as refusal:
            self._refusal = refusal
            if refusal.reason == "length" or length > DISCARDED_BYTES:
                self._write(self._refused(refusal), close=True)

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body, unless the request is refused already."""
        if self._refusal is None:
            self._body += chunk

    def finish(self) -> None:
        """Answer: the body is complete."""
        if self._refusal is not None:
            self._write(self._refused(self._refusal))
            return
        body, self._body = bytes(self._body), bytearray()
        try:
            reply = self._answers.answer(self._head, self._about, body)
        except RefusedError as refusal:
            reply = self._refused(refusal)
        except Exception:  # a defect: the log has its traceback, the client one line
            logging.getLogger(__name__).exception("a request could not be answered")
            reply = self._refused(RefusedError(500, "failed", "the request could not be answered"))
        if isinstance(reply, Reply):
            self._write(reply)
            return
        self._connection.set_close_callback(reply.cancel)  # nobody waits for the answer any more
        reply.add_done_callback(self._answered)

    def on_connection_close(self) -> None:
        """The other side went away within its request."""
        self.finished = True

    def _answered(self, future: "asyncio.Future[Reply]") -> None:
        if future.cancelled():
            return
        failure = future.exception()
        if isinstance(failure, RefusedError):
            self._write(self._refused(failure))
        elif failure is None:
            self._write(future.result())
        else:
            logging.getLogger(__name__).error("a request could not be answered", exc_info=failure)
            self._write(self._refused(RefusedError(500, "failed", "the request could not be answered")))

    def _refused(self, refusal: RefusedError) -> Reply:
        self._answers.refused(self._head, self._about, refusal)
        return refusal.reply()

    def _write(self, reply: Reply, close: bool = False) -> None:
        if self.finished:
            return
        self.finished = True
        headers = httputil.HTTPHeaders({"Content-Length": str(len(reply.body))})
        for name, value in reply.headers.items():
            headers[name] = value
        if close:
            headers["Connection"] = "close"
        line = httputil.ResponseStartLine("HTTP/1.1", reply.status, responses[reply.status])
        body = b"" if self._head.method == "HEAD" else reply.body
        self._connection.write_headers(line, headers, body)
        self._connection.finish()


def _body_bytes(headers: httputil.HTTPHeaders) -> int:
    """Length of the body, which has to be stated."""
    if "Transfer-Encoding" in headers:
        raise RefusedError(411, "length", "Content-Length: must be stated; bodies in chunks are not read")
    stated = headers.get("Content-Length", "0")
    if not re.fullmatch(r"[0-9]{1,18}", stated):
        raise RefusedError(400, "length", "Content-Length: must be a number of bytes")
    return int(stated)
