"""A real server that is killed, stopped, slow or restarted: every sample is answered, truly and once.

Samples are such that exit and server answer differently, so that an answer's label shows where it comes from.
"""

import logging
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bundles import Floats, TinyNet, TinyPoint, tiny_bundle, tiny_samples
from scripted_server import Reaction, ScriptedServer, reply, scripted_server

from benchmarks.server_process import ServerProcess, server_process
from explorer.runtime.edge.breaker import Breaker
from explorer.runtime.edge.client import Client
from explorer.runtime.edge.edge_runtime import Answer, EdgeRuntime, NoAnswerError
from explorer.runtime.manifest import load_bundle

NET, NEVER_SURE, NO_EXIT = TinyNet(), TinyPoint(threshold=1.1), TinyPoint(threshold=None)
SAMPLES = np.stack(
    [one for one in tiny_samples(1000) if NET.exit_label(one) != NET.server_label(one, NEVER_SURE)]
)
TIMEOUT_S, FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 0.1, 0.4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("failures") / "b", NEVER_SURE)


@pytest.fixture
def server(folder: Path) -> Iterator[ServerProcess]:
    with server_process(folder) as running:
        yield running


def edge_of(folder: Path, url: str, token: str | None = None) -> EdgeRuntime:
    bundle = load_bundle(folder, "edge")
    breaker = Breaker(first_wait_s=FIRST_WAIT_S, longest_wait_s=LONGEST_WAIT_S)
    return EdgeRuntime(bundle, Client(url, bundle, token, TIMEOUT_S), breaker=breaker)


class Run:
    """Answers one sample after the other, and checks each."""

    def __init__(self, edge: EdgeRuntime) -> None:
        self.edge = edge
        self.answers: list[Answer] = []

    def __call__(self, count: int, pause_s: float = 0.0) -> Counter[str]:
        """Sources of so many answers."""
        sources: Counter[str] = Counter()
        for _ in range(count):
            sample = SAMPLES[len(self.answers) % len(SAMPLES)]
            answer = self.edge.answer(sample)
            self.answers.append(answer)
            assert answer.source == source_of(sample, answer.label)
            assert (answer.reason is None) == (answer.source == "server")
            assert answer.latency_s < TIMEOUT_S + 0.2
            sources[answer.source] += 1
            time.sleep(pause_s)
        return sources

    def until_served(self, within_s: float = 10.0) -> int:
        """How many samples pass until the server answers again."""
        deadline = time.monotonic() + within_s
        for number in range(10**6):
            assert time.monotonic() < deadline
            if self(1, pause_s=0.02)["server"]:
                return number
        raise AssertionError


def source_of(sample: Floats, label: int) -> str:
    """Where a label comes from."""
    return {NET.exit_label(sample): "edge_fallback", NET.server_label(sample, NEVER_SURE): "server"}[label]


