"""The edge: each sample is answered once, from where it says, and never guessed."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import SHAPE, TinyNet, TinyPoint, tiny_bundle, tiny_samples
from hypothesis import given
from hypothesis import strategies as st

from explorer.runtime.codec import decode
from explorer.runtime.edge.breaker import Breaker
from explorer.runtime.edge.client import Refused, Unreachable
from explorer.runtime.edge.edge_runtime import EdgeRuntime, NoAnswerError, open_edge
from explorer.runtime.edge.offload import REFUSED_WAIT_S
from explorer.runtime.errors import UserError
from explorer.runtime.manifest import Bundle, load_bundle
from explorer.runtime.stages import ServerParts

DOWN = Unreachable("connection refused")
WRONG_VERSION = Refused("the server answered 404: version 01, served: 02", 404)
MALFORMED = Refused("the server answered 400: point: must be 0", 400)
SAMPLES = tiny_samples(100)
NET = TinyNet()


class StandInClient:
    """A server in this process; ``fault`` is raised instead of an answer, ``ready`` is its readiness."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle, self._parts = bundle, ServerParts(bundle)
        self.fault: Exception | None = None
        self.ready = True
        self.messages = self.questions = self.answered = 0
        self.sent_bytes = self.received_bytes = 0

    def deadline(self) -> float:
        return 0.0

    def infer(self, place: int, payload: bytes, deadline: float) -> tuple[int, float]:
        self.messages += 1
        self.sent_bytes += 384 + len(payload)
        if self.fault is not None:
            raise self.fault
        self.answered += 1
        point = self._bundle.points[place]
        assert point.codec is not None
        received = decode(payload, point.crossing_shape, point.codec)
        logits = self._parts.run(received[np.newaxis], place)[0]
        return int(logits.argmax()), 0.5

    def is_ready(self, deadline: float | None = None, request_bytes: int = 0) -> bool:
        self.questions += 1
        self.sent_bytes += request_bytes or 120
        self.received_bytes += 100
        return self.ready

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Bundle]:
    """Bundles by their points, each written once."""
    made: dict[tuple[TinyPoint, ...], Bundle] = {}

    def bundle(*points: TinyPoint) -> Bundle:
        if points not in made:
            folder = tiny_bundle(tmp_path_factory.mktemp("bundle") / "b", *points)
            made[points] = load_bundle(folder, "edge")
        return made[points]

    return bundle


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def edge_with_server(bundle: Bundle, policy: Any = None) -> tuple[EdgeRuntime, StandInClient, Clock]:
    client, clock = StandInClient(bundle), Clock()
    breaker = Breaker(clock=clock, random_share=lambda: 0.0)
    return EdgeRuntime(bundle, client, policy, breaker=breaker), client, clock  # type: ignore[arg-type]


SPLIT = TinyPoint(threshold=0.5)
NO_EXIT = TinyPoint(threshold=None)
INPUT = TinyPoint("input", threshold=None, bits=16)
OUTPUT = TinyPoint("output", threshold=None)


def test_sure_samples_exit_and_others_are_sent(bundles: Callable[..., Bundle]) -> None:
    edge, client, _ = edge_with_server(bundles(SPLIT))
    for sample in SAMPLES:
        before = client.messages
        answer = edge.answer(sample)
        sure = NET.exit_confidence(sample) >= 0.5
        assert answer.source == ("exit" if sure else "server")
        assert answer.label == (NET.exit_label(sample) if sure else NET.server_label(sample, SPLIT))
        assert client.messages - before == (0 if sure else 1)
        assert answer.sent_bytes == (0 if sure else 384 + 10 + 8)
        assert (answer.point, answer.reason) == (0, None)
        if sure:
            assert answer.confidence == pytest.approx(NET.exit_confidence(sample), abs=1e-6)
    assert 0 < client.messages < len(SAMPLES)
    assert edge.sent_bytes == client.messages * (384 + 10 + 8)


