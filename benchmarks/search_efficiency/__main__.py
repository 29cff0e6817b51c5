"""``python -m benchmarks.search_efficiency``: how soon the engine knows what a plain loop finds out.

Two spaces on Fashion-MNIST, objectives accuracy, edge MACs and payload bytes. The plain loop is Optuna's
default sampler over masked dense networks with one exit, one operating point per training; beside it the
whole engine (by default without rungs), the engine with rungs, and with random proposals. All train with the
same recipe and the same torch threads, each search in a fresh process; loading data and imports are not
timed, everything else is. Speed-up: seconds until the plain loop had some share of its final hypervolume,
over the seconds to the same hypervolume.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.search_efficiency.comparison import (
    EQUAL_SECONDS,
    LEAST_ANYWHERE,
    LEAST_SPEEDUPS,
    SHARES,
    WORTHWHILE_SHARE,
    Row,
    compare,
    efficiency_figure,
    medians,
    shortfalls,
)
from benchmarks.search_efficiency.curves import DEFINITION, Curve
from benchmarks.search_efficiency.ours import RUNGS, WHOLE
from benchmarks.search_efficiency.run import LABELS, PLAIN, Task, run_shown, search
from benchmarks.search_efficiency.spaces import SPACES, make_space
from explorer.errors import UserError, run_command
from explorer.space.files import load_space_data
from explorer.utils.environment import machine, versions
from explorer.utils.files import write_json

BUDGETS_S, QUICK_BUDGETS_S = (150.0, 60.0), (40.0, 12.0)  # plain loop, ours
THREADS = 1  # of torch; as in explorer.search


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; ``--check`` fails where a figure falls short."""
    parsed = _parser().parse_args(arguments)
    plain_s, ours_s = QUICK_BUDGETS_S if parsed.quick else BUDGETS_S
    if parsed.budget is not None:
        if not parsed.budget > 0:
            raise UserError(f"--budget: must be above 0, got {parsed.budget:g}")
        plain_s, ours_s = parsed.budget, parsed.budget * ours_s / plain_s
    seeds = parsed.seeds if parsed.seeds is not None else (1 if parsed.quick else 3)
    if seeds < 1:
        raise UserError(f"--seeds: must be at least 1, got {seeds}")
    variants = parsed.variants or tuple(LABELS)
    if not {PLAIN, WHOLE}.issubset(variants):
        raise UserError(f"--variants: {PLAIN} and {WHOLE} are compared, got {', '.join(variants)}")
    spaces = parsed.spaces or (SPACES[:1] if parsed.quick else SPACES)
    load_space_data(make_space(spaces[0], 0), parsed.data_dir)  # fetched once, or named as missing, here
    tasks = [
        Task(space, seed, variant, plain_s if variant == PLAIN else ours_s, THREADS, parsed.data_dir)
        for seed in range(seeds)
        for space in spaces
        for variant in variants
    ]
    print(f"{DEFINITION}\nplain loop {plain_s:g} s, ours {ours_s:g} s each, {THREADS} thread", flush=True)
    return _conclude(run_shown(tasks, search, _in_words), parsed)


def _in_words(curve: Curve) -> str:
    where = f"{curve.space} seed {curve.seed} {LABELS[curve.variant]}"
    return f"{where}: hypervolume {curve.final:.4f} after {len(curve.seconds)} trials"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search_efficiency", description=__doc__)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where Fashion-MNIST lies")
    parser.add_argument(
        "--budget", type=float, metavar="S", help="seconds of the plain loop, ours in proportion (150 and 60)"
    )
    parser.add_argument("--variants", nargs="+", choices=LABELS, metavar="NAME", help="default: all")
    parser.add_argument("--quick", action="store_true", help="one seed, MLPs only, 40 and 12 seconds")
    parser.add_argument("--check", action="store_true", help="exit 1 naming every figure that falls short")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write curves and table as JSON")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="write a page with the figure")
    parser.add_argument("--spaces", nargs="+", choices=SPACES, help="default: all")
    parser.add_argument("--seeds", type=int, metavar="N", help="searches of each kind (default: 3)")
    return parser


def _conclude(curves: Sequence[Curve], parsed: argparse.Namespace) -> int:
    """Print and write what was found."""
    rows = compare(curves)
    short = shortfalls(rows)
    _print_tables(rows)
    if parsed.out:
        write_json(parsed.out, _record(curves, rows, short, parsed.quick))
    if parsed.figure:
        config = {"showSendToCloud": False, "displaylogo": False}
        efficiency_figure(curves).write_html(parsed.figure, include_plotlyjs=True, config=config)
    for line in short:
        print(f"falls short: {line}")
    return 1 if parsed.check and short else 0


def _print_tables(rows: Sequence[Row]) -> None:
    def shown(value: float | None) -> str:
        return "never" if value is None else f"{value:.2f}"

    table = pd.DataFrame(rows).assign(variant=[LABELS[row["variant"]] for row in rows])
    table = table.drop(columns=["speedups", "at_equal_seconds"])
    table["target_s"] = [shown(row["target_s"]) for row in rows]
    for share in SHARES:
        table[f"x {share:.0%}"] = [shown(row["speedups"][share]) for row in rows]
    table["rungs_share"] = [shown(row["rungs_share"]) if row["variant"] == RUNGS else "" for row in rows]
    print(table.sort_values(["space", "seed"], kind="stable").to_string(index=False, float_format="%.4f"))
    for variant, figures in medians(rows).items():
        print(
            f"median, {LABELS[variant]}: hypervolume {figures['hypervolume']:.4f}, "
            f"{figures['trainings']:g} trainings, target {shown(figures['target_s'])} s; speed-up to "
            + ", ".join(f"{share:.0%}: {shown(figures['speedups'][share])}" for share in SHARES)
            + " of the plain loop's final hypervolume; hypervolume over its own at equal seconds "
            + ", ".join(f"{s:g} s: {shown(figures['at_equal_seconds'][s])}" for s in EQUAL_SECONDS)
        )
    print(
        "promised, median speed-up of the whole engine by share of the plain loop's final hypervolume: "
        f"{LEAST_SPEEDUPS}, and at least {LEAST_ANYWHERE:g} in every case"
    )
    if RUNGS in medians(rows):
        print(
            "median share of the seconds without rungs that rungs take to the same hypervolume: "
            f"{shown(medians(rows)[RUNGS]['rungs_share'])}; they are off by default unless it is at most "
            f"{WORTHWHILE_SHARE:g}"
        )


def _record(
    curves: Sequence[Curve], rows: Sequence[Row], short: Sequence[str], quick: bool
) -> dict[str, Any]:
    names = dict.fromkeys(curve.space for curve in curves)
    return {
        "quick": quick,
        "definition": DEFINITION,
        "threads": THREADS,
        "spaces": {name: make_space(name, 0).model_dump(mode="json") for name in names},
        "machine": machine(),
        "versions": versions(),
        "rows": list(rows),
        "medians": medians(rows),
        "falls_short": list(short),
        "curves": [curve.to_json() for curve in curves],
    }


if __name__ == "__main__":
    sys.exit(run_command(main))
