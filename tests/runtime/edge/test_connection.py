"""One connection: kept, opened again, and never waiting beyond the deadline."""

import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from scripted_server import hang_up, raw, reply, reset, scripted_server, slow

from explorer.runtime.edge import connection as module
from explorer.runtime.edge.connection import MAX_ANSWER_BYTES, Connection, LostError
from explorer.runtime.edge.server_address import server_address

GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


def post(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def to(url: str) -> Connection:
    return Connection(server_address(url))


def test_connection_is_kept() -> None:
    with scripted_server(reply(b"one"), reply(b"two", "404 Not Found"), reply(b"three")) as server:
        own = to(server.url)
        answers = [own.exchange(post(b"x" * size), soon()) for size in (3, 0, 100_000)]
        assert [(answer.status, answer.body) for answer in answers] == [
            (200, b"one"),
            (404, b"two"),
            (200, b"three"),
        ]
        assert (server.connections, own.openings) == (1, 1)
        assert own.sent_bytes == sum(map(len, server.requests))
        assert server.requests[2] == post(b"x" * 100_000)


def test_received_bytes_are_counted() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nInference-Header-Content-Length: 3\r\n\r\nabc"
    with scripted_server(raw(answer)) as server:
        own = to(server.url)
        assert own.exchange(GET, soon()).header_length == "3"
        own.exchange(GET, soon())
        assert own.received_bytes == 2 * len(answer)


@pytest.mark.parametrize("closing", [reply(b"a", keep=False), reply(b"a", "200 OK", "Connection: close")])
def test_a_closed_connection_is_opened_again(closing: object) -> None:
    with scripted_server(closing, reply(b"b")) as server:  # type: ignore[arg-type]
        own = to(server.url)
        assert own.exchange(GET, soon()).body == b"a"
        time.sleep(0.05)  # the end of the connection has arrived
        assert own.exchange(GET, soon()).body == b"b"
        assert own.openings == 2
        assert len(server.requests) == 2  # each message was sent once
        assert own.sent_bytes == 2 * len(GET)


@pytest.mark.parametrize("loss", [hang_up, reset])
def test_a_kept_connection_that_closes_under_a_message_costs_one_repetition(loss: object) -> None:
    with scripted_server(reply(b"a"), loss, reply(b"b")) as server:  # type: ignore[arg-type]
        own = to(server.url)
        own.exchange(GET, soon())
        assert own.exchange(GET, soon()).body == b"b"
        assert len(server.requests) == 3
        assert own.sent_bytes == 3 * len(GET)


@pytest.mark.parametrize("loss", [hang_up, reset])
def test_on_a_new_connection_nothing_is_repeated(loss: object) -> None:
    with scripted_server(loss) as server:  # type: ignore[arg-type]
        with pytest.raises(LostError):
            to(server.url).exchange(GET, soon())
        assert len(server.requests) == 1


def test_nothing_is_repeated_once_an_answer_began() -> None:
    with scripted_server(reply(b"a"), raw(b"HTTP/1.1 200 OK\r\nContent-", keep=False)) as server:
        own = to(server.url)
        own.exchange(GET, soon())
        with pytest.raises(LostError, match="states no length"):
            own.exchange(GET, soon())
        assert len(server.requests) == 2


def test_nothing_is_repeated_where_an_answer_is_torn_by_a_reset() -> None:
    def torn(connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-")
        time.sleep(0.1)  # these bytes have arrived before the reset
        return reset(connection)

    with scripted_server(reply(b"a"), torn) as server:
        own = to(server.url)
        own.exchange(GET, soon())
        with pytest.raises(LostError, match="reset"):
            own.exchange(GET, soon())
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("reaction", "reason"),
    [
        (raw(b"\x16\x03\x01 no HTTP at all\r\n\r\n"), "not HTTP"),
        (raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"), "not HTTP"),
        (reply(b"abc", length=9, keep=False), "ends before its stated length"),
        (reply(b"", length=9, keep=False), "ends before its stated length"),
        (reply(bytes(MAX_ANSWER_BYTES + 1)), f"more than {MAX_ANSWER_BYTES} bytes"),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", keep=False), "ends before"),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab", keep=False), "HTTP|ends"),
    ],
)
def test_what_is_no_answer_is_lost(reaction: object, reason: str) -> None:
    with scripted_server(reaction, reply(b"next")) as server:  # type: ignore[arg-type]
        own = to(server.url)
        with pytest.raises(LostError, match=reason):
            own.exchange(GET, soon())
        assert own.exchange(GET, soon()).body == b"next"  # over a new connection
        assert own.openings == 2