def test_killed_and_started_again(
    folder: Path, server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    run = Run(edge_of(folder, server.url))
    assert run(30) == {"server": 30}
    assert server.metric("explorer_requests_total") == 30
    server.end(signal.SIGKILL)
    assert run(100) == {"edge_fallback": 100}
    assert run.edge.breaker.state == "open"
    reasons = [answer.reason for answer in run.answers[30:]]
    assert all(str(reason).endswith("connection refused") for reason in reasons[1:])
    sent = [answer for answer in run.answers[30:] if answer.sent_bytes]
    assert len(sent) <= 1  # over the kept connection; to others nothing could be sent
    server.start()
    run.until_served()
    assert run(30) == {"server": 30}
    assert run.edge.breaker.state == "closed"
    assert server.metric("explorer_requests_total") == 31
    words = [record.message.split(":")[0] for record in caplog.records]
    assert words == ["the server is left alone for a while", "the server answers again"]


def test_stopped_and_continued(folder: Path, server: ServerProcess) -> None:
    run = Run(edge_of(folder, server.url))
    assert run(20) == {"server": 20}
    server.send(signal.SIGSTOP)
    began = time.monotonic()
    assert run(3) == {"edge_fallback": 3}
    assert 3 * TIMEOUT_S <= time.monotonic() - began < 30 * TIMEOUT_S
    assert {answer.reason for answer in run.answers[20:]} == {"no answer in time"}
    began = time.monotonic()
    assert run(50) == {"edge_fallback": 50}  # left alone: nothing waits any more, but for a question or two
    assert time.monotonic() - began < 30 * TIMEOUT_S
    server.send(signal.SIGCONT)  # it now answers what nobody waits for
    run.until_served()
    assert run(50) == {"server": 50}


def test_a_short_stop_costs_a_few_samples_and_no_answer_is_taken_for_another(
    folder: Path, server: ServerProcess
) -> None:
    run = Run(edge_of(folder, server.url))
    for _ in range(5):
        server.send(signal.SIGSTOP)
        assert run(1) == {"edge_fallback": 1}
        server.send(signal.SIGCONT)
        assert run(10) == {"server": 10}
    assert run.edge.breaker.openings == 0


def test_restarted_between_two_samples(folder: Path, server: ServerProcess) -> None:
    run = Run(edge_of(folder, server.url))
    for _ in range(2):
        assert run(10) == {"server": 10}
        assert server.end(signal.SIGTERM) == 0
        server.start()
    assert run(10) == {"server": 10}
    assert run.edge.client is not None
    assert run.edge.client.connections == 3
    assert all(answer.sent_bytes == run.answers[0].sent_bytes for answer in run.answers)  # each sent once


def test_another_bundle_is_refused_by_name_and_nothing_more_is_sent(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = tiny_bundle(tmp_path / "other", NEVER_SURE, seed=1)
    with server_process(other) as server:
        run = Run(edge_of(folder, server.url))
        assert run(100) == {"edge_fallback": 100}
        assert server.metric("explorer_requests_total") == 1
    (record,) = caplog.records
    for own in (folder, other):
        assert load_bundle(own, "edge").version in record.message
    assert "answered 404" in record.message


def test_old_and_new_bundle_side_by_side_serve_each_its_own_edge(folder: Path, tmp_path: Path) -> None:
    other = tiny_bundle(tmp_path / "other", NEVER_SURE, seed=1)
    net = TinyNet(seed=1)
    with server_process(folder, other) as server:
        assert Run(edge_of(folder, server.url))(20) == {"server": 20}
        edge = edge_of(other, server.url)
        for sample in SAMPLES[:20]:
            answer = edge.answer(sample)
            assert (answer.source, answer.label) == ("server", net.server_label(sample, NEVER_SURE))


def test_without_the_token_nothing_more_is_sent(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "token").write_text("secret")
    with server_process(folder, "--token-file", tmp_path / "token") as server:
        assert Run(edge_of(folder, server.url, "secret"))(20) == {"server": 20}
        run = Run(edge_of(folder, server.url, "wrong"))
        assert run(50) == {"edge_fallback": 50}
        assert len([answer for answer in run.answers if answer.sent_bytes]) == 1
    (record,) = caplog.records
    assert "answered 401" in record.message
    assert "wrong" not in record.message.replace("wrong version", "")


def test_a_refused_message_is_never_sent_again(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with scripted_server(reply(b'{"error": "body: is too long"}', "413 X")) as server:
        run = Run(edge_of(folder, server.url))
        assert run(3) == {"edge_fallback": 3}
        assert all("answered 413" in str(answer.reason) for answer in run.answers)
        assert sum(own.startswith(b"POST") for own in server.requests) == 3
    assert [record.message[:21] for record in caplog.records] == [
        "a message was refused",
        "the server is left al",
    ]


def test_server_errors_open_the_breaker_and_its_recovery_closes_it(
    folder: Path, server: ServerProcess
) -> None:
    failing = 5

    def forward(connection: socket.socket) -> bool:
        message = front.requests[-1]
        broken = (
            message.startswith(b"POST") and sum(own.startswith(b"POST") for own in front.requests) <= failing
        )
        return reply(b'{"error": "out of memory"}', "500 X")(connection) if broken else passed_on(connection)

    def passed_on(connection: socket.socket) -> bool:
        with socket.create_connection(("127.0.0.1", server.port)) as onwards:
            onwards.sendall(front.requests[-1])
            connection.sendall(onwards.recv(65_536))
        return True

    with scripted_server(forward) as front:
        run = Run(edge_of(folder, front.url))
        run.until_served()
        assert run(20) == {"server": 20}
        posts = sum(request.startswith(b"POST") for request in front.requests)
        assert posts == failing + 21
    assert run.edge.breaker.openings == 1
    assert run.answers[0].reason == "the server answered 500: out of memory"


def delayed(front: list[ScriptedServer], port: int, seconds: list[float]) -> Reaction:
    """Passes messages on to a server and its answers back, after the next of these seconds."""

    def react(connection: socket.socket) -> bool:
        message = front[0].requests[-1]
        if message.startswith(b"POST"):
            time.sleep(seconds.pop(0))
        with socket.create_connection(("127.0.0.1", port)) as onwards:
            onwards.sendall(message)
            connection.sendall(onwards.recv(65_536))
        return True

    return react


def test_slow_answers_count_up_to_the_deadline_and_late_ones_are_not_taken(
    folder: Path, server: ServerProcess
) -> None:
    quick, slow, late = 0.0, 0.6 * TIMEOUT_S, 1.4 * TIMEOUT_S
    delays = [quick, slow, late, quick, late, slow, late, late, quick]
    front: list[ScriptedServer] = []
    with scripted_server(delayed(front, server.port, list(delays))) as own:
        front.append(own)
        run = Run(edge_of(folder, own.url))
        run(len(delays))
    sources = [answer.source for answer in run.answers]
    assert sources == ["edge_fallback" if delay == late else "server" for delay in delays]
    assert run.edge.breaker.openings == 0  # never three in a row


def test_without_exit_there_is_an_error_until_the_server_is_back(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "b", NO_EXIT)
    with server_process(folder) as server:
        edge = edge_of(folder, server.url)
        assert edge.answer(SAMPLES[0]).source == "server"
        server.end()
        for sample in SAMPLES[:20]:
            with pytest.raises(NoAnswerError, match="no exit, and the server gives no answer: "):
                edge.answer(sample)
        server.start()
        time.sleep(LONGEST_WAIT_S)
        answer = edge.answer(SAMPLES[1])
        assert (answer.source, answer.label) == ("server", NET.server_label(SAMPLES[1], NO_EXIT))
