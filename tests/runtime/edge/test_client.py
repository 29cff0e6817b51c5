"""The client: messages of the protocol, and what becomes of every kind of answer."""

import struct
import time
from types import SimpleNamespace
from typing import Any

import pytest
from scripted_server import Reaction, ScriptedServer, hang_up, reply, scripted_server, slow

from explorer.runtime.edge.client import Client, Refused, Unreachable
from explorer.runtime.errors import UserError
from explorer.runtime.protocol.messages import HEADER_LENGTH, Request, infer_response, parse_request
from explorer.runtime.sizes import REQUEST_OVERHEAD

BUNDLE: Any = SimpleNamespace(name="digits", version="0123456789abcdef", num_classes=10)


def answer(number: int, label: int = 7, confidence: float = 0.75, binary: bool = False) -> Reaction:
    """What a server sends to the message with this number."""
    outputs = (("label", binary), ("confidence", binary))
    headers, body = infer_response(Request(0, b"", str(number), outputs), label, confidence, "digits")
    rest = [f"{name}: {value}" for name, value in headers.items() if name != "Content-Length"]
    return reply(body, "200 OK", *rest)


def client(server: ScriptedServer, timeout_s: float = 5.0, token: str | None = None) -> Client:
    return Client(server.url, BUNDLE, token, timeout_s)


@pytest.mark.parametrize("binary", [False, True])
def test_answers(binary: bool) -> None:
    with scripted_server(answer(1, binary=binary), answer(2, 3, 0.5, binary)) as server:
        own = client(server)
        assert own.infer(0, b"one") == (7, 0.75)
        assert own.infer(2, b"three") == (3, 0.5)
        assert server.connections == 1


@pytest.mark.parametrize("token", [None, "secret"])
def test_messages_have_the_length_that_is_predicted_and_say_all(token: str | None) -> None:
    with scripted_server(answer(1)) as server:
        own = client(server, token=token)
        own.infer(3, b"\0\xff\r\n" * 10)
    (message,) = server.requests
    head, _, body = message.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert lines[0] == "POST /v2/models/digits/versions/0123456789abcdef/infer HTTP/1.1"
    assert headers["Host"] == f"127.0.0.1:{server.port}"
    assert headers.get("Authorization") == (None if token is None else "Bearer secret")
    assert len(message) == own.sent_bytes == REQUEST_OVERHEAD + 40
    request = parse_request(body, headers[HEADER_LENGTH])
    assert (request.point, request.payload, request.id) == (3, b"\0\xff\r\n" * 10, "1")


ERROR = b'{"error": "versions served: fedcba9876543210"}'


@pytest.mark.parametrize(
    ("status", "lasting"),
    [
        *((f"{status} X", False) for status in (400, 411, 413, 415, 422)),
        *((f"{status} X", True) for status in (301, 401, 403, 404, 405, 409)),
    ],
)
def test_refusals_are_told_and_never_sent_again(status: str, lasting: bool) -> None:
    with scripted_server(reply(ERROR, status)) as server:
        with pytest.raises(Refused, match=rf"answered {status[:3]}: versions served: fedcba98") as caught:
            client(server).infer(0, b"x")
        assert (caught.value.status, caught.value.lasting) == (int(status[:3]), lasting)
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", ["500 X", "502 X", "503 X", "408 X", "429 X", "204 X"])
def test_server_errors_and_overload_are_no_refusals(status: str) -> None:
    with scripted_server(reply(b"" if status[:3] == "204" else ERROR, status)) as server:
        with pytest.raises(Unreachable, match=f"answered {status[:3]}"):
            client(server).infer(0, b"x")
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"error": "two\\nlines \\u001b[31m"}', r": two lines \[31m$"),
        (b'{"error": "' + b"long " * 200 + b'"}', "long .{0,4}$"),
        *(
            (body, "400$")
            for body in (b"", b"<html>", b"[]", b'{"error": 3}', b'{"error": ""}', b"[" * 60_000)
        ),
    ],
)
def test_what_a_server_says_is_one_bounded_line(body: bytes, shown: str) -> None:
    with scripted_server(reply(body, "400 Bad Request")) as server:
        with pytest.raises(Refused, match=shown) as caught:
            client(server).infer(0, b"x")
        assert len(str(caught.value)) < 400
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("reaction", "reason"),
    [
        (answer(2), "belongs to another message"),
        (answer(1, label=10), "label 10 of 10 classes"),
        (reply(b"{}"), "cannot be used"),
        (reply(b"no JSON"), "cannot be used"),
        (reply(b'{"outputs": [{"name": "label", "data": [1]}]}'), "cannot be used"),
        (reply(struct.pack("<if", 1, float("nan"))), "cannot be used"),
    ],
)
def test_answers_that_are_none_are_not_believed(reaction: Reaction, reason: str) -> None:
    with scripted_server(reaction, answer(2)) as server:
        own = client(server)
        with pytest.raises(Unreachable, match=reason):
            own.infer(0, b"x")
        assert own.infer(0, b"x") == (7, 0.75)
        assert server.connections == 2  # the first was not trusted any more


