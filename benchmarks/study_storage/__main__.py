"""``python -m benchmarks.study_storage``: what keeping the study costs, and what SIGKILL leaves of it.

Four storages keep the same proposals: the search's own (`deferred_sqlite`: in memory, finished trials are
inserted into Optuna's SQLite tables), Optuna's journal file (`journal`), trials in memory that are added to a
journal once they are finished (`deferred_journal`: public parts of Optuna only), and Optuna's own SQLite
(`plain_sqlite`). A proposal is asked for, suggested and told as the search does it with NSGA-II: 12
parameters, 3 objectives, one constraint, and the result among the user attributes; nothing is trained.
Milliseconds are the median of a study's last 100 proposals; seconds to reopen and bytes are those of the
ended process. Each figure is the median of its repeats, and the storages take turns; `plain_sqlite`, which
takes many minutes, has one.

A child that is killed has noted numbers and values of what was told: all of it has to be complete when the
study is opened again, and the study has to go on. The longest wait for its next proposal is named too: a
lock file that was left behind is waited for. Last, ten bytes are cut off the file written last, as a power
cut or a full disk may leave it.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.study_storage.speed import LAST, measure_speed, median_speed
from benchmarks.study_storage.storages import SAMPLER, SEED, STORAGES
from benchmarks.study_storage.survival import measure_survival
from explorer.errors import UserError, run_command
from explorer.utils.environment import machine, versions
from explorer.utils.files import write_json

REPEATS = 3
ONCE = ("plain_sqlite",)  # no candidate, and slow


def measure(storages: Sequence[str], sizes: Sequence[int], kills: int, repeats: int) -> list[dict[str, Any]]:
    """All figures of each storage, as plain data."""
    every = [
        (storage, measure_speed(storage, trials))
        for repeat in range(repeats)
        for trials in sizes
        for storage in storages
        if repeat == 0 or storage not in ONCE
    ]
    measured = []
    for storage in storages:
        speeds = []
        for trials in sizes:
            own = [speed for name, speed in every if (name, speed.trials) == (storage, trials)]
            speeds.append(asdict(median_speed(own)) | {"repeats": [asdict(speed) for speed in own]})
        survival = asdict(measure_survival(storage, kills, SEED))
        measured.append({"storage": storage, "speeds": speeds, "survival": survival})
        print(table(measured[-1:]).to_string(index=False), flush=True)
    return measured


def table(storages: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One line per storage."""
    lines = []
    for measured in storages:
        line: dict[str, Any] = {"storage": measured["storage"]}
        for speed in measured["speeds"]:
            trials = speed["trials"]
            line[f"ms at {trials}"] = round(speed["ms_per_proposal"], 1)
            line[f"reopen s at {trials}"] = round(speed["reopen_s"], 2)
            line[f"kB at {trials}"] = round(speed["size_bytes"] / 1e3)
        survival = measured["survival"]
        line["kills survived"] = f"{survival['survived']} of {survival['kills']}"
        line["lost"] = f"{survival['lost']} of {survival['told']}"
        line["longest wait s"] = round(max(survival["waits_s"]), 1)
        line["torn tail"] = {True: "goes on", False: "unreadable", None: "-"}[survival["torn_tail"]]
        lines.append(line)
    return pd.DataFrame(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every storage and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study_storage", description=__doc__)
    parser.add_argument("--trials", default="200,2000", metavar="N,N", help="sizes (default: 200,2000)")
    parser.add_argument("--kills", type=int, default=10, help="of each storage (default: 10)")
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"of timings (default: {REPEATS})")
    parser.add_argument("--storages", nargs="+", choices=STORAGES, default=STORAGES, metavar="NAME")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures as JSON")
    parsed = parser.parse_args(arguments)
    try:
        sizes = [int(size) for size in parsed.trials.split(",")]
    except ValueError:
        raise UserError(f"--trials: must be whole numbers with commas, got {parsed.trials!r}") from None
    if min(*sizes, parsed.kills, parsed.repeats) < 1:
        raise UserError("--trials, --kills and --repeats must be at least 1")
    print(machine()["cpu"], flush=True)
    measured = measure(parsed.storages, sizes, parsed.kills, parsed.repeats)
    print(table(measured).to_string(index=False))
    if parsed.out:
        content = {"storages": measured, "last": LAST, "sampler": SAMPLER}
        write_json(parsed.out, content | {"machine": machine(), "versions": versions()})
    return 0 if all(one["survival"]["lost"] == 0 for one in measured) else 1


if __name__ == "__main__":
    sys.exit(run_command(main))
