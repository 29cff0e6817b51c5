"""The server over real sockets: what it answers, what it refuses, and that nothing brings it down."""

import json
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from certificates import write_certificate
from hostile_requests import HOSTILE, body_of, valid
from served_bundles import Answer, Served, command, error_of, received, response_of, serving

from benchmarks.stand_in_bundle import (
    CROSSING,
    OUTPUT_POINT,
    POINTS,
    codec_of,
    crossings,
    roundtrip,
    write_bundle,
)
from explorer.runtime.codec import encode
from explorer.runtime.manifest import load_bundle
from explorer.runtime.protocol.messages import HEADER_LENGTH, infer_request
from explorer.runtime.server import metrics
from explorer.runtime.server.application import Limits
from explorer.runtime.server.served import answers_of
from explorer.runtime.server.serving import make_app, tls_context
from explorer.runtime.sizes import REQUEST_OVERHEAD, RESPONSE_BYTES
from explorer.runtime.stages import ServerParts

SENDING = [number for number, payload in enumerate(POINTS) if payload is not None]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("other"), seed=1)


@pytest.fixture(scope="module")
def served(bundle: Path) -> Iterator[Served]:
    with serving(bundle) as running:
        yield running


def payload_of(point: int, crossing: np.ndarray | None = None) -> bytes:
    payload = POINTS[point]
    assert payload is not None
    return encode(crossings(1)[0] if crossing is None else crossing, codec_of(payload))


def message(
    served: Served, point: int = 0, payload: bytes | None = None, version: str = "", **more: Any
) -> bytes:
    payload = payload_of(point) if payload is None else payload
    return infer_request(
        served.name,
        version or served.version,
        f"127.0.0.1:{served.port}",
        point=point,
        payload=payload,
        **more,
    )


def slow(served: Served, seconds: float) -> list[int]:
    """Let inference take its time; the list grows by the size of every batch."""
    (model,), sizes = served.app.served, list[int]()
    quick = model.answer

    def answer(point: int, payloads: Any) -> Any:
        sizes.append(len(payloads))
        time.sleep(seconds)
        return quick(point, payloads)

    model.answer = answer  # type: ignore[method-assign]
    return sizes


def waits_until(what: Any) -> None:
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


# what it answers


@pytest.mark.parametrize("point", SENDING)
def test_answers_are_those_of_the_server_part(bundle: Path, served: Served, point: int) -> None:
    sent, payload = crossings(20, seed=point), POINTS[point]
    assert payload is not None
    received = np.stack([roundtrip(crossing, payload) for crossing in sent])
    expected = answers_of(ServerParts(load_bundle(bundle, "server")).run(received, point))
    for number, (crossing, own) in enumerate(zip(sent, expected, strict=True)):
        assert isinstance(own, tuple)
        answer = served.send(message(served, point, payload_of(point, crossing), number=number))
        response = response_of(answer)
        assert (response.label, response.id) == (own[0], str(number))
        assert response.confidence == pytest.approx(own[1], abs=1e-5)


