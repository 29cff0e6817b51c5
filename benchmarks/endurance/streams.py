"""An edge that streams while its server is killed, stopped and restarted: none lost, none answered twice."""

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
BETWEEN = 150  # samples from one event to the next
PAUSE_S, TIMEOUT_S = 0.01, 0.25
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
    due = {number * BETWEEN + rng.randrange(BETWEEN): HAPPENINGS[kind] for number, kind in enumerate(kinds)}
    chosen = [rng.randrange(len(samples)) for _ in range((count + 1) * BETWEEN)]
    with server_process(bundle) as server:
        code, printed = _answers(bundle, server, samples[chosen], due)
    *lines, last = map(json.loads, printed.splitlines())
    problems = [] if code == 0 else [f"exit code {code}"]
    problems += wrong_answers(lines, [labels[own] for own in chosen])
    sources = Counter(own["source"] for own in lines)
    if last["summary"]["sources"] != {"exit": 0, **sources}:
        problems.append(f"counted {last['summary']['sources']}, printed {dict(sources)}")
    found = {kind: kinds.count(kind) for kind in HAPPENINGS}
    found |= {"samples": len(chosen), "answered": len(lines), "of the server": sources["server"]}
    return found, [f"{STREAM}: {problem}" for problem in problems]


def _answers(
    bundle: Path, server: ServerProcess, samples: Floats, due: Mapping[int, Happening]
) -> tuple[int, bytes]:
    """Exit code and output of an edge that is given one sample after the other, whatever happens."""
    line = [sys.executable, "-m", "explorer.edge", str(bundle), "--server", server.url, "--data", "-"]
    line += ["--json", "--timeout", str(TIMEOUT_S)]
    with tempfile.TemporaryFile() as out:
        edge = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL)
        assert edge.stdin is not None
        with ThreadPoolExecutor(1) as one_by_one, edge.stdin:
            happened = []
            for number, sample in enumerate(samples):
                if number in due:
                    happened.append(one_by_one.submit(due[number], server))
                edge.stdin.write(sample.astype("<f4").tobytes())
                edge.stdin.flush()
                time.sleep(PAUSE_S)
        code = edge.wait(timeout=120)
        for happening in happened:
            happening.result()
        out.seek(0)
        return code, out.read()


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