def test_time_out_covers_all_of_a_message() -> None:
    with scripted_server(slow(b"HTTP/1.1 200 OK\r\n", pause_s=0.1)) as server:
        began = time.monotonic()
        with pytest.raises(Unreachable, match="no answer in time"):
            client(server, timeout_s=0.35).infer(0, b"x")
        assert 0.35 <= time.monotonic() - began < 5.0


def test_ready() -> None:
    with scripted_server(reply(b"{}"), reply(b"{}", "503 X"), hang_up, reply(b"{}", "404 X")) as server:
        own = client(server, token="secret")
        assert [own.is_ready() for _ in range(2)] == [True, False]
        own.close()
        assert [own.is_ready() for _ in range(2)] == [False, False]
        assert server.requests[0].startswith(
            b"GET /v2/models/digits/versions/0123456789abcdef/ready HTTP/1.1\r\n"
        )
        assert b"\r\nAuthorization: Bearer secret\r\n" in server.requests[0]


@pytest.mark.parametrize(("wanted", "sent"), [(500, 500), (1234, 1234), (10**6, 8192)])
def test_questions_for_readiness_are_padded(wanted: int, sent: int) -> None:
    with scripted_server(reply(b"{}")) as server:
        own = client(server)
        assert own.is_ready(request_bytes=wanted)
        assert len(server.requests[0]) == own.sent_bytes == sent


def test_nobody_listens() -> None:
    with scripted_server(reply()) as server:
        pass
    own = client(server)
    with pytest.raises(Unreachable, match="connection refused"):
        own.infer(0, b"x")
    assert not own.is_ready()


@pytest.mark.parametrize("token", ["", " x", "x\n", "a\r\nHost: b", "\u00e9", "\x7f"])
def test_tokens_that_would_break_a_header_are_refused(token: str) -> None:
    with pytest.raises(UserError, match="token"):
        Client("http://localhost", BUNDLE, token)


@pytest.mark.parametrize(
    ("url", "token", "exposes"),
    [
        ("http://10.0.0.1", "t", True),
        ("http://10.0.0.1", None, False),
        ("http://localhost", "t", False),
        ("https://10.0.0.1", "t", False),
    ],
)
def test_tokens_in_clear_are_noticed(url: str, token: str | None, exposes: bool) -> None:
    assert Client(url, BUNDLE, token, 1.0).exposes_token == exposes


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ({}, 1.0),
        ({"rtt_s": None, "uplink_bits_per_s": 1e6}, 1.0),
        ({"rtt_s": 0.02, "uplink_bits_per_s": 1e6}, 1.0),
        ({"rtt_s": 0.5, "uplink_bits_per_s": 8000}, 4 * (0.5 + (384 + 256 + 300) / 1000)),
    ],
)
def test_slow_links_are_given_time(link: dict[str, Any], expected: float) -> None:
    points = [SimpleNamespace(message_bytes=own) for own in (0.0, 300.0, 20.0)]
    bundle: Any = SimpleNamespace(**vars(BUNDLE), points=points, setting={"link": link})
    assert Client("http://localhost", bundle).timeout_s == pytest.approx(expected)
