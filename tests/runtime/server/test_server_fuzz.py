"""Whatever is sent, the server stays alive, answers 4xx or an answer, and takes no memory for it."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hostile_requests import HOSTILE, body_of, valid
from hypothesis import given, settings
from hypothesis import strategies as st
from served_bundles import Command, command, received

from benchmarks.stand_in_bundle import POINTS, codec_of, crossings, write_bundle
from explorer.runtime.codec import encode
from explorer.runtime.manifest import load_bundle
from explorer.runtime.protocol.messages import HEADER_LENGTH

PAYLOADS = [b"" if payload is None else encode(crossings(1)[0], codec_of(payload)) for payload in POINTS]
MANY = 2000  # of two kinds
GROWTH_BYTES = 64 << 20


class Fuzzed:
    """A server in a process of its own, and its first version."""

    def __init__(self, running: Command, version: str) -> None:
        self.running, self.version = running, version

    def send(self, message: bytes) -> int | None:
        """Status of the first answer, if there is one: this sender does not wait for it."""
        with socket.create_connection(("127.0.0.1", self.running.port), timeout=30) as connection:
            try:
                connection.sendall(message)
                connection.shutdown(socket.SHUT_WR)
                first = connection.recv(4096)
            except OSError:  # it was closed while more was sent
                return None
        return int(first.split()[1]) if first.startswith(b"HTTP/1.1 ") else None

    def post(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Status of the answer to a request that is right as HTTP."""
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        with socket.create_connection(("127.0.0.1", self.running.port), timeout=30) as connection:
            connection.sendall("\r\n".join([*lines, "\r\n"]).encode("latin-1") + body)
            return received(connection)[0]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    folder = write_bundle(tmp_path_factory.mktemp("bundle"))
    with command(folder) as running:
        yield Fuzzed(running, load_bundle(folder, "server").version)
        assert running.process.poll() is None


@pytest.fixture(autouse=True)
def alive_and_no_larger(fuzzed: Fuzzed) -> Iterator[None]:
    before = fuzzed.running.largest_bytes()
    yield
    assert fuzzed.running.process.poll() is None
    with socket.create_connection(("127.0.0.1", fuzzed.running.port), timeout=30) as connection:
        connection.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert received(connection)[0] == 200
    assert fuzzed.running.largest_bytes() < before + GROWTH_BYTES


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Bytes that look like HTTP in part."""
    method = draw(st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS", "P\0ST", ""]))
    path = draw(st.sampled_from(["/v2", "/v2/models/digits/infer", "/metrics", "*", "http://x/v2", "/%00"]))
    version = draw(st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/2", "HTTP/1.1 x", ""]))
    names = [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Expect",
        "Connection",
        HEADER_LENGTH,
        "X" * 20000,
    ]
    values = ["localhost", "0", "5", "-1", "99999999999999", "chunked", "100-continue", "close", "\x80", ""]
    headers = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(values)), max_size=5))
    lines = [f"{method} {path} {version}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1") + draw(st.binary(max_size=100))


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, str]:
    """Bodies that are nearly right: the payload, the JSON, or its length is changed."""
    point = draw(st.integers(0, len(POINTS)))
    payload = bytearray((PAYLOADS[point] if point < len(PAYLOADS) else b"") or b"x")
    for _ in range(draw(st.integers(0, 4))):
        payload[draw(st.integers(0, len(payload) - 1))] = draw(st.integers(0, 255))
    payload = payload[: draw(st.sampled_from([len(payload), len(payload), 9, 0]))]
    body, length = body_of(valid(bytes(payload)) | {"parameters": {"point": point}}, bytes(payload))
    changed = bytearray(body)
    if draw(st.booleans()):
        changed[draw(st.integers(0, int(length) - 1))] = draw(st.integers(0, 255))
    return bytes(changed), draw(st.sampled_from([length, length, length, "0", str(len(body)), "9" * 30, "x"]))


def check_message(fuzzed: Fuzzed, message: bytes) -> None:
    status = fuzzed.send(message)
    assert status is None or 100 <= status < 500


def check_body(fuzzed: Fuzzed, body: bytes, length: str) -> None:
    path = f"/v2/models/digits/versions/{fuzzed.version}/infer"
    assert fuzzed.post(path, {HEADER_LENGTH: length}, body) in (200, 400, 413)


def test_the_hostile_requests(fuzzed: Fuzzed) -> None:
    for body, length in HOSTILE.values():
        if length is None or length.isascii():
            headers = {} if length is None else {HEADER_LENGTH: length}
            assert fuzzed.post("/v2/models/digits/infer", headers, body) in (400, 413)


@given(st.binary(max_size=300) | messages())
def test_some_bytes(fuzzed: Fuzzed, message: bytes) -> None:
    check_message(fuzzed, message)


@given(bodies())
def test_some_bodies(fuzzed: Fuzzed, body: tuple[bytes, str]) -> None:
    check_body(fuzzed, *body)


@pytest.mark.slow
@settings(max_examples=MANY)
@given(st.binary(max_size=300) | messages())
def test_many_bytes(fuzzed: Fuzzed, message: bytes) -> None:
    check_message(fuzzed, message)


@pytest.mark.slow
@settings(max_examples=MANY)
@given(bodies())
def test_many_bodies(fuzzed: Fuzzed, body: tuple[bytes, str]) -> None:
    check_body(fuzzed, *body)


def test_long_bodies_are_not_kept(fuzzed: Fuzzed) -> None:
    for size in (12 << 20, 12 << 20, 80 << 20):
        head = f"POST /v2/models/digits/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
        assert fuzzed.send(head.encode() + bytes(size)) in (413, None)


def test_many_connections_that_say_nothing_cost_little(fuzzed: Fuzzed) -> None:
    head = b"POST /v2/models/digits/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(200):
            connection = socket.create_connection(("127.0.0.1", fuzzed.running.port), timeout=30)
            stack.enter_context(connection).sendall(head)
        body, length = HOSTILE["NaN"]
        assert fuzzed.post("/v2/models/digits/infer", {HEADER_LENGTH: length}, body) == 400
