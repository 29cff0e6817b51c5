"""Edge and server as two processes: answers, exact bytes, TLS and token, and the scripts of a bundle."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bundles import Floats, TinyNet, TinyPoint, tiny_bundle, tiny_samples

from benchmarks.server_process import ServerProcess, free_port, server_process
from explorer.deploy.link_proxy import LinkProxy
from explorer.runtime.edge.client import Client
from explorer.runtime.edge.edge_runtime import EdgeRuntime, open_edge
from explorer.runtime.manifest import load_bundle
from explorer.runtime.policy.bundle_policy import bundle_policy
from explorer.runtime.sizes import REQUEST_OVERHEAD, RESPONSE_BYTES
from explorer.runtime.stages import EdgeParts, EdgeResult

NET, SAMPLES = TinyNet(), tiny_samples(200)
POINTS = (
    TinyPoint(threshold=0.6),
    TinyPoint(threshold=None, bits=2),
    TinyPoint("input", threshold=None, bits=16),
    TinyPoint("input", threshold=None, bits=6, entropy="zstd"),
    TinyPoint("output", threshold=None),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("both") / "b", *POINTS, with_runtime=True)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    with server_process(folder) as running:
        yield running


class Always:
    """A policy that stays at one point."""

    changes = ()

    def __init__(self, place: int) -> None:
        self._place = place

    def choose(self) -> int:
        return self._place

    def observe(self, sent_bytes: float, seconds: float) -> None:
        pass

    def failed(self, seconds: float, *, probe: bool = False) -> None:
        raise AssertionError

    def probe_bytes(self) -> int:
        return 0

    def observe_probe(self, carried_bytes: float, seconds: float) -> None:
        raise AssertionError


@pytest.mark.parametrize("place", range(len(POINTS)))
def test_answers_and_bytes_of_every_point(folder: Path, server: ServerProcess, place: int) -> None:
    bundle, point = load_bundle(folder, "edge"), POINTS[place]
    client = Client(server.url, bundle, timeout_s=5.0)
    edge = EdgeRuntime(bundle, client, Always(place))
    sent = 0
    for sample in SAMPLES:
        answer = edge.answer(sample)
        assert answer.point == place
        if point.split_point == "output":
            expected, source = int(NET.crossing(sample, "output").argmax()), "exit"
        elif point.threshold is not None and NET.exit_confidence(sample) >= point.threshold:
            expected, source = NET.exit_label(sample), "exit"
        else:
            expected, source = NET.server_label(sample, point), "server"
        assert (answer.label, answer.source) == (expected, source)
        sent += source == "server"
        payload_bytes = answer.sent_bytes - REQUEST_OVERHEAD
        if source == "server" and point.entropy == "none":
            assert payload_bytes == bundle.points[place].message_bytes
        elif source == "server":
            assert 10 < payload_bytes <= bundle.points[place].message_bytes
    assert client.received_bytes == sent * RESPONSE_BYTES
    assert client.connections == (1 if sent else 0)


def test_tls_and_token(folder: Path, tmp_path: Path) -> None:
    cert, key, token = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "token"
    token.write_text("secret\n")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=test"]
    try:
        subprocess.run([*command, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl")
    with server_process(folder, "--tls-cert", cert, "--tls-key", key, "--token-file", token) as server:
        url = f"https://127.0.0.1:{server.port}"
        words = [str(folder), "--server", url, "--ca-file", str(cert), "--token-file", str(token)]
        np.savez(tmp_path / "data.npz", x=SAMPLES)
        command = [
            sys.executable,
            "-m",
            "explorer.edge",
            *words,
            "--data",
            f"npz:{tmp_path / 'data.npz'}",
            "--json",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        summary = json.loads(done.stdout.splitlines()[-1])["summary"]
        assert summary["sources"]["server"] > 20
        assert summary["sources"]["edge_fallback"] == 0
        assert summary["connections"] == 1
        untrusting = open_edge(folder, url, token="secret", timeout_s=5.0)
        reasons = {untrusting.answer(sample).reason for sample in SAMPLES}
        assert any("certificate is not trusted" in str(reason) for reason in reasons)
        assert untrusting.sent_bytes == 0


def test_scripts_of_the_bundle_work_together(folder: Path, tmp_path: Path) -> None:
    """As on two machines: no installed explorer, the folder of the bundle somewhere."""
    port = free_port()
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    how = {"env": clean, "cwd": tmp_path, "stderr": subprocess.PIPE, "text": True}
    serve = [sys.executable, "-P", str(folder / "serve.py"), "--port", str(port)]
    np.savez(tmp_path / "data.npz", x=SAMPLES)
    edge = [sys.executable, "-P", str(folder / "run_edge.py"), "--server", f"http://127.0.0.1:{port}"]
    edge += ["--data", "npz:data.npz", "--json", "--timeout", "5"]
    with subprocess.Popen(serve, **how) as server:  # type: ignore[call-overload]
        try:
            while '"ready"' not in server.stderr.readline():
                assert server.poll() is None
                time.sleep(0.01)
            done = subprocess.run(edge, stdout=subprocess.PIPE, check=True, timeout=60, **how)  # type: ignore[call-overload]
        finally:
            server.terminate()
    assert done.stderr == ""
    summary = json.loads(done.stdout.splitlines()[-1])["summary"]
    sure = sum(NET.exit_confidence(sample) >= 0.6 for sample in SAMPLES)
    assert summary["sources"] == {"exit": sure, "server": 200 - sure, "edge_fallback": 0}


class SlowParts(EdgeParts):
    """Takes as long for a point as a weak device would."""

    seconds = (0.001, 0.05)

    def run(self, sample: Floats, point: int = 0) -> EdgeResult:
        time.sleep(self.seconds[point])
        return super().run(sample, point)


@pytest.mark.slow
def test_policy_follows_a_real_link_whose_rate_falls_and_recovers(tmp_path: Path) -> None:
    """At 1 Mbit/s it is faster to send, 10 + 8 * 714 / 1000 ms; at 50 kbit/s, 124 ms, to stay on the edge."""
    folder = tiny_bundle(
        tmp_path / "b", TinyPoint("input", threshold=None, bits=32), TinyPoint("output", threshold=None)
    )
    bundle = load_bundle(folder, "edge")
    falls_s, recovers_s, ends_s = 2.0, 5.0, 9.0
    steps = [(0.0, 1e6), (falls_s, 5e4), (recovers_s, 1e6)]
    chosen: list[tuple[float, int]] = []
    with (
        server_process(folder) as server,
        LinkProxy(server.port, uplink_bits_per_s=steps, rtt_s=0.01) as link,
    ):
        began, parts = time.monotonic(), SlowParts(bundle)
        client = Client(f"http://127.0.0.1:{link.port}", bundle, timeout_s=2.0)
        edge = EdgeRuntime(bundle, client, bundle_policy(parts), parts=parts)
        while (now := time.monotonic() - began) < ends_s:
            answer = edge.answer(SAMPLES[len(chosen) % len(SAMPLES)])
            assert answer.source == ("server" if answer.point == 0 else "exit")
            chosen.append((now, answer.point))
            edge.look_at_link()
    for start, end, place in ((0.5, falls_s, 0), (falls_s + 1.5, recovers_s, 1), (recovers_s + 2, ends_s, 0)):
        inside = [point for now, point in chosen if start <= now < end]
        assert inside.count(place) >= 0.9 * len(inside) > 0