def test_bytes_on_the_wire_are_known_before(served: Served) -> None:
    for point in SENDING:
        payload = payload_of(point)
        with served.connect() as connection:
            for number in (1, 10**6):
                request = message(served, point, number=number)
                assert len(request) == REQUEST_OVERHEAD + len(payload)
                connection.sendall(request)
                answer = b""
                while len(answer) < RESPONSE_BYTES:
                    answer += connection.recv(4096)
                assert len(answer) == RESPONSE_BYTES
                assert answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 216\r\n\r\n{")


def test_a_standard_client_gets_binary_outputs(served: Served) -> None:
    outputs = [{"name": "confidence", "parameters": {"binary_data": True}}, {"name": "label"}]
    content = valid(payload_of(0)) | {"outputs": outputs}
    status, headers, body = served.infer(*body_of(content, payload_of(0)))
    length = int(headers[HEADER_LENGTH])
    told = json.loads(body[:length])["outputs"]
    assert status == 200
    assert told[0] == {
        "name": "confidence",
        "datatype": "FP32",
        "shape": [1],
        "parameters": {"binary_data_size": 4},
    }
    plain = response_of(served.send(message(served)))
    assert told[1]["data"] == [plain.label]
    assert struct.unpack("<f", body[length:]) == (pytest.approx(plain.confidence),)


def test_health_and_metadata(served: Served) -> None:
    where = f"/v2/models/{served.name}"
    for path in (
        "/v2/health/live",
        "/v2/health/ready",
        f"{where}/ready",
        f"{where}/versions/{served.version}/ready",
    ):
        assert served.ask("GET", path)[0] == 200
        assert served.ask("HEAD", path)[::2] == (200, b"")
    assert json.loads(served.ask("GET", "/v2")[2])["extensions"] == ["binary_tensor_data"]
    metadata = json.loads(served.ask("GET", f"{where}?verbose=1")[2])
    assert metadata == json.loads(served.ask("GET", f"{where}/versions/{served.version}")[2])
    assert metadata["versions"] == [served.version]
    assert metadata["inputs"] == [{"name": "payload", "datatype": "UINT8", "shape": [1, -1]}]
    assert [output["name"] for output in metadata["outputs"]] == ["label", "confidence"]


def test_one_version_need_not_be_named_and_is_told(served: Served) -> None:
    body, length = body_of(valid(payload_of(0)), payload_of(0))
    answer = served.ask("POST", f"/v2/models/{served.name}/infer", body, {HEADER_LENGTH: length})
    assert json.loads(answer[2])["model_version"] == served.version
    assert response_of(answer) == response_of(served.infer(body, length))


def test_bundles_side_by_side_answer_for_themselves(bundle: Path, other: Path) -> None:
    with serving(bundle, other) as served:
        body, length = body_of(valid(payload_of(0)), payload_of(0))
        for folder in (bundle, other):
            own = load_bundle(folder, "server")
            logits = ServerParts(own).run(roundtrip(crossings(1)[0], POINTS[0])[np.newaxis])
            assert response_of(served.infer(body, length, own.version)).label == logits.argmax()
        answer = served.ask("POST", f"/v2/models/{served.name}/infer", body, {HEADER_LENGTH: length})
        assert answer[0] == 400
        assert all(version in error_of(answer) for version in served.versions)


def test_metrics_tell_what_happened(bundle: Path) -> None:
    pytest.importorskip("prometheus_client")
    with serving(bundle) as served:
        for _ in range(3):
            served.send(message(served))
        served.infer(*HOSTILE["NaN"])
        served.ask("GET", "/v2/models/another")
        status, headers, body = served.ask("GET", "/metrics")
        lines = body.decode().splitlines()
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    own = f'model="digits",version="{served.version}"'
    assert f'explorer_requests_total{{code="200",{own}}} 3.0' in lines
    assert f'explorer_requests_total{{code="400",{own}}} 1.0' in lines
    assert 'explorer_requests_total{code="404",model="",version=""} 1.0' in lines
    assert 'explorer_refusals_total{reason="malformed"} 1.0' in lines
    assert 'explorer_batch_size_bucket{le="1.0"} 3.0' in lines
    assert "explorer_request_seconds_count 3.0" in lines
    assert "explorer_queue_length 0.0" in lines


def test_without_the_library_it_counts_nothing_and_answers(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "prometheus", None)
    with serving(bundle) as served:
        response_of(served.send(message(served)))
        answer = served.ask("GET", "/metrics")
        assert answer[0] == 501
        assert "prometheus_client" in error_of(answer)


# what it refuses


def wrong_payloads() -> dict[str, tuple[int, bytes]]:
    right = payload_of(0)
    return {
        "empty": (0, b""),
        "a byte too short": (0, right[:-1]),
        "a byte too long": (0, right + b"\0"),
        "another form": (0, b"\x02" + right[1:]),
        "other bits": (0, right[:1] + b"\x04" + right[2:]),
        "said to be compressed": (0, right[:1] + b"\x88" + right[2:]),
        "range without end": (0, right[:2] + struct.pack("<ff", 3e38, 3e38) + right[10:]),
        "range not a number": (0, right[:2] + struct.pack("<ff", float("nan"), 1) + right[10:]),
        "value not a number": (2, payload_of(2)[:-4] + struct.pack("<f", float("nan"))),
        "value infinite": (2, payload_of(2)[:-4] + struct.pack("<f", float("inf"))),
        "values too large to answer": (2, payload_of(2)[:10] + struct.pack("<f", 3e38) * CROSSING),
        "of another point": (1, payload_of(0)),
        "compressed nonsense": (4, payload_of(4)[:1] + b"\x88" + bytes(8) + b"nonsense"),
        "a point that is not there": (len(POINTS), right),
        "a point at which nothing is sent": (OUTPUT_POINT, right),
    }


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_refused(served: Served, name: str) -> None:
    body, length = HOSTILE[name]
    if length is not None and not length.isascii():
        return  # HTTP has no such headers
    answer = served.infer(body, length)
    assert answer[0] == (413 if len(body) > served.app.max_body else 400)
    error_of(answer)
    assert served.ask("GET", "/v2/health/ready")[0] == 200


@pytest.mark.parametrize("name", wrong_payloads())
def test_a_payload_that_is_none_is_refused(served: Served, name: str) -> None:
    point, payload = wrong_payloads()[name]
    answer = served.send(message(served, point, payload))
    assert answer[0] == 400
    assert error_of(answer).startswith(("payload: ", "point: "))
    assert "explorer" not in error_of(answer)


def test_a_bad_payload_does_not_spoil_its_batch(bundle: Path) -> None:
    with serving(bundle) as served, ThreadPoolExecutor(8) as pool:
        sizes = slow(served, 0.3)
        bad = payload_of(2)[:-4] + struct.pack("<f", float("nan"))
        first = pool.submit(served.send, message(served, 2))
        waits_until(lambda: sizes == [1])
        answers = [
            pool.submit(served.send, message(served, 2, own)) for own in (payload_of(2), bad, payload_of(2))
        ]
        assert [answer.result()[0] for answer in answers] == [200, 400, 200]
        assert first.result()[0] == 200
        assert sizes == [1, 3]


def test_another_version_is_refused_by_name(served: Served) -> None:
    answer = served.send(message(served, version="f" * 16))
    assert answer[0] == 404
    assert "f" * 16 in error_of(answer)
    assert served.version in error_of(answer)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v2/models", 404),
        ("GET", "/v2/models/another", 404),
        ("GET", "/v2/models/digits/versions/7/ready", 404),
        ("GET", "/v2/models/../../etc/passwd", 404),
        ("GET", "/v2/models/digits/infer", 405),
        ("POST", "/v2/health/live", 405),
        ("POST", "/v2/repository/models/digits/load", 404),
        ("DELETE", "/v2/models/digits", 405),
        ("OPTIONS", "/v2", 405),
    ],
)
def test_what_is_not_there_is_refused(served: Served, method: str, path: str, status: int) -> None:
    answer = served.ask(method, path)
    assert answer[0] == status
    error_of(answer)


