"""``python -m benchmarks.true_front``: how soon a sampler finds the front, when the true one is known.

Every network of a space is trained once and kept in a table (``--tables``); any sampler then searches as it
does, with training replaced by looking up. Regret: the share of the true front's hypervolume, in logarithmic
costs, that is missing. The space ``wide`` is too large for that: its front is the best of everything that was
ever trained for its table.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.search_efficiency.curves import DEFINITION
from benchmarks.true_front.curves import PER_SECOND, TWO_WORKERS
from benchmarks.true_front.run import Found, Task, run_task
from benchmarks.true_front.scores import figure, regret_table, saved, shortfalls, target_count
from benchmarks.true_front.spaces import EXHAUSTED, SPACES
from explorer.engine.defaults import ENCODINGS, SAMPLERS
from explorer.errors import UserError, run_command
from explorer.utils.environment import machine, versions
from explorer.utils.files import write_json

SEEDS, QUICK_SEEDS = 10, 2
NETWORKS, QUICK_NETWORKS = 200, 50


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; ``--check`` fails where a figure falls short."""
    parsed = _parser().parse_args(arguments)
    seeds = parsed.seeds if parsed.seeds is not None else (QUICK_SEEDS if parsed.quick else SEEDS)
    if seeds < 1:
        raise UserError(f"--seeds: must be at least 1, got {seeds}")
    spaces = parsed.spaces or (SPACES[:1] if parsed.quick else SPACES)
    networks = QUICK_NETWORKS if parsed.quick else NETWORKS
    print(DEFINITION, flush=True)
    with tempfile.TemporaryDirectory(prefix="tables-") as folder:
        tables = parsed.tables or Path(folder)
        tasks = [
            Task(space, tuple(parsed.samplers), seeds, networks, parsed.encoding, tables, parsed.data_dir, 1)
            for space in spaces
        ]
        with ProcessPoolExecutor(parsed.workers, max_tasks_per_child=1) as pool:
            found = dict(zip(spaces, pool.map(run_task, tasks), strict=True))
    return _conclude(found, parsed)


def _conclude(found: dict[str, Found], parsed: argparse.Namespace) -> int:
    curves = [curve for own in found.values() for curve in own.curves]
    best = {space: own.best for space, own in found.items()}
    rows = regret_table(curves, best)
    reached = QUICK_NETWORKS if parsed.quick else NETWORKS
    counts = {space: min(reached, target_count(own.networks)) for space, own in found.items()}
    _print_tables(rows, found)
    shares = {space: saved(curves, space, counts[space]) for space in found}
    for space, share in shares.items():
        print(
            f"{space}: the front sampler needs {share:.3f} of the networks that random order needs for the "
            f"hypervolume it has after {counts[space]}"
        )
    short = shortfalls(curves, best, counts)
    if parsed.out:
        content: dict[str, Any] = {"quick": parsed.quick, "definition": DEFINITION, "rows": rows}
        content |= {"best": best, "luck": {space: own.luck for space, own in found.items()}}
        content |= {"networks": {space: own.networks for space, own in found.items()}}
        content |= {"trained": {space: own.trained for space, own in found.items()}}
        content |= {"share_of_random_order": shares, "falls_short": short}
        content |= {"curves": [curve.to_json() for curve in curves]}
        write_json(parsed.out, content | {"machine": machine(), "versions": versions()})
    if parsed.figure:
        config = {"showSendToCloud": False, "displaylogo": False}
        figure(curves, best).write_html(parsed.figure, include_plotlyjs=True, config=config)
    for line in short:
        print(f"falls short: {line}")
    return 1 if parsed.check and short else 0


def _print_tables(rows: Sequence[dict[str, Any]], found: dict[str, Found]) -> None:
    for space, own in found.items():
        whole = "all" if space in EXHAUSTED else "best known of"
        print(
            f"\n{space}: hypervolume {own.best:.4f} of {whole} {own.trained:,} networks "
            f"({own.networks:,} in the space); luck of the validation subset: at most {own.luck:.2%}"
        )
        lines = [
            {name: _shown_cell(cell) for name, cell in row.items() if name != "space"}
            for row in rows
            if row["space"] == space
        ]
        print(pd.DataFrame(lines).fillna("").to_string(index=False))


def _shown_cell(cell: Any) -> Any:
    if isinstance(cell, dict):
        return f"{cell['median']:.2%} ({cell['low']:.2%} .. {cell['high']:.2%})"
    return round(cell, 1) if isinstance(cell, float) else cell


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.true_front", description=__doc__)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where Fashion-MNIST lies")
    parser.add_argument("--tables", type=Path, metavar="DIR", help="keep trained networks here, and use them")
    parser.add_argument("--quick", action="store_true", help="digits only, two seeds, 50 networks")
    parser.add_argument("--check", action="store_true", help="exit 1 naming every figure that falls short")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write curves and tables as JSON")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="write a page with the figure")
    parser.add_argument("--spaces", nargs="+", choices=SPACES, help="default: all")
    parser.add_argument(
        "--samplers",
        nargs="+",
        choices=(*SAMPLERS, PER_SECOND, TWO_WORKERS),
        default=["front", "nsga2", "tpe", "gp"],
        metavar="NAME",
        help="default: front, nsga2, tpe and gp",
    )
    parser.add_argument("--encoding", choices=ENCODINGS, default="conditional")
    parser.add_argument("--seeds", type=int, metavar="N", help=f"searches of each kind (default: {SEEDS})")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="spaces at a time")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
