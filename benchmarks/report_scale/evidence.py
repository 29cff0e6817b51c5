"""What networks that were never trained answered, sample by sample, so that pairs can be tested.

All networks see the same samples, of which the first are easy and the last hard; each finds every one a
little easier or harder. So two networks err on much the same samples, as real ones do.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.core.credits import CREDITS
from explorer.core.evidence import Answers, Evidence
from explorer.core.graph.split_points import OUTPUT
from explorer.costs.split_costs import SplitCosts
from explorer.runs.network_files import evidence_content
from explorer.runs.record import SCHEMA_VERSION
from explorer.runs.sealed import checksum, write_sealed
from explorer.runs.store import Store, StoredNetwork

SAMPLES, CLASSES = 1000, 10
BITS = (32, 16, 8)
_HARDNESS_N = (np.arange(SAMPLES) + 0.5) / SAMPLES
_LABEL_N = np.random.default_rng(11).integers(CLASSES, size=SAMPLES)
_FILE = "evidence.safetensors"


def make_evidence(splits: Sequence[SplitCosts], best: float, rng: np.random.Generator) -> Evidence:
    """Answers of a network whose output is right on about ``best`` of the samples; earlier exits on fewer.

    An exit is as sure of a sample as it finds it easy. Bits change an answer here and there.
    """
    depths = np.arange(len(splits) - 1)
    exits = best - 0.8 * (1 - depths / len(splits)) ** 1.5
    found_SN = _HARDNESS_N + 0.05 * rng.standard_normal((len(depths), SAMPLES))
    exit_correct_SN = found_SN + 0.03 * rng.standard_normal(found_SN.shape) < exits[:, np.newaxis]
    found_N = _HARDNESS_N + 0.02 * rng.standard_normal(SAMPLES)
    coarse_B = np.array([0.0, 0.0, 0.004])
    server_correct_SBN = np.repeat(
        (found_N < best - coarse_B[:, np.newaxis])[np.newaxis], len(depths), axis=0
    )
    elements = [split.payload_elements for split in splits[:-1]]
    lengths = [[[10 + count * bits // 8] for bits in BITS] for count in elements]
    return Evidence(
        tuple(split.name for split in splits[:-1]),
        BITS,
        (1 - np.clip(found_SN, 0, 1)).astype(np.float32),
        exit_correct_SN,
        server_correct_SBN,
        server_correct_SBN[0, 0],
        np.array(lengths, dtype=np.int32),
        _LABEL_N,
        answers=Answers(*map(_given, (exit_correct_SN, server_correct_SBN, server_correct_SBN[0, 0]))),
    )


def _given(correct: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The label, or the class that follows it."""
    return np.asarray((_LABEL_N + ~correct) % CLASSES, dtype=np.uint8)


def swept(evidence: Evidence, rng: np.random.Generator) -> pd.DataFrame:
    """Some thresholds of each split point and bits, as :func:`explorer.core.sweep.sweep` gives them."""
    rows: list[tuple[str, int | None, float, int, int, int]] = []
    for place, name in enumerate(evidence.split_points):
        surest_first_N = np.argsort(-evidence.exit_confidence_SN[place], kind="stable")
        sure_N = evidence.exit_confidence_SN[place, surest_first_N].astype(np.float64)
        by_exit_N = np.cumsum(evidence.exit_correct_SN[place, surest_first_N])
        for which, bits in enumerate(evidence.payload_bits):
            served_N = evidence.server_correct_SBN[place, which, surest_first_N]
            by_server_N = served_N.sum() - np.cumsum(served_N)
            length = int(evidence.encoded_bytes_SBN[place, which, 0])
            # a threshold takes all that are as sure, so it stands before one that is less so
            ends = np.flatnonzero(np.diff(sure_N) < 0)
            chosen = np.sort(rng.choice(ends, int(rng.integers(8, 24)), replace=False))[::-1]
            rows += [
                (
                    name,
                    bits,
                    sure_N[at],
                    int(by_exit_N[at] + by_server_N[at]),
                    at + 1,
                    length * (SAMPLES - at - 1),
                )
                for at in chosen.tolist()
            ]
            rows.append((name, bits, np.nan, int(served_N.sum()), 0, length * SAMPLES))
    rows.append((OUTPUT, None, 0.0, int(evidence.output_correct_N.sum()), SAMPLES, 0))
    columns = ["split_point", "payload_bits", "confidence_threshold", "correct", "exited", "sent_bytes"]
    points = pd.DataFrame(rows, columns=columns).astype({"payload_bits": "Int64"})
    credits = {name: points["correct"] for name in CREDITS}  # as if classes were equal
    return points[columns[:-1]].assign(**credits, sent_bytes=points["sent_bytes"])


def write_evidence(folder: Path, stored: StoredNetwork, evidence: Evidence) -> None:
    """Put the answers of a network where a report looks for them; weights there are none."""
    content, record = evidence_content(evidence), folder / "network.json"
    about = {
        "schema_version": SCHEMA_VERSION,
        "key": stored.spec.key,
        "spec": stored.spec.to_json(),
        "num_samples": stored.num_samples,
        "training": asdict(stored.training),
        "splits": [split.to_json() for split in stored.splits],
        "files": {_FILE: checksum(content)},
    }
    write_sealed(record, about)
    Store(folder).write_files(stored.spec.key, {"network.json": record.read_bytes(), _FILE: content})
    record.unlink()
