"""``python -m benchmarks.teachers --data-dir DIR``: what networks gain from teachers.

One sparse network of each space is trained from labels, from its own output (its exits), and from the dense
network of its variant; then each space is searched in each of these ways, for equal seconds of training, with
those of teachers. Seconds are CPU time on one thread, which other programs on the machine disturb little.
Three seeds; ways take turns.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.search_efficiency.curves import DEFINITION, Curve
from benchmarks.search_efficiency.run import run_shown, run_tasks
from benchmarks.teachers.networks import DENSITY, NetworkTask, Row, trained
from benchmarks.teachers.searches import SearchTask, searched
from benchmarks.teachers.spaces import SPACES, WAYS, teacher_space
from explorer.errors import run_command
from explorer.space.files import load_space_data
from explorer.utils.environment import machine, versions
from explorer.utils.files import write_json

BUDGET_S = {"digits": 3.0, "fashion_mnist": 30.0, "cifar10": 90.0}
QUICK_BUDGET_S, SEEDS, THREADS = 1.0, 3, 1
LABELS = next(iter(WAYS))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables; write them and the curves where asked."""
    parsed = _parser().parse_args(arguments)
    for name in parsed.spaces:
        load_space_data(teacher_space(name, LABELS, 0), parsed.data_dir)  # named as missing here
    seeds = range(1 if parsed.quick else SEEDS)
    every = [NetworkTask(name, seed, THREADS, parsed.data_dir) for name in parsed.spaces for seed in seeds]
    rows = list[Row]()
    for own in run_tasks(every, trained):
        rows += own
        print(
            "; ".join(f"{row.space} seed {row.seed} {row.way}: {row.output:.4f}" for row in own), flush=True
        )
    networks = network_table(rows)
    print(f"one network at density {DENSITY:g}, medians over {len(seeds)} seeds (range of the difference)")
    print(pd.DataFrame(networks).to_string(index=False, float_format="%.4f"), flush=True)
    tasks = [
        SearchTask(name, way, seed, _budget_s(name, parsed.quick), THREADS, parsed.data_dir)
        for name in parsed.spaces
        for seed in seeds
        for way in WAYS
    ]
    curves = run_shown(tasks, searched, _in_words)
    searches = search_table(curves)
    print(DEFINITION)
    print(pd.DataFrame(searches).to_string(index=False, float_format="%.4f"))
    if parsed.out:
        content = {"networks": networks, "searches": searches, "trainings": [row.to_json() for row in rows]}
        content |= {"curves": [curve.to_json() for curve in curves], "ways": WAYS, "quick": parsed.quick}
        content |= {"density": DENSITY, "threads": THREADS, "definition": DEFINITION}
        write_json(parsed.out, content | {"machine": machine(), "versions": versions()})
    return 0


def _in_words(curve: Curve) -> str:
    where = f"{curve.space} seed {curve.seed} {curve.variant}"
    return f"{where}: hypervolume {curve.final:.4f} in {curve.budget_s:.1f} s"


def network_table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A row per space and way: medians over the seeds, and differences from labels alone, seed by seed."""
    table = []
    for space in dict.fromkeys(row.space for row in rows):
        own = {(row.way, row.seed): row for row in rows if row.space == space}
        for way in dict.fromkeys(way for way, _ in own):
            pairs = [(row, own[LABELS, seed]) for (of, seed), row in own.items() if of == way]
            entry: dict[str, Any] = {"space": space, "way": way}
            for name in ("exits", "output"):
                gains = [getattr(row, name) - getattr(plain, name) for row, plain in pairs]
                entry[name] = statistics.median(getattr(row, name) for row, _ in pairs)
                entry |= {f"{name}_gain_low": min(gains), f"{name}_gain_high": max(gains)}
            entry["seconds"] = statistics.median(row.seconds for row, _ in pairs)
            entry["teacher_seconds"] = statistics.median(row.teacher_seconds for row, _ in pairs)
            table.append(entry)
    return table


def search_table(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """A row per space and way: hypervolume after the seconds that all searches of the space reached.

    Figures are None where some search of the space had told of no network by then.
    """
    table = []
    for space in dict.fromkeys(curve.space for curve in curves):
        own = [curve for curve in curves if curve.space == space]
        second = min(curve.budget_s for curve in own)
        known = all(curve.seconds and curve.seconds[0] <= second for curve in own)
        found = {(curve.variant, curve.seed): curve.at([second], "seconds")[0] for curve in own}
        for way in dict.fromkeys(curve.variant for curve in own):
            pairs = [(value, found[LABELS, seed]) for (of, seed), value in found.items() if of == way]
            gains = [value - plain for value, plain in pairs]
            figures = (statistics.median(value for value, _ in pairs), min(gains), max(gains))
            names = ("hypervolume", "gain_low", "gain_high")
            entry: dict[str, Any] = {"space": space, "way": way, "seconds": second}
            table.append(entry | dict(zip(names, figures if known else (None,) * 3, strict=True)))
    return table


def _budget_s(space: str, quick: bool) -> float:
    return QUICK_BUDGET_S if quick else BUDGET_S[space]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.teachers", description=__doc__)
    folder = "where Fashion-MNIST and cifar10_subset.npz lie"
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help=folder)
    parser.add_argument("--spaces", nargs="+", choices=SPACES, default=SPACES, help="default: all")
    parser.add_argument("--quick", action="store_true", help=f"one seed, {QUICK_BUDGET_S:g} seconds a search")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write tables and curves as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
