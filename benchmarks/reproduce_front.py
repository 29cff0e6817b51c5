"""``python -m benchmarks.reproduce_front RUN``: replay front points sample by sample, as two machines do.

For each point drawn: load the stored weights, build edge and server part, and run the validation samples one
by one, with the real encoder and the threshold rule. Accuracy and exit rate must equal the stored ones; a
sample may differ only in a float tie (confidence within 1e-5 of the threshold, or two logits that close). So
must the bytes sent; where they are compressed, their number follows the last bit of every value: up to 0.5 %.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from explorer.core.calibration import Calibration
from explorer.core.graph.split_points import OUTPUT
from explorer.core.network import Network
from explorer.core.payload import decode, encode
from explorer.data.dataset import DataSet, Subset
from explorer.errors import run_command
from explorer.runs.deployment import restored
from explorer.runs.folder import REPORTS, find_run
from explorer.runs.results import RunResults, load_run
from explorer.runs.store import Store
from explorer.space.files import load_space_data, parse_space
from explorer.utils.files import write_json

TIE = 1e-5
COMPRESSED_TOLERANCE = 5e-3


@dataclass(frozen=True)
class Replay:
    """One point replayed.

    Attributes:
        point_id: Its id.
        samples: Validation samples run.
        correct, correct_stored: Right answers, replayed and stored.
        exited, exited_stored: Samples answered on the edge, replayed and stored.
        ties: Samples within a float tie.
        sent_bytes: Sum of the lengths of the payloads.
        sent_bytes_stored: What the stored expected payload amounts to.
        compressed: Whether payloads are compressed.
    """

    point_id: str
    samples: int
    correct: int
    correct_stored: int
    exited: int
    exited_stored: int
    ties: int
    sent_bytes: int
    sent_bytes_stored: int
    compressed: bool

    @property
    def agrees(self) -> bool:
        """Whether every difference is covered by a tie."""
        apart = max(abs(self.correct - self.correct_stored), abs(self.exited - self.exited_stored))
        bytes_apart = abs(self.sent_bytes - self.sent_bytes_stored)
        allowed = COMPRESSED_TOLERANCE * self.sent_bytes_stored if self.compressed else 0
        return apart <= self.ties and (apart > 0 or bytes_apart <= allowed)


@dataclass(frozen=True)
class _Answer:
    correct: bool
    exited: bool
    sent_bytes: int
    tie: bool


@torch.inference_mode()
def replay_point(network: Network, calibration: Calibration, point: "pd.Series[Any]", data: Subset) -> Replay:
    """Run every sample of ``data`` through edge, link and server of one operating point."""
    split_point = network.split_point(point["split_point"])
    index = network.split_points.index(split_point)
    answers = [
        _answer(network, calibration, index, point, inputs, int(label))
        for inputs, label in zip(data.inputs.split(1), data.labels, strict=True)
    ]
    return Replay(
        point_id=point["point_id"],
        samples=len(data),
        correct=sum(answer.correct for answer in answers),
        correct_stored=int(point["correct"]),
        exited=sum(answer.exited for answer in answers),
        exited_stored=int(point["exited"]),
        ties=sum(answer.tie for answer in answers),
        sent_bytes=sum(answer.sent_bytes for answer in answers),
        sent_bytes_stored=round(point["payload_bytes"] * len(data)),
        compressed=calibration.inference_config.payload.entropy != "none",
    )


def _answer(
    network: Network,
    calibration: Calibration,
    index: int,
    point: "pd.Series[Any]",
    inputs: Tensor,
    label: int,
) -> _Answer:
    split_point = network.split_points[index]
    parts = network.parts(split_point)
    crossing = parts.edge(inputs)
    if split_point.name == OUTPUT:
        return _Answer(int(crossing.argmax()) == label, True, 0, _is_tied(crossing))
    tie = False
    threshold = point["confidence_threshold"]
    if not pd.isna(threshold):
        exit_ = network.exit_at(split_point.name)
        assert exit_ is not None, "a point with a threshold has an exit classifier"
        logits = exit_(crossing)
        confidence = calibration.confidence(split_point.name, logits).item()
        tie = abs(confidence - threshold) < TIE
        if confidence >= threshold:
            return _Answer(int(logits.argmax()) == label, True, 0, tie or _is_tied(logits))
    codec = calibration.codecs[split_point.name, int(point["payload_bits"])]
    payload = encode(crossing[0], codec)
    logits = parts.server(decode(payload, split_point.shape, codec).unsqueeze(0))
    return _Answer(int(logits.argmax()) == label, False, len(payload), tie or _is_tied(logits))


def _is_tied(logits: Tensor) -> bool:
    best, second = logits.flatten().topk(2).values.tolist()
    return bool(best - second < TIE)


def replay_front(results: RunResults, data: DataSet, points: int, seed: int) -> list[Replay]:
    """Replay ``points`` points of the front, drawn by ``seed``."""
    front = results.front
    store = Store(results.path)
    replays = []
    for _, point in front.sample(min(points, len(front)), random_state=seed).iterrows():
        network = restored(store, point["network_key"], data)
        calibration = store.read_calibration(point["network_key"])
        replays.append(replay_point(network, calibration, point, data.validation))
    return replays


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay and print; exit code 1 when a point does not agree."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reproduce_front", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="a run folder, or the name of a run under reports/")
    parser.add_argument("--points", type=int, default=10, metavar="N", help="points drawn (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where data files lie")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the replays as JSON")
    parsed = parser.parse_args(arguments)
    torch.set_num_threads(1)
    results = load_run(find_run(parsed.run, REPORTS))
    space = parse_space(results.record.space_file, str(results.path / "run.json"))
    replays = replay_front(results, load_space_data(space, parsed.data_dir), parsed.points, parsed.seed)
    table = pd.DataFrame([asdict(replay) | {"agrees": replay.agrees} for replay in replays])
    print(table.to_string(index=False))
    if parsed.out:
        write_json(parsed.out, json.loads(table.to_json(orient="records")))
    return 0 if table["agrees"].all() else 1


if __name__ == "__main__":
    sys.exit(run_command(main))