@pytest.mark.parametrize("point", [NO_EXIT, INPUT, TinyPoint(threshold=None, bits=2, entropy="zstd")])
def test_without_exit_all_is_sent(bundles: Callable[..., Bundle], point: TinyPoint) -> None:
    edge, client, _ = edge_with_server(bundles(point))
    for sample in SAMPLES[:20]:
        answer = edge.answer(sample)
        assert (answer.source, answer.label) == ("server", NET.server_label(sample, point))
    assert client.messages == 20


@pytest.mark.parametrize("with_server", [True, False])
def test_at_output_the_edge_answers_alone(bundles: Callable[..., Bundle], with_server: bool) -> None:
    edge, client, _ = edge_with_server(bundles(OUTPUT))
    edge = edge if with_server else EdgeRuntime(bundles(OUTPUT))
    for sample in SAMPLES[:20]:
        answer = edge.answer(sample)
        logits = NET.crossing(sample, "output")
        assert (answer.source, answer.label, answer.sent_bytes) == ("exit", int(logits.argmax()), 0)
        assert answer.confidence == pytest.approx(np.exp(logits.max()) / np.exp(logits).sum(), abs=1e-6)
    assert client.messages == 0


@pytest.mark.parametrize("fault", [DOWN, WRONG_VERSION, MALFORMED])
def test_the_exit_answers_for_a_server_that_does_not(
    bundles: Callable[..., Bundle], fault: Exception
) -> None:
    edge, client, _ = edge_with_server(bundles(SPLIT))
    client.fault = fault
    for sample in SAMPLES:
        answer = edge.answer(sample)
        assert answer.label == NET.exit_label(sample)
        assert answer.confidence == pytest.approx(NET.exit_confidence(sample), abs=1e-6)
        sure = NET.exit_confidence(sample) >= 0.5
        assert answer.source == ("exit" if sure else "edge_fallback")
        assert answer.reason is None if sure else str(fault) in str(answer.reason)
    assert client.messages == (1 if fault is WRONG_VERSION else 3)


def test_no_server_at_all(bundles: Callable[..., Bundle]) -> None:
    edge = EdgeRuntime(bundles(SPLIT))
    sources = {edge.answer(sample).source for sample in SAMPLES}
    assert sources == {"exit", "edge_fallback"}
    assert edge.sent_bytes == 0
    with pytest.raises(NoAnswerError, match="no exit, and the server gives no answer: no server was named"):
        EdgeRuntime(bundles(NO_EXIT)).answer(SAMPLES[0])


@pytest.mark.parametrize("fault", [DOWN, WRONG_VERSION, MALFORMED])
def test_no_exit_and_no_answer_is_an_error(bundles: Callable[..., Bundle], fault: Exception) -> None:
    edge, client, clock = edge_with_server(bundles(NO_EXIT))
    client.fault = fault
    for sample in SAMPLES[:5]:
        with pytest.raises(NoAnswerError, match=str(fault)):
            edge.answer(sample)
    client.fault, clock.now = None, 1000.0
    assert edge.answer(SAMPLES[5]).source == "server"


@pytest.mark.parametrize("able", [SPLIT, OUTPUT])
def test_another_point_answers_where_the_chosen_one_has_no_exit(
    bundles: Callable[..., Bundle], able: TinyPoint
) -> None:
    edge, client, _ = edge_with_server(bundles(NO_EXIT, SPLIT, able))
    client.fault = DOWN
    answer = edge.answer(SAMPLES[0])
    assert (answer.source, answer.reason) == ("edge_fallback", "connection refused")
    own = able is OUTPUT  # the whole network is preferred to an exit
    assert answer.point == (2 if own else 1)
    logits = NET.crossing(SAMPLES[0], "output")
    assert answer.label == (int(logits.argmax()) if own else NET.exit_label(SAMPLES[0]))


