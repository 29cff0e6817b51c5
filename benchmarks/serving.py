"""``python -m benchmarks.serving [BUNDLE]``: the server under load, beside the same model called in process.

Eight processes send requests, each as fast as its answers come, over connections that stay open; every answer
is compared with the server part's own. Then one connection shows what the server adds to the model's time.
"""

import argparse
import json
import multiprocessing
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.stand_in_bundle import write_bundle
from explorer.errors import UserError, run_command
from explorer.runtime.codec import encode
from explorer.runtime.manifest import SAMPLES, Bundle, load_bundle
from explorer.runtime.protocol.messages import Response, infer_request, parse_response
from explorer.runtime.server.served import Served
from explorer.runtime.sizes import RESPONSE_BYTES
from explorer.utils.files import write_json

CLIENTS, FULL, QUICK = 8, 10_000, 2_000  # requests in all
ADDED_LIMIT_S = 0.0015
CONFIDENCE_LIMIT = 1e-4  # between a sample alone and in a batch
_WARM = 50
Right = list[tuple[int, float]]


@dataclass(frozen=True)
class Load:
    """What clients send, in turn, and what has to come back."""

    messages: list[bytes]
    payloads: list[bytes]
    right: Right
    point: int


def make_load(bundle: Bundle, served: Served, port: int) -> Load:
    """Requests of the bundle's own samples, at its first point that sends something."""
    sending = [place for place, point in enumerate(bundle.points) if point.codec is not None]
    if not sending:
        raise UserError(f"{bundle.folder}: sends nothing at any of its points")
    point = sending[0]
    with np.load(bundle.folder / SAMPLES) as file:
        crossings = file[f"{point}.crossing"]
    codec = bundle.points[point].codec
    assert codec is not None
    payloads = [encode(crossing, codec) for crossing in crossings]
    right = [own for payload in payloads for own in served.answer(point, [payload]) if isinstance(own, tuple)]
    where = (bundle.name, bundle.version, f"127.0.0.1:{port}")
    return Load([infer_request(*where, point=point, payload=own) for own in payloads], payloads, right, point)


def ask(port: int, load: Load, count: int) -> tuple[int, list[float]]:
    """Send ``count`` requests, one after the other: how many answers were wrong, and the seconds of each."""
    seconds, wrong = [], 0
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(count):
            place = number % len(load.messages)
            began = time.perf_counter()
            connection.sendall(load.messages[place])
            answer = connection.recv(RESPONSE_BYTES)
            while len(answer) < RESPONSE_BYTES and (more := connection.recv(RESPONSE_BYTES - len(answer))):
                answer += more
            seconds.append(time.perf_counter() - began)
            wrong += not is_right(answer, load.right[place])
    return wrong, seconds


def is_right(answer: bytes, right: tuple[int, float]) -> bool:
    """Whether an answer is 200 and says what the server part says."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        return False
    response: Response = parse_response(body, None)
    return response.label == right[0] and abs(response.confidence - right[1]) <= CONFIDENCE_LIMIT


@contextmanager
def server(folder: Path) -> Iterator[int]:
    """The command in a process of its own; yields its port once it is ready."""
    line = [sys.executable, "-m", "explorer.serve", str(folder), "--port", "0"]
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        events = (json.loads(own) for own in process.stderr)
        port = next(event["port"] for event in events if event["event"] == "listening")
        next(event for event in events if event["event"] == "ready")
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=30)


def in_process(served: Served, load: Load, count: int, together: int) -> float:
    """Median seconds of decoding and computing ``together`` payloads, without a server."""
    seconds = []
    for number in range(_WARM + count // together):
        chosen = [load.payloads[(number + place) % len(load.payloads)] for place in range(together)]
        began = time.perf_counter()
        served.answer(load.point, chosen)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[_WARM:])


def measure(folder: Path, requests: int) -> dict[str, Any]:
    """All figures of one bundle."""
    bundle = load_bundle(folder, "server")
    served = Served(bundle)
    with server(folder) as port:
        load = make_load(bundle, served, port)
        ask(port, load, _WARM)
        alone_s, alone_batch_s = (in_process(served, load, requests // 5, together) for together in (1, 8))
        wrong_alone, one = ask(port, load, requests // 5)
        context = multiprocessing.get_context("spawn")
        with context.Pool(CLIENTS) as pool:
            pool.starmap(ask, [(port, load, _WARM)] * CLIENTS, chunksize=1)
            began = time.perf_counter()
            answers = pool.starmap(ask, [(port, load, requests // CLIENTS)] * CLIENTS, chunksize=1)
            took = time.perf_counter() - began
    many = sorted(second for _, seconds in answers for second in seconds)
    return {
        "requests": len(many),
        "clients": CLIENTS,
        "wrong": wrong_alone + sum(wrong for wrong, _ in answers),
        "served_per_s": len(many) / took,
        "in_process_per_s": 1 / alone_s,
        "in_process_by_8_per_s": 8 / alone_batch_s,
        "median_s_of_8_clients": statistics.median(many),
        "p95_s_of_8_clients": many[int(0.95 * len(many))],
        "median_s_of_1_client": statistics.median(one),
        "model_s": alone_s,
        "added_s": statistics.median(one) - alone_s,
        "request_bytes": len(load.messages[0]),
        "answer_bytes": RESPONSE_BYTES,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; ``--check`` fails where an answer is wrong or the server adds too much."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("bundle", nargs="?", type=Path, help="a bundle's folder (default: one made up)")
    parser.add_argument("--quick", action="store_true", help="2,000 requests instead of 10,000")
    parser.add_argument("--check", action="store_true", help="exit 1 if an answer is wrong or added > 1.5 ms")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    parsed = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        row = measure(parsed.bundle or write_bundle(Path(folder)), QUICK if parsed.quick else FULL)
    for name, value in row.items():
        print(f"{name:>24}  {value:,.0f}" if value >= 1 or value == 0 else f"{name:>24}  {value:.6f}")
    if parsed.out:
        write_json(parsed.out, row)
    short = bool(row["wrong"] or row["added_s"] > ADDED_LIMIT_S)
    if short:
        print(f"wrong answers, or more than {ADDED_LIMIT_S} s added by the server")
    return 1 if parsed.check and short else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
