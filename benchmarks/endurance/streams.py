"""An edge that streams while its server is killed, stopped and restarted: none lost, none answered twice."""

import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.server_process import ServerProcess, server_process
from benchmarks.stand_in_bundle import write_bundle
from explorer.runtime.codec import Floats, encode
from explorer.runtime.manifest import load_bundle
from explorer.runtime.server.served import Served
from explorer.runtime.stages import EdgeParts

STREAM = "server"
EVENTS, QUICK_EVENTS = 12, 3
BETWEEN = 50  # answers of the server from one to the next, at least
PAUSE_S, TIMEOUT_S = 0.01, 0.5
BACK_S, PATIENCE_S = 120.0, 1200.0  # until the server answers again; until all is over
Labels = dict[str, int]  # by who answers
Happening = Callable[[ServerProcess], None]


def stream(quick: bool, seed: int) -> tuple[dict[str, Any], list[str]]:
    """Stream samples through ``explorer edge`` while its server comes and goes; counts, and what went wrong.

    Samples are such that exit and server answer differently: an answer's label shows where it comes from.
    """
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        bundle = write_bundle(Path(name) / "bundle")
        return streamed(bundle, QUICK_EVENTS if quick else EVENTS, random.Random(seed))


def streamed(bundle: Path, count: int, rng: random.Random) -> tuple[dict[str, Any], list[str]]:
    """Have an edge stream while so many things happen to the server of a bundle."""
    samples, labels = telling_samples(bundle)
    kinds = [list(HAPPENINGS)[number % len(HAPPENINGS)] for number in range(count)]
    with server_process(bundle) as server:
        edge = _Edge(bundle, server.url)
        chosen, problems = _stream(edge, server, samples, kinds, rng)
        code, lines, last = edge.end()
    problems += [] if code == 0 else [f"exit code {code}"]
    problems += wrong_answers(lines, [labels[own] for own in chosen])
    sources = Counter(own["source"] for own in lines)
    if last["summary"]["sources"] != {"exit": 0, "edge_fallback": 0, **sources}:
        problems.append(f"counted {last['summary']['sources']}, printed {dict(sources)}")
    found = {kind: kinds.count(kind) for kind in HAPPENINGS}
    found |= {"samples": len(chosen), "answered": len(lines), "of the server": sources["server"]}
    return found, [f"{STREAM}: {problem}" for problem in problems]


class _Edge:
    """``explorer edge``, which is given one sample after the other."""

    def __init__(self, bundle: Path, url: str) -> None:
        line = [sys.executable, "-m", "explorer.edge", str(bundle), "--server", url, "--data", "-"]
        line += ["--json", "--timeout", str(TIMEOUT_S)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self._patience = threading.Timer(PATIENCE_S, self._process.kill)
        self._patience.start()
        self._lines: list[bytes] = []

    def answer(self, sample: Floats) -> str | None:
        """Who answered a sample; None where nobody did."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(sample.astype("<f4").tobytes())
        self._process.stdin.flush()
        self._lines.append(self._process.stdout.readline())
        return json.loads(self._lines[-1] or b"{}").get("source")

    def end(self) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
        """Exit code, answers and summary; what it says beyond one answer to each sample is among them."""
        rest, _ = self._process.communicate()
        self._patience.cancel()
        *lines, last = [json.loads(line) for line in (*self._lines, *rest.splitlines()) if line]
        return self._process.returncode, lines, last


def _stream(
    edge: _Edge, server: ServerProcess, samples: Floats, kinds: Sequence[str], rng: random.Random
) -> tuple[list[int], list[str]]:
    """Samples given, and what is wrong: a thing happens some while after the server has answered again."""
    chosen, waiting, current = list[int](), list(kinds), None
    served, wanted, due = 0, rng.randrange(BETWEEN), time.monotonic() + BACK_S
    with ThreadPoolExecutor(1) as one_by_one:
        while waiting or current is not None or served < wanted:
            chosen.append(rng.randrange(len(samples)))
            source = edge.answer(samples[chosen[-1]])
            if source is None or time.monotonic() > due:
                return chosen, [f"no answer of the server within {BACK_S:.0f} s; last answered by {source}"]
            served += source == "server"
            if current is not None and current.done():
                current.result()
                current, served, wanted = None, 0, BETWEEN + rng.randrange(BETWEEN)
                due = time.monotonic() + BACK_S
            elif current is None and waiting and served >= wanted:
                current, due = one_by_one.submit(HAPPENINGS[waiting.pop(0)], server), inf
            time.sleep(PAUSE_S)
    return chosen, []


def telling_samples(folder: Path, count: int = 400) -> tuple[Floats, list[Labels]]:
    """Samples of which the edge is not sure, and what edge and server answer, which differs."""
    edge, served = EdgeParts(load_bundle(folder, "edge")), Served(load_bundle(folder, "server"))
    point = edge.bundle.points[0]
    assert point.codec is not None
    assert point.exit is not None
    drawn = np.random.default_rng(0).random((count, *edge.bundle.input_shape), np.float32)
    chosen, labels = [], list[Labels]()
    for sample in drawn:
        result = edge.run(sample)
        assert result.logits is not None
        assert result.confidence is not None
        (answer,) = served.answer(0, [encode(result.crossing, point.codec)])
        assert isinstance(answer, tuple)
        own = {"edge_fallback": int(result.logits.argmax()), "server": answer[0]}
        if result.confidence < point.exit.threshold and own["edge_fallback"] != own["server"]:
            chosen.append(sample)
            labels.append(own)
    return np.stack(chosen), labels


def wrong_answers(lines: Sequence[Mapping[str, Any]], labels: Sequence[Labels]) -> list[str]:
    """What is wrong with answers, one to each sample, in order."""
    numbers = [line["sample"] for line in lines]
    problems = [] if numbers == list(range(len(labels))) else [f"{len(labels)} samples, answers to {numbers}"]
    return problems + [
        f"sample {line['sample']}: {line['source']} says {line['label']}, not {own.get(line['source'])}"
        for line, own in zip(lines, labels, strict=False)
        if own.get(line["source"]) != line["label"]
    ]


def _kill(server: ServerProcess) -> None:
    server.end(signal.SIGKILL)
    time.sleep(2 * TIMEOUT_S)
    server.start()


def _stop(server: ServerProcess) -> None:
    server.send(signal.SIGSTOP)
    time.sleep(2 * TIMEOUT_S)
    server.send(signal.SIGCONT)


def _restart(server: ServerProcess) -> None:
    server.end(signal.SIGTERM)
    server.start()


HAPPENINGS: dict[str, Happening] = {"kills": _kill, "stops": _stop, "restarts": _restart}