def test_breaker_opens_asks_and_closes(
    bundles: Callable[..., Bundle], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    edge, client, clock = edge_with_server(bundles(NO_EXIT, SPLIT))
    client.fault, client.ready = DOWN, False

    def next_answer() -> tuple[str, int, int]:
        before = client.messages, client.questions
        answer = edge.answer(SAMPLES[0])
        return answer.source, client.messages - before[0], client.questions - before[1]

    assert [next_answer() for _ in range(3)] == [("edge_fallback", 1, 0)] * 3
    assert [next_answer() for _ in range(10)] == [("edge_fallback", 0, 0)] * 10
    assert edge.answer(SAMPLES[0]).reason == "the server is left alone: connection refused"
    clock.now = 0.5
    assert next_answer() == ("edge_fallback", 0, 1)  # asked, not ready
    clock.now, client.ready = 1.4, True
    assert next_answer() == ("edge_fallback", 0, 0)  # the wait has doubled
    clock.now = 1.5
    assert next_answer() == ("edge_fallback", 1, 1)  # ready, yet the message fails
    clock.now, client.fault = 3.5, None
    assert next_answer() == ("server", 1, 1)
    assert [next_answer() for _ in range(3)] == [("server", 1, 0)] * 3
    assert [record.message for record in caplog.records] == [
        "the server is left alone for a while: connection refused",
        "the server answers again",
    ]
    assert edge.breaker.openings == 1


def test_a_wrong_version_is_said_once_and_nothing_more_is_sent(
    bundles: Callable[..., Bundle], caplog: pytest.LogCaptureFixture
) -> None:
    edge, client, clock = edge_with_server(bundles(NO_EXIT, SPLIT))
    client.fault, client.ready = WRONG_VERSION, False
    for second in range(int(REFUSED_WAIT_S)):
        clock.now = second
        assert edge.answer(SAMPLES[0]).source == "edge_fallback"
    assert (client.messages, client.questions) == (1, 0)
    (record,) = caplog.records
    assert edge.bundle.version in record.message
    assert "served: 02" in record.message
    clock.now = REFUSED_WAIT_S
    edge.answer(SAMPLES[0])
    assert (client.messages, client.questions) == (1, 1)
    clock.now, client.ready = 2 * REFUSED_WAIT_S, True  # ready, but it still refuses
    edge.answer(SAMPLES[0])
    assert (client.messages, client.questions) == (2, 2)
    assert len(caplog.records) == 1
    clock.now, client.fault = 3 * REFUSED_WAIT_S, None  # rolled out
    assert edge.answer(SAMPLES[0]).source == "server"


@given(st.lists(st.tuples(st.sampled_from(["up", "down", "400", "404"]), st.floats(0, 400)), max_size=40))
def test_whatever_the_server_does_every_answer_is_true_and_single(
    bundles: Callable[..., Bundle], events: list[tuple[str, float]]
) -> None:
    edge, client, clock = edge_with_server(bundles(SPLIT))
    faults = {"up": None, "down": DOWN, "400": MALFORMED, "404": WRONG_VERSION}
    samples: Iterator[Any] = iter(SAMPLES)
    for state, pause in events:
        clock.now += pause
        client.fault, client.ready = faults[state], state != "down"
        sample = next(samples)
        messages, answered, sent_bytes = client.messages, client.answered, client.sent_bytes
        answer = edge.answer(sample)
        assert client.messages - messages <= 1
        assert (answer.source == "server") == (client.answered > answered)
        assert (answer.source == "exit") == (NET.exit_confidence(sample) >= 0.5)
        assert (answer.reason is not None) == (answer.source == "edge_fallback")
        assert answer.sent_bytes == client.sent_bytes - sent_bytes
        expected = NET.server_label(sample, SPLIT) if answer.source == "server" else NET.exit_label(sample)
        assert answer.label == expected


class StandInPolicy:
    """Chooses what it is told, and keeps what it hears."""

    def __init__(self) -> None:
        self.place, self.size = 0, 0
        self.heard: list[Any] = []
        self.changes: list[Any] = []

    def choose(self) -> int:
        return self.place

    def observe(self, sent_bytes: float, seconds: float) -> None:
        self.heard.append(("message", sent_bytes))

    def failed(self, seconds: float, *, probe: bool = False) -> None:
        self.heard.append(("lost probe" if probe else "lost", 0))

    def probe_bytes(self) -> int:
        return self.size

    def observe_probe(self, carried_bytes: float, seconds: float) -> None:
        self.heard.append(("probe", carried_bytes))


def test_policy_chooses_the_point_and_hears_of_messages(bundles: Callable[..., Bundle]) -> None:
    policy = StandInPolicy()
    edge, client, clock = edge_with_server(bundles(NO_EXIT, INPUT, OUTPUT), policy)
    points = (NO_EXIT, INPUT)
    for place, size in ((0, 10 + 8), (1, 10 - 8 + 8 + 32), (2, 0)):
        policy.place = place
        answer = edge.answer(SAMPLES[0])
        assert answer.point == place
        if place < 2:
            assert answer.label == NET.server_label(SAMPLES[0], points[place])
            assert policy.heard.pop() == ("message", 384 + size)
    assert policy.heard == []
    edge.look_at_link()
    assert (policy.heard, client.questions) == ([], 0)  # none was due
    policy.size = 300
    edge.look_at_link()
    assert policy.heard == [("probe", 400)]
    policy.heard.clear()
    policy.place, client.fault, client.ready = 0, DOWN, False
    for _ in range(4):
        assert edge.answer(SAMPLES[0]).point == 2
    edge.look_at_link()  # the breaker is open: nothing is sent
    assert policy.heard == [("lost", 0)] * 4
    clock.now = 0.5
    edge.look_at_link()
    assert policy.heard[4:] == [("lost probe", 0)]
    clock.now, client.ready, client.fault = 1.5, True, None
    edge.look_at_link()  # the policy's probe is the breaker's question, too
    assert policy.heard[5:] == [("probe", 400)]
    assert edge.breaker.state == "half_open"
    assert edge.answer(SAMPLES[0]).source == "server"


@pytest.mark.parametrize(
    "sample",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((2, *SHAPE), np.float32),
        np.zeros(SHAPE, complex),
        np.full(SHAPE, "a"),
    ],
)
def test_samples_of_another_shape_or_type_are_refused(bundles: Callable[..., Bundle], sample: Any) -> None:
    with pytest.raises(UserError, match=r"a sample must hold numbers of shape \(1, 4, 4\), got"):
        EdgeRuntime(bundles(SPLIT)).answer(sample)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_what_is_not_finite_is_never_answered(bundles: Callable[..., Bundle], value: float) -> None:
    edge, client, _ = edge_with_server(bundles(SPLIT))
    sample = np.zeros(SHAPE)
    sample[0, 1, 2] = value
    with pytest.raises(NoAnswerError, match="the sample holds NaN, infinity"):
        edge.answer(sample)
    assert client.messages == 0