def test_chunked_answers_are_read_and_the_connection_is_kept() -> None:
    chunked = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
    with scripted_server(chunked, chunked) as server:
        own = to(server.url)
        assert [own.exchange(GET, soon()).body for _ in range(2)] == [b"abc", b"abc"]
        assert own.openings == 1


def test_a_deadline_ends_every_wait_however_the_bytes_trickle() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    with scripted_server(slow(answer, pause_s=0.05)) as server:  # 2 s in all, each byte in time
        began = time.monotonic()
        with pytest.raises(LostError, match="no answer in time"):
            to(server.url).exchange(GET, soon(0.3))
        assert 0.3 <= time.monotonic() - began < 5.0


def test_a_late_answer_is_not_taken_for_the_next() -> None:
    late = slow(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate", pause_s=0.2, portion=100)
    with scripted_server(late, reply(b"next")) as server:
        own = to(server.url)
        with pytest.raises(LostError, match="no answer in time"):
            own.exchange(GET, soon(0.1))
        time.sleep(0.2)
        assert own.exchange(GET, soon()).body == b"next"


def test_the_answer_to_an_interrupted_message_is_not_taken_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(self: object) -> None:
        raise KeyboardInterrupt

    with scripted_server(reply(b"first"), reply(b"next")) as server:
        own = to(server.url)
        with monkeypatch.context() as during:
            during.setattr(module.http.client.HTTPResponse, "begin", interrupted)
            with pytest.raises(KeyboardInterrupt):
                own.exchange(GET, soon())
        assert own.exchange(GET, soon()).body == b"next"


def test_a_receiver_that_takes_nothing_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # accepts in the kernel, and never reads
        own = to(f"http://127.0.0.1:{listener.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(LostError, match="no answer in time"):
            own.exchange(post(bytes(20_000_000)), soon(0.3))
        assert 0.3 <= time.monotonic() - began < 5.0
        assert 0 < own.sent_bytes < 20_000_000


def test_a_name_that_cannot_be_looked_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(*_: object, **__: object) -> list[object]:
        time.sleep(1.0)
        return []

    own = to("http://server.example")
    monkeypatch.setattr(module.socket, "getaddrinfo", stuck)
    began = time.monotonic()
    with pytest.raises(LostError, match="could not be looked up in time"):
        own.exchange(GET, soon(0.2))
    assert time.monotonic() - began < 5.0


def test_all_addresses_of_a_name_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_server(reply(b"here")) as server:
        places = [
            (0, 0, 0, "", ("127.0.0.2", 1)),
            (0, 0, 0, "", ("127.0.0.1", server.port)),
        ]
        own, asked = to("http://server.example"), list[str]()
        real = socket.getaddrinfo

        def found(host: str, *rest: object, **kinds: object) -> object:
            if not host.startswith("127."):
                asked.append(host)
            return places if host == "server.example" else real(host, *rest, **kinds)  # type: ignore[arg-type]

        monkeypatch.setattr(module.socket, "getaddrinfo", found)
        for _ in range(3):  # what leads somewhere is kept
            assert own.exchange(GET, soon()).body == b"here"
            own.close()
        assert asked == ["server.example"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    file, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", str(key), "-out", str(file), "-days", "2", "-subj", "/CN=test"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl")
    return file, key


def server_side(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def test_tls_with_a_trusted_certificate(certificate: tuple[Path, Path]) -> None:
    context = server_side(certificate)
    script = [reply(b"a"), reply(b"b", keep=False), reply(b"c")]
    with scripted_server(*script, tls=context) as server:
        own = Connection(server_address(server.url, certificate[0]))
        bodies = []
        for _ in range(3):
            bodies.append(own.exchange(GET, soon()).body)
            time.sleep(0.05)
        assert bodies == [b"a", b"b", b"c"]
        assert own.openings == 2


def test_tls_refuses_what_is_not_trusted(certificate: tuple[Path, Path]) -> None:
    with scripted_server(reply(b"a"), tls=server_side(certificate)) as server:
        with pytest.raises(LostError, match=r"certificate is not trusted: self.signed certificate"):
            to(server.url).exchange(GET, soon())
        named = Connection(server_address(f"https://localhost:{server.port}", certificate[0]))
        with pytest.raises(LostError, match="not trusted: Hostname mismatch"):
            named.exchange(GET, soon())
        assert server.requests == []


def test_tls_towards_a_server_without_it() -> None:
    with scripted_server(reply(b"a")) as server:
        own = to(f"https://127.0.0.1:{server.port}")
        with pytest.raises(LostError):
            own.exchange(GET, soon(0.5))
