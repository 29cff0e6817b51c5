"""``python -m benchmarks.engine_overhead``: what a search costs beyond training, and what workers gain.

Searches of the digits space over made-up trainings, whose own time is taken off: milliseconds per proposal,
over all proposals and over the last tenth, and growth of resident memory over the second half. In the mix
`distinct` nearly every proposal trains a network of its own; in `repeating` more and more are answered from
the store. TPE and GP look at every earlier trial for each proposal, so they run up to 1,000 and 100 proposals
only. Then trainings per second of whole searches, real ones and ones that sleep for a second, by workers.
"""

import argparse
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd

from benchmarks.engine_overhead.limits import shortfalls
from benchmarks.engine_overhead.search import Case, Overhead, measure
from benchmarks.engine_overhead.workers import SLEEP_S, Throughput, compare_workers
from explorer.engine.defaults import DEFAULT_SAMPLER
from explorer.errors import run_command
from explorer.utils.environment import machine, versions
from explorer.utils.files import write_json

QUICK = (
    Case(DEFAULT_SAMPLER, "sqlite", "distinct", 200),
    Case(DEFAULT_SAMPLER, "sqlite", "repeating", 200),
)
FULL = (
    *(Case(sampler, "sqlite", "distinct", 100) for sampler in ("tpe", "nsga2", "nsga3", "random", "gp")),
    *(Case(DEFAULT_SAMPLER, "sqlite", mix, 200) for mix in ("distinct", "repeating")),
    Case(DEFAULT_SAMPLER, "sqlite", "distinct", 200, sleep_s=0.05),
    Case("tpe", "sqlite", "distinct", 200),
    *(Case(sampler, "sqlite", "distinct", 1_000) for sampler in ("tpe", "nsga2", "nsga3", "random")),
    Case("nsga2", "memory", "distinct", 1_000),
    Case(DEFAULT_SAMPLER, "sqlite", "distinct", 10_000),
    *(Case("nsga2", "sqlite", mix, 10_000) for mix in ("distinct", "repeating")),
    *(Case(sampler, "sqlite", "distinct", 10_000) for sampler in ("nsga3", "random")),
)
ON_POSTGRES = (Case("tpe", "postgres", "distinct", 200), Case("nsga2", "postgres", "distinct", 1_000))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; ``--check`` fails where a figure falls short."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine_overhead", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200 proposals, one short round of workers")
    parser.add_argument("--check", action="store_true", help="exit 1 naming every figure that falls short")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--postgres", metavar="URL", help="Optuna storage URL; searches on PostgreSQL too")
    parsed = parser.parse_args(arguments)
    cases = (QUICK if parsed.quick else FULL) + (ON_POSTGRES if parsed.postgres else ())
    overheads = []
    for overhead in run_cases(cases, parsed.postgres):
        overheads.append(overhead)
        print(describe(overhead), flush=True)
    throughputs = compare_workers(1, 12, 3) if parsed.quick else compare_workers(3, 96, 24)
    print_tables(overheads, throughputs)
    short = shortfalls(overheads, () if parsed.quick else throughputs)
    if parsed.quick:
        print("not measured with --quick: 10,000 proposals; not checked: workers, who did too little to tell")
    if parsed.out:
        content = {
            "quick": parsed.quick,
            "machine": machine(),
            "versions": versions(),
            "overheads": [overhead.to_json() for overhead in overheads],
            "throughputs": [throughput.to_json() for throughput in throughputs],
            "falls_short": short,
        }
        write_json(parsed.out, content)
    for line in short:
        print(f"falls short: {line}")
    return 1 if parsed.check and short else 0


def run_cases(cases: Sequence[Case], postgres: str | None) -> Iterator[Overhead]:
    """Run searches one after another, each in a fresh process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.engine_overhead.search"])
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        yield from (pool.submit(measure, case, postgres).result() for case in cases)


def describe(overhead: Overhead) -> str:
    """One line for a search just ended."""
    case = overhead.case
    return (
        f"{case.sampler}, {case.storage}, {case.mix}, {case.proposals:,} proposals: "
        f"{overhead.ms_per_proposal:.1f} ms each, {overhead.ms_at_end:.1f} at the end"
    )


def print_tables(overheads: Sequence[Overhead], throughputs: Sequence[Throughput]) -> None:
    """All figures, for a person."""
    table = pd.DataFrame([overhead.to_json() for overhead in overheads])
    print(table.to_string(index=False, float_format="%.2f"))
    print(f"trainings per second (sleeping: {SLEEP_S:g} s each), bookkeeping included:")
    for throughput in throughputs:
        over = ", ".join(f"{ratio:.2f}x over {name}" for name, ratio in throughput.speedups.items())
        print(f"{throughput.name:<26}{throughput.trainings_per_s:>8.2f}  {over}")


if __name__ == "__main__":
    sys.exit(run_command(main))