@pytest.mark.parametrize("point", [SPLIT, NO_EXIT, OUTPUT])
def test_values_that_overflow_inside_are_never_answered(
    bundles: Callable[..., Bundle], point: TinyPoint
) -> None:
    edge, client, _ = edge_with_server(bundles(point))
    client.fault = DOWN
    signs = np.where(np.arange(16) % 2, 1, -1).reshape(SHAPE)
    with pytest.raises(NoAnswerError, match=r"not finite|cannot be sent|no exit"):
        edge.answer((signs * 3e38).astype(np.float32))


def test_uint8_is_taken_only_where_the_bundle_scales_it(bundles: Callable[..., Bundle]) -> None:
    pixels = np.full(SHAPE, 7, np.uint8)
    with pytest.raises(UserError, match="scaled as in training"):
        EdgeRuntime(bundles(SPLIT)).answer(pixels)
    edge = EdgeRuntime(replace(bundles(SPLIT), input_dtype="uint8"))
    assert edge.answer(pixels).confidence == edge.answer(pixels.astype(np.float32)).confidence


def test_other_numbers_are_converted(bundles: Callable[..., Bundle]) -> None:
    edge = EdgeRuntime(bundles(SPLIT))
    whole = np.arange(16, dtype=np.int64).reshape(SHAPE)
    assert edge.answer(whole).confidence == edge.answer(whole.astype(np.float32)).confidence


def test_open_edge(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "b", SPLIT)
    edge = open_edge(folder, "http://127.0.0.1:1", token="secret", timeout_s=0.2)
    reasons = {edge.answer(sample).reason for sample in SAMPLES}
    assert reasons == {None, "connection refused", "the server is left alone: connection refused"}
    edge.close()
    with pytest.raises(UserError, match="URL"):
        open_edge(folder, "server:80")
