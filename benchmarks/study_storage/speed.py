"""What a proposal, opening a study and its files cost with a storage."""

import gc
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from benchmarks.study_storage.processes import in_own_process
from benchmarks.study_storage.storages import open_kept, propose

LAST = 100  # proposals at the end of a study that are timed


@dataclass(frozen=True)
class Speed:
    """What one study of some size cost.

    Attributes:
        trials: All complete.
        ms_per_proposal: Median of the last proposals, from asking to having told.
        reopen_s: Seconds until another process has the trials.
        size_bytes: Of all its files, when no process has them open.
        disk_wait_ms: How long a line appended just before had to wait for the disk; it varies.
    """

    trials: int
    ms_per_proposal: float
    reopen_s: float
    size_bytes: int
    disk_wait_ms: float


def measure_speed(storage: str, trials: int) -> Speed:
    """Fill a study in one process and open it in another, once."""
    with tempfile.TemporaryDirectory(prefix="study-") as name:
        folder = Path(name)
        wait_ms = measure_disk_wait(folder)
        ms = in_own_process(time_proposals, storage, folder, trials)
        size = sum(file.stat().st_size for file in folder.iterdir())
        return Speed(trials, ms, in_own_process(time_reopening, storage, folder, trials), size, wait_ms)


def median_speed(speeds: Sequence[Speed]) -> Speed:
    """Of repeats with as many trials, figure by figure."""
    medians = pd.DataFrame(map(asdict, speeds)).median().to_dict()
    return Speed(
        trials=int(medians["trials"]),
        ms_per_proposal=medians["ms_per_proposal"],
        reopen_s=medians["reopen_s"],
        size_bytes=int(medians["size_bytes"]),
        disk_wait_ms=medians["disk_wait_ms"],
    )


def time_proposals(storage: str, folder: Path, trials: int) -> float:
    """Propose so often; returns the median milliseconds of the last proposals."""
    study, taken_s = open_kept(storage, folder), list[float]()
    for _ in range(trials):
        start = time.perf_counter()
        propose(study)
        taken_s.append(time.perf_counter() - start)
    del study
    gc.collect()  # SQLite folds its log into the database when the last connection is closed
    return statistics.median(taken_s[-LAST:]) * 1e3


def time_reopening(storage: str, folder: Path, trials: int) -> float:
    """Open a study of so many trials; returns seconds, without what is imported at the first opening."""
    with tempfile.TemporaryDirectory(prefix="study-") as name:
        open_kept(storage, Path(name))
    start = time.perf_counter()
    found = open_kept(storage, folder).get_trials(deepcopy=False)
    taken_s = time.perf_counter() - start
    assert len(found) == trials
    return taken_s


def measure_disk_wait(folder: Path) -> float:
    """Median milliseconds that appending a line and waiting for the disk takes, at 200 lines."""
    taken_s = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(200):
            start = time.perf_counter()
            file.write(b"x" * 200 + b"\n")
            os.fsync(file.fileno())
            taken_s.append(time.perf_counter() - start)
    return statistics.median(taken_s) * 1e3