def post(served: Served, headers: str, body: bytes = b"") -> Answer:
    path = f"/v2/models/{served.name}/infer"
    return served.send(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n".encode() + body)


def test_a_body_must_have_a_length_that_is_allowed(served: Served) -> None:
    assert post(served, "Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n")[0] == 411
    assert post(served, "Content-Length: ten")[0] == 400
    assert post(served, "Content-Length: -1")[0] == 400
    assert post(served, "Content-Length: 3, 4", b"abcd")[0] == 400
    most = served.app.max_body
    refused = post(served, f"Content-Length: {most + 1}", bytes(most + 1))
    assert refused[0] == 413
    assert f"at most {most} bytes, got {most + 1}" in error_of(refused)
    assert post(served, f"Content-Length: {most}", bytes(most))[0] == 400
    assert post(served, f"Content-Length: {2**40}")[0] == 413
    assert post(served, "Content-Length: 3\r\nContent-Encoding: gzip", b"abc")[0] == 415
    assert post(served, "")[0] == 400


def test_a_refused_body_leaves_the_connection_usable(served: Served) -> None:
    with served.connect() as connection:
        for _ in range(3):
            connection.sendall(message(served, version="f" * 16, payload=bytes(10**6)))
            assert received(connection)[0] == 404
            connection.sendall(message(served))
            assert received(connection)[0] == 200


def test_without_the_token_nothing_but_live_is_told(bundle: Path) -> None:
    with serving(bundle, token="secret") as served:
        assert served.ask("GET", "/v2/health/live")[0] == 200
        for path in ("/v2/health/ready", "/v2", "/metrics", "/v2/models/digits", "/nothing"):
            status, headers, _ = served.ask("GET", path)
            assert (status, headers["Www-Authenticate"]) == (401, "Bearer")
        for header in (
            "Bearer secre",
            "Bearer secret2",
            "Basic secret",
            "secret",
            "Bearer",
            "Bearer s\xe9cret",
        ):
            assert served.ask("GET", "/v2", headers={"Authorization": header})[0] == 401
        assert served.ask("GET", "/v2", headers={"Authorization": "bearer  secret"})[0] == 200
        assert served.send(message(served))[0] == 401
        assert served.send(message(served, token="secret"))[0] == 200
        assert "secret" not in json.dumps(served.lines)


def test_https(bundle: Path, tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path)
    with serving(bundle, tls=tls_context(cert, key)) as served:
        trust = ssl.create_default_context(cafile=str(cert))
        with served.connect() as plain, trust.wrap_socket(plain, server_hostname="localhost") as connection:
            assert connection.version() in ("TLSv1.2", "TLSv1.3")
            connection.sendall(message(served))
            response_of(received(connection))
        with served.connect() as plain, suppress(ConnectionResetError):
            plain.sendall(message(served))
            assert plain.recv(100) == b""
        assert not [line for line in served.lines if line["level"] == "error"]


def test_a_defect_is_answered_with_one_line_and_logged(bundle: Path) -> None:
    with serving(bundle) as served:
        served.app.served[0].answer = lambda *_: 1 / 0  # type: ignore[assignment, method-assign]
        answer = served.send(message(served))
        assert answer[0] == 500
        assert error_of(answer) == "the model could not be computed"
        assert any("ZeroDivisionError" in line.get("error", "") for line in served.lines)


def test_logs_have_no_content_and_are_sparing(bundle: Path) -> None:
    secret = b"\x01\x08" + b"payload of a person"[:16]
    with serving(bundle) as served:
        for _ in range(50):
            served.send(message(served, 1, secret))
            served.infer(*HOSTILE["another name"])
        lines = [line for line in served.lines if line["event"] == "refused"]
    assert {line["reason"] for line in lines} == {"payload", "malformed"}
    assert len(lines) < 20
    assert all({"time", "level", "event", "reason", "code", "left_out"} <= set(line) for line in lines)
    assert "person" not in json.dumps(lines)
    assert "image" not in json.dumps(lines)


# when much is asked


def test_what_waits_is_computed_together_and_no_more_than_allowed(bundle: Path) -> None:
    with serving(bundle, limits=Limits(max_batch=4)) as served, ThreadPoolExecutor(16) as pool:
        sizes = slow(served, 0.2)
        first = pool.submit(served.send, message(served))
        waits_until(lambda: sizes == [1])
        rest = [pool.submit(served.send, message(served, place % 2)) for place in range(12)]
        assert {answer.result()[0] for answer in [first, *rest]} == {200}
    assert sum(sizes) == 13
    assert max(sizes) == 4
    assert len(sizes) == 5  # 1, and 6 of either point by fours: 4, 4, 2, 2


def test_a_full_queue_refuses_until_there_is_room(bundle: Path) -> None:
    with serving(bundle, limits=Limits(max_batch=1, queue=2)) as served, ThreadPoolExecutor(8) as pool:
        sizes = slow(served, 0.3)
        waiting = [pool.submit(served.send, message(served))]
        waits_until(lambda: sizes == [1])
        waiting += [pool.submit(served.send, message(served)) for _ in range(2)]
        waits_until(lambda: served.app._batcher.waiting == 2)
        status, headers, body = served.send(message(served))
        assert (status, headers["Retry-After"]) == (503, "1")
        assert b"busy" in body
        assert served.ask("GET", "/v2/health/live")[0] == 200  # the loop does not wait for the model
        assert [answer.result()[0] for answer in waiting] == [200] * 3
        assert served.send(message(served))[0] == 200


def test_nobody_computes_for_those_who_left(bundle: Path) -> None:
    with serving(bundle, limits=Limits(max_batch=1)) as served, ThreadPoolExecutor(4) as pool:
        sizes = slow(served, 0.3)
        first = pool.submit(served.send, message(served))
        waits_until(lambda: sizes == [1])
        for _ in range(5):
            with served.connect() as connection:
                connection.sendall(message(served))
                waits_until(lambda: served.app._batcher.waiting > 0)
        last = pool.submit(served.send, message(served))
        assert (first.result()[0], last.result()[0]) == (200, 200)
        assert sizes == [1, 1]


def test_requests_sent_at_once_are_answered_in_order(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"".join(message(served, number=number) for number in range(5)))
        stream = connection.makefile("rb")
        answers = [stream.read(RESPONSE_BYTES) for _ in range(5)]
    assert [json.loads(answer.partition(b"\r\n\r\n")[2])["id"] for answer in answers] == list("01234")


def test_silent_connections_are_closed(bundle: Path) -> None:
    with serving(bundle, idle_s=0.2, body_s=0.2) as served:
        for sent in (b"", b"GET /v2", message(served)[:-3]):
            with served.connect() as connection:
                connection.sendall(sent)
                assert connection.recv(100) == b""
        assert served.ask("GET", "/v2/health/ready")[0] == 200


# beginning and end


def test_it_is_live_before_it_is_ready(bundle: Path) -> None:
    with serving(bundle, ready=False) as served:
        assert served.ask("GET", "/v2/health/live")[0] == 200
        for answer in (served.ask("GET", "/v2/health/ready"), served.send(message(served))):
            assert answer[0] == 503
            assert "starting" in error_of(answer)
        served.soon(served.app.open()).result(20)
        assert served.ask("GET", "/v2/health/ready")[0] == 200
        assert [line["event"] for line in served.lines if line["level"] == "info"] == ["bundle checked"]


def test_draining_finishes_what_waits_and_takes_no_more(bundle: Path) -> None:
    with serving(bundle, limits=Limits(max_batch=1)) as served, ThreadPoolExecutor(8) as pool:
        sizes = slow(served, 0.2)
        with served.connect() as kept:
            kept.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert received(kept)[0] == 200
            waiting = [pool.submit(served.send, message(served)) for _ in range(4)]
            waits_until(lambda: served.app._batcher.waiting == 3)
            drained = served.soon(served.app.drain())
            waits_until(lambda: served.app.state == "draining")
            kept.sendall(message(served))
            assert received(kept)[0] == 503
            drained.result(20)
        assert [answer.result()[0] for answer in waiting] == [200] * 4
        assert len(sizes) == 4


def test_the_same_bundle_twice_is_refused(bundle: Path) -> None:
    with pytest.raises(ValueError, match="is served already"):
        make_app([bundle, bundle])


SLOW_SERVER = """
import time
from explorer.runtime.server import application
from explorer.runtime.server import command as serve_command
quick = application._compute
application._compute = lambda key, payloads: (time.sleep(0.4), quick(key, payloads))[1]
raise SystemExit(serve_command.main())
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_in_order(bundle: Path, name: str) -> None:
    program = ("-c", SLOW_SERVER)
    with command(bundle, "--max-batch", 2, program=program) as running, ThreadPoolExecutor(4) as pool:
        request = infer_request(
            "digits", load_bundle(bundle, "server").version, "localhost", point=0, payload=payload_of(0)
        )

        def ask() -> int:
            with socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection:
                connection.sendall(request)
                return received(connection)[0]

        answers = [pool.submit(ask) for _ in range(4)]
        time.sleep(0.2)
        running.process.send_signal(getattr(signal, name))
        assert [answer.result() for answer in answers] == [200] * 4
        assert running.process.wait(20) == 0
        running.wait_for("stopped")
        with pytest.raises(ConnectionRefusedError):
            ask()


def test_a_signal_before_it_is_ready_ends_it_too(bundle: Path) -> None:
    program = """
import time
from explorer.runtime.server import command as serve_command
from explorer.runtime.server import served
quick = served.self_check
served.self_check = lambda parts: (time.sleep(0.5), quick(parts))
raise SystemExit(serve_command.main())
"""
    with command(bundle, program=("-c", program), ready=False) as running:
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(20) == 0
        running.wait_for("stopped")
        assert "ready" not in [line["event"] for line in running.lines]


def test_a_bundle_serves_itself(bundle: Path) -> None:
    """With the folder copied into it, and nothing else of the explorer."""
    script = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from runtime.server.command import main; main()"
    )
    with command(bundle, program=("-I", "-c", script)) as running:
        assert running.lines[0]["event"] == "listening"
        assert "bundle checked" in [line["event"] for line in running.lines]


def refused(*arguments: object) -> str:
    line = [sys.executable, "-m", "explorer.serve", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_what_cannot_be_served_is_refused_with_one_line(bundle: Path, tmp_path: Path) -> None:
    broken = write_bundle(tmp_path / "broken")
    stage = broken / "server/stage-0.onnx"
    stage.write_bytes(stage.read_bytes()[:-1] + b"?")
    assert "server/stage-0.onnx: is damaged" in refused(broken)
    assert "no such file" in refused(tmp_path)
    (tmp_path / "token").write_text("two words")
    assert "must hold one token" in refused(bundle, "--token-file", tmp_path / "token")
    assert "one needs the other" in refused(bundle, "--tls-cert", tmp_path / "token")
    assert "no certificate" in refused(
        bundle, "--tls-cert", tmp_path / "token", "--tls-key", tmp_path / "token"
    )
    assert "must be a whole number of at least 1" in refused(bundle, "--max-batch", 0)
    assert "--max-body: must be at least" in refused(bundle, "--max-body", 100)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "cannot listen" in refused(bundle, "--port", taken.getsockname()[1])
