"""``python -m benchmarks.warm_start``: whether a start from dense networks finds the trade-off sooner.

Each space is searched with ``training.start: scratch`` and ``dense``, all else equal, in turn, each search in
a fresh process on one thread. Compared is the hypervolume after equal seconds of training; those of the dense
networks count. The spaces are ``digits`` and the two of :mod:`benchmarks.search_efficiency` on Fashion-MNIST.
"""

import argparse
import bisect
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.search_efficiency.curves import DEFINITION, Curve
from benchmarks.search_efficiency.run import run_shown
from benchmarks.search_efficiency.starts import START_SPACES, STARTS, StartTask, search_from, start_space
from explorer.errors import UserError, run_command
from explorer.space.files import load_space_data
from explorer.utils.environment import machine, versions
from explorer.utils.files import write_json

SECONDS, QUICK_SECONDS = (10.0, 30.0, 60.0, 150.0, 600.0), (2.0, 5.0, 10.0)
BUDGET_S, QUICK_BUDGET_S = 150.0, 10.0
SEEDS, THREADS = 3, 1

Row = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; write it and the curves where asked."""
    parsed = _parser().parse_args(arguments)
    budget_s = parsed.budget or (QUICK_BUDGET_S if parsed.quick else BUDGET_S)
    if budget_s <= 0:
        raise UserError(f"--budget: must be above 0, got {budget_s:g}")
    for name in parsed.spaces:
        load_space_data(start_space(name, "scratch", 0), parsed.data_dir)  # named as missing here
    tasks = [
        StartTask(name, seed, start, budget_s, THREADS, parsed.data_dir)
        for name in parsed.spaces
        for seed in range(1 if parsed.quick else SEEDS)
        for start in STARTS
    ]
    print(f"{DEFINITION}\n{budget_s:g} s of training each, {THREADS} thread", flush=True)
    curves = run_shown(tasks, search_from, _in_words)
    rows = compare(curves, QUICK_SECONDS if parsed.quick else SECONDS)
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.4f"))
    if parsed.out:
        write_json(parsed.out, _record(curves, rows, parsed.quick))
    return 0


def _in_words(curve: Curve) -> str:
    trained = curve.trainings[-1] if curve.trainings else 0
    where = f"{curve.space} seed {curve.seed} {curve.variant}"
    return f"{where}: hypervolume {curve.final:.4f} after {trained} networks"


def compare(curves: Sequence[Curve], seconds: Sequence[float]) -> list[Row]:
    """A row per space and second that every search of the space reached: medians over the seeds.

    ``ratio`` is the hypervolume of ``dense`` over that of ``scratch``, the median of the ratios of each seed;
    None where a search from scratch has found nothing yet.
    """
    rows: list[Row] = []
    for space in dict.fromkeys(curve.space for curve in curves):
        own = {start: [c for c in curves if (c.space, c.variant) == (space, start)] for start in STARTS}
        reached = min(curve.budget_s for of_start in own.values() for curve in of_start)
        for second in (second for second in seconds if second <= reached):
            found = {start: [c.at([second], "seconds")[0] for c in of] for start, of in own.items()}
            row: Row = {"space": space, "seconds": second}
            row |= {start: statistics.median(values) for start, values in found.items()}
            pairs = list(zip(found["dense"], found["scratch"], strict=True))
            below = [scratch for _, scratch in pairs]
            row["ratio"] = statistics.median(d / s for d, s in pairs) if min(below) > 0 else None
            for start, of in own.items():
                row[f"{start}_networks"] = statistics.median(_networks(curve, second) for curve in of)
            rows.append(row)
    return rows


def _networks(curve: Curve, second: float) -> int:
    """Networks trained up to a second of training."""
    return (0, *curve.trainings)[bisect.bisect_right(curve.seconds, second)]


def _record(curves: Sequence[Curve], rows: Sequence[Row], quick: bool) -> dict[str, Any]:
    names = dict.fromkeys(curve.space for curve in curves)
    return {
        "quick": quick,
        "definition": DEFINITION,
        "threads": THREADS,
        "spaces": {name: start_space(name, "dense", 0).model_dump(mode="json") for name in names},
        "machine": machine(),
        "versions": versions(),
        "rows": list(rows),
        "curves": [curve.to_json() for curve in curves],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warm_start", description=__doc__)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where Fashion-MNIST lies")
    parser.add_argument("--budget", type=float, metavar="S", help=f"seconds of training ({BUDGET_S:g})")
    parser.add_argument("--spaces", nargs="+", choices=START_SPACES, default=START_SPACES)
    parser.add_argument("--quick", action="store_true", help=f"one seed, {QUICK_BUDGET_S:g} seconds each")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write curves and table as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
