"""What is left of a study after SIGKILL, and after its last bytes are lost."""

import json
import os
import random
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import TrialState

from benchmarks.study_storage.processes import in_own_process, started
from benchmarks.study_storage.storages import open_kept, propose

LONGEST_DELAY_S = 1.0  # of a kill, after the child told its first trial
BEGIN_S = 120.0  # a child that has told nothing by then is stuck
TORN_AFTER, TORN_BYTES = 20, 10


@dataclass(frozen=True)
class Survival:
    """What was left of a study whose process was killed again and again.

    Attributes:
        kills: SIGKILLs while trials were proposed.
        survived: Those after which every told trial was there and the study went on.
        told: Trials told before the last kill.
        lost: Told trials that were missing or not complete, with their values, at any opening.
        waits_s: Until the study was open and one more trial told, after each kill.
        torn_tail: Whether the study can be read and goes on when its last bytes are missing; None where no
            crash leaves such a file.
    """

    kills: int
    survived: int
    told: int
    lost: int
    waits_s: tuple[float, ...]
    torn_tail: bool | None


def measure_survival(storage: str, kills: int, seed: int) -> Survival:
    """Kill a proposing process so often at random moments; look at the study and go on after each kill."""
    moments, lost, survived, waits_s = random.Random(seed), set[int](), 0, list[float]()
    with tempfile.TemporaryDirectory(prefix="study-") as name:
        folder, told = Path(name, "study"), Path(name, "told")
        folder.mkdir()
        for _ in range(kills):
            kill_once(storage, folder, told, moments.uniform(0, LONGEST_DELAY_S))
            missing, taken_s = in_own_process(go_on, storage, folder, told)
            waits_s.append(taken_s)
            survived += not missing
            lost |= set(missing)
        count = len(_read_told(told))
    return Survival(kills, survived, count, len(lost), tuple(waits_s), survives_torn_tail(storage))


def propose_until_killed(storage: str, folder: Path, told: Path, proposals: int | None = None) -> None:
    """Propose without end, or so often and then die; what was told is noted with each tell that returned."""
    study, count = open_kept(storage, folder), 0
    with told.open("ab", buffering=0) as file:
        while proposals is None or count < proposals:
            trial = propose(study)
            file.write(json.dumps([trial.number, trial.values]).encode() + b"\n")
            count += 1
    os.kill(os.getpid(), signal.SIGKILL)


def kill_once(storage: str, folder: Path, told: Path, delay_s: float) -> None:
    """Start a process that proposes, and kill it ``delay_s`` after it told its first trial."""
    before = len(_read_told(told))
    process = started(propose_until_killed, storage, folder, told)
    deadline = time.monotonic() + BEGIN_S
    while len(_read_told(told)) == before and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(delay_s)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len(_read_told(told)) > before, "the child did not begin"


def _read_told(told: Path) -> dict[int, list[float]]:
    """Values by number; a line that was being written has no end yet, and its trial counts as untold."""
    lines = told.read_text().splitlines(keepends=True) if told.exists() else []
    return dict(json.loads(line) for line in lines if line.endswith("\n"))


def lost_trials(study: optuna.Study, told: dict[int, list[float]]) -> list[int]:
    """Numbers of told trials that the study does not hold complete, with the values told."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    held = {trial.number: trial.values for trial in complete}
    return [number for number, values in told.items() if held.get(number) != values]


def go_on(storage: str, folder: Path, told: Path) -> tuple[list[int], float]:
    """Open a study, look for what was told and propose once more; returns what is lost, and seconds."""
    start = time.perf_counter()
    study = open_kept(storage, folder)
    missing = lost_trials(study, _read_told(told))
    propose(study)
    return missing, time.perf_counter() - start


def survives_torn_tail(storage: str) -> bool | None:
    """Cut the last bytes off a small study; whether it can be read, goes on, and lost the last trial at most.

    SQLite without a write-ahead log undoes what it had begun by its rollback journal: no such file there.
    """
    if storage == "plain_sqlite":
        return None
    with tempfile.TemporaryDirectory(prefix="study-") as name:
        folder, told = Path(name, "study"), Path(name, "told")
        folder.mkdir()
        started(propose_until_killed, storage, folder, told, TORN_AFTER).join()
        torn = folder / ("study.db-wal" if storage == "deferred_sqlite" else "study.journal")
        os.truncate(torn, torn.stat().st_size - TORN_BYTES)
        try:
            missing = [in_own_process(go_on, storage, folder, told)[0] for _ in range(3)]
        except Exception as error:  # whatever the storage makes of it
            print(f"{storage}, torn tail: {type(error).__name__}: {error}", flush=True)
            return False
        return all(number == TORN_AFTER - 1 for numbers in missing for number in numbers)
