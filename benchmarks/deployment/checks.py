"""What is measured of one bundle: its proof, two processes, file sizes, and speed beside torch."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from explorer import Run
from explorer.core.run_point import RunPoint
from explorer.deploy.bundle import Built, Source, build_bundle
from explorer.deploy.plan import row_of
from explorer.devices import LinkProfile
from explorer.front.select import Pick
from explorer.measure.deployed import both_halves, message_s, run_edge, running_server, time_parts
from explorer.measure.deployed import measure as over_link
from explorer.runs.deployment import restored
from explorer.runs.split_network import split_network
from explorer.runs.store import Store
from explorer.runtime.manifest import TEST_SAMPLES, Bundle, load_bundle
from explorer.runtime.sizes import REQUEST_OVERHEAD
from explorer.runtime.stages import EdgeParts

COMPARED = 400  # samples whose values are compared
SENT = 100  # samples that two processes answer
ROUNDS = 200

Row = dict[str, Any]


def check_bundle(run: Run, pick: Pick, folder: Path) -> Row:
    """Build, prove and run one bundle."""
    data = run.load_data()
    begun = time.perf_counter()
    source = Source.of_run(run.results, pick.network_key, data)
    built = build_bundle(source, [row_of(pick)], folder, COMPARED)
    seconds = time.perf_counter() - begun
    (checked,) = built.checked
    bundle = both_halves(folder)
    row: Row = {"run": run.path.name, "point": checked.point_id, "pattern": pick.point["pattern"]}
    row |= {"split_point": pick.run_point.split_point, "build_s": seconds}
    row |= {"values": max(checked.crossing, checked.exit_logits or 0.0, checked.server_logits or 0.0)}
    row |= {"compared": checked.samples, "near_threshold": checked.near_threshold, "moved": checked.moved}
    row |= _two_processes(run, pick, bundle, source)
    return row | _sizes(pick, built) | _speed(run, pick, bundle)


def _two_processes(run: Run, pick: Pick, bundle: Bundle, source: Source) -> Row:
    """Answers of edge and server as two processes beside those of the stored network."""
    inputs = source.data.test.inputs[:SENT]
    with running_server(bundle.folder) as port:
        records = run_edge(bundle.folder, f"http://127.0.0.1:{port}", source.data.raw(inputs), timeout_s=10.0)
    logits, _ = split_network(run.path, pick.network_key, pick.run_point, source.data)(inputs)
    stored = logits.argmax(-1).tolist()
    level = np.abs(np.diff(np.sort(logits.softmax(-1).numpy(), axis=1)[:, -2:])).ravel() < 1e-3
    differ = [place for place, own in enumerate(records) if own["label"] != stored[place]]
    fell_back = sum(own["source"] == "edge_fallback" for own in records)
    near = [place for place in differ if level[place]]
    return {"answered": len(records), "differ": len(differ), "near_ties": len(near), "fell_back": fell_back}


def _sizes(pick: Pick, built: Built) -> Row:
    """Bytes of the edge's files beside what the product says."""
    file_bytes = sum(size for path, size in built.file_bytes.items() if path.startswith("edge/"))
    return {"edge_file_bytes": file_bytes, "edge_flash_bytes": float(pick.point["edge_flash_bytes"])}


def _speed(run: Run, pick: Pick, bundle: Bundle) -> Row:
    """Seconds of the edge part at batch 1 in torch and in ONNX Runtime, in turn, one thread each."""
    data = run.load_data()
    raw, inputs = data.raw(data.test.inputs[:1])[0], data.test.inputs[:1]
    network = restored(Store(run.path), pick.network_key, data)
    point: RunPoint = pick.run_point
    edge = network.parts(network.split_point(point.split_point)).edge
    exit_ = network.exit_at(point.split_point) if point.confidence_threshold is not None else None
    parts = EdgeParts(bundle)

    @torch.inference_mode()
    def by_torch() -> None:
        crossing = edge(inputs)
        if exit_ is not None and point.payload_bits is not None:
            exit_(crossing).softmax(-1).amax(-1)

    ratios, seconds = list[float](), list[float]()
    for _ in range(ROUNDS):
        ours, theirs = _seconds(lambda: parts.run(raw)), _seconds(by_torch)
        ratios.append(theirs / ours)
        seconds.append(ours)
    speeds = {"edge_s": statistics.median(seconds), "torch_over_ours": statistics.median(ratios)}
    return speeds | {"start_s": min(_seconds(lambda: run_edge_alone(bundle.folder)) for _ in range(3))}


def run_edge_alone(folder: Path) -> None:
    """Start the edge as a process, answer one sample and end."""
    command = [sys.executable, str(folder / "run_edge.py"), "--limit", "1"]
    command += ["--data", f"npz:{folder / TEST_SAMPLES}"]
    point = load_bundle(folder, "edge").points[0]
    if point.sends and point.exit is None:  # such an edge does not start without a server to ask
        command += ["--server", "http://127.0.0.1:1"]
    subprocess.run(command, capture_output=True, check=False)


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def check_latency(run: Run, pick: Pick, folder: Path, link: LinkProfile, samples: int) -> Row:
    """Predicted with timed parts, and measured, of samples that are sent over a link."""
    data = run.load_data()
    bundle = both_halves(folder)
    raw = data.raw(data.test.inputs[:samples])
    parts = time_parts(bundle, raw)
    measured = over_link(bundle, link, raw, data.test.labels[:samples].numpy())
    sent = measured.source == "server"
    payload = bundle.points[0].message_bytes
    formula = parts.sent_s(message_s(payload, link))
    median = float(np.median(measured.latency_s[sent])) if sent.any() else float("nan")
    said = payload + REQUEST_OVERHEAD
    carried = sorted(set(measured.uplink_bytes))
    row: Row = {"link": link.name, "point": pick.point["point_id"], "samples": int(sent.sum())}
    row |= {"formula_s": formula, "measured_s": median, "off": median / formula - 1}
    return row | {"said_bytes": said, "carried_bytes": carried[:1] + carried[-1:]}
