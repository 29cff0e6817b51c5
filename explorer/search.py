"""``python -m explorer.search``: search a space and write its Pareto-front report."""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from explorer.arguments import above_zero, whole_number
from explorer.dry_run import imbalance_note, print_data, print_inventory
from explorer.engine.database import failures_explained
from explorer.engine.encodings import ENCODINGS
from explorer.engine.progress import make_reporter
from explorer.engine.study import SAMPLERS
from explorer.errors import EXIT_ALL_FAILED, EXIT_INTERRUPTED, UserError, run_command
from explorer.results import RunResults
from explorer.run_session import finish, search
from explorer.session import (
    DEFAULT_ENCODING,
    DEFAULT_RUNGS,
    DEFAULT_SAMPLER,
    DEFAULT_SEED,
    DEFAULT_TRIALS,
    Options,
    Session,
    prepare,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, search, and say where the report is."""
    parsed = _parser().parse_args(arguments)
    torch.set_num_threads(parsed.threads)
    if parsed.resource and parsed.scheduler is None:
        raise UserError("--resource: only the workers of a --scheduler offer resources")
    options = Options(
        space=parsed.space,
        trials=parsed.trials,
        run=parsed.run,
        seed=parsed.seed,
        sampler=parsed.sampler,
        rungs=parsed.rungs,
        encoding=parsed.encoding,
        timeout_s=parsed.timeout,
        resume=parsed.resume,
        storage=parsed.storage,
        study=parsed.study,
        data_dir=parsed.data_dir,
        reports=parsed.reports,
        keep_weights=parsed.keep_weights,
        live_s=parsed.live,
        energy=not parsed.no_energy,
        workers=parsed.workers,
        threads=parsed.threads,
        scheduler=parsed.scheduler,
        resources=dict(parsed.resource),
        time_limit_s=parsed.time_limit,
        memory_limit_bytes=None if parsed.memory_limit is None else parsed.memory_limit * 2**20,
    )
    session = prepare(options)
    if parsed.dry_run:
        print_data(session.data, Console())
        print_inventory(session.inventory, Console())
        return 0
    _announce(session)
    with make_reporter(sys.stdout) as reporter:
        try:
            study, interrupted = search(session, options, reporter)
        except KeyboardInterrupt:  # before the first proposal
            print(_resume_hint(session))
            raise
    print("measuring the parts on the front, one at a time ...", flush=True)
    with failures_explained(session.storage):
        results = finish(session, options, study)
    _conclude(session, results, interrupted)
    if interrupted:
        return EXIT_INTERRUPTED
    return EXIT_ALL_FAILED if results.all_failed else 0


def _announce(session: Session) -> None:
    space = session.space
    print(
        f"run {session.folder}: {session.trials} trials of {session.inventory.num_networks:,} networks in "
        f"{session.record['space_name']} on {space.data.source}, sampler {session.record['sampler']} "
        f"({session.record['encoding']} encoding), "
        f"seed {session.record['seed']}",
        flush=True,
    )
    for variant in session.inventory.failures:
        print(f"{variant.name} cannot be used: {variant.failure}", flush=True)
    if note := imbalance_note(session.data):
        print(note, flush=True)


def _conclude(session: Session, results: RunResults, interrupted: bool) -> None:
    counts, front = results.run["counts"], results.front
    if interrupted:
        print(_resume_hint(session))
    if results.run["exhausted"]:
        print(f"the space is exhausted: all its {session.inventory.num_networks} networks were tried")
    print(
        f"{counts['trials']} trials, {counts['trainings']} trainings, {counts['cached']} cached, "
        f"{counts['infeasible']} infeasible, {counts['failed']} failed; "
        f"{counts['operating_points']:,} operating points, {counts['front']} on the front"
    )
    if (rungs := results.run["rung_results"])["epochs"][1:]:
        print(_describe_rungs(rungs))
    if not front.empty:
        macs = front["edge_macs"]
        print(
            f"front: accuracy {front['accuracy'].min():.4f} .. {front['accuracy'].max():.4f}, "
            f"edge MACs {macs.min():,.0f} .. {macs.max():,.0f}; "
            f"{results.run['search']['seconds']:.0f} s of search"
        )
    for reason, count in results.failures.items():
        print(f"failed, {count} network{'s' * (count > 1)}: {reason}")
    if results.all_failed:
        print("no network could be trained")
    print(f"report: {results.path / 'report.html'}")


def _resume_hint(session: Session) -> str:
    return f"interrupted; go on with `python -m explorer.search --run {session.folder.name} --resume`"


def _describe_rungs(rungs: Mapping[str, Any]) -> str:
    """How many networks reached each rung, and how well each rung foretold the next."""
    reached = ", ".join(
        f"{number} at {epochs}" for epochs, number in zip(rungs["epochs"], rungs["networks"], strict=True)
    )
    foretold = ", ".join(
        f"{low} to {high}: {'too few networks' if rho is None else f'{rho:.2f}'}"
        for (low, high), rho in zip(pairwise(rungs["epochs"]), rungs["rank_correlation"], strict=True)
    )
    return f"networks by epochs: {reached}; rank correlation between rungs: {foretold}"


def _address(text: str) -> str:
    if not re.fullmatch(r"(tcp|tls)://[^\s:/]+:\d{1,5}", text):
        raise argparse.ArgumentTypeError(f"must be tcp://HOST:PORT, got {text!r}")
    return text


def _resource(text: str) -> tuple[str, float]:
    if not (match := re.fullmatch(r"(\w+)=(\d+(?:\.\d+)?)", text)):
        raise argparse.ArgumentTypeError(f"must be NAME=NUMBER, such as GPU=1, got {text!r}")
    return match[1], float(match[2])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m explorer.search", description=__doc__)
    add = parser.add_argument
    add("--space", metavar="FILE", help="search space file, or the name of a shipped one (default: digits)")
    add("--trials", type=whole_number(1), metavar="N", help=f"proposals in all (default: {DEFAULT_TRIALS})")
    add("--run", metavar="NAME", help="name of the folder under reports/ (default: space and time)")
    add("--seed", type=whole_number(0), help=f"seed of the sampler (default: {DEFAULT_SEED})")
    add("--sampler", choices=SAMPLERS, help=f"default: {DEFAULT_SAMPLER}")
    add(
        "--rungs",
        choices=("on", "off"),
        help=f"on: train new networks for a few epochs, promising ones further (default: {DEFAULT_RUNGS})",
    )
    add(
        "--encoding",
        choices=list(ENCODINGS),
        help="of what the sampler proposes: a parameter per backbone and junction, or few that all networks "
        f"share (default: {DEFAULT_ENCODING})",
    )
    add("--timeout", type=above_zero, metavar="S", help="begin no training after S seconds")
    add("--resume", action="store_true", help="go on with a run: --run NAME, or the newest")
    add(
        "--storage",
        metavar="URL",
        help="Optuna storage (default: SQLite in the run folder); several searches may share a study in "
        "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE",
    )
    add("--study", metavar="NAME", help="name of the study in --storage (default: that of the run)")
    add("--data-dir", type=Path, metavar="DIR", help="where data files lie (default: EXPLORER_DATA_DIR)")
    add(
        "--reports",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="where runs go (default: reports)",
    )
    add(
        "--threads",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="threads of a training (default: 1; small networks train no faster on more)",
    )
    add(
        "--workers",
        type=whole_number(1),
        metavar="N",
        help="trainings at a time, each in a process of its own; 1: in this process, which alone gives the "
        "same proposals twice (default: 1, then one per core if the first trainings foretell a long search)",
    )
    add(
        "--scheduler",
        type=_address,
        metavar="URL",
        help="train on the workers of a Dask cluster: tcp://HOST:PORT",
    )
    add(
        "--resource",
        type=_resource,
        action="append",
        default=[],
        metavar="NAME=N",
        help="what a training takes of its Dask worker, such as GPU=1; may be given several times",
    )
    add("--time-limit", type=above_zero, metavar="S", help="a training that takes longer fails")
    add(
        "--memory-limit",
        type=whole_number(1),
        metavar="MIB",
        help="a training whose process needs more fails",
    )
    add("--keep-weights", action="store_true", help="keep weights of networks that left the front")
    add("--no-energy", action="store_true", help="do not measure energy of the front's parts at the end")
    add(
        "--live",
        type=above_zero,
        nargs="?",
        const=30.0,
        metavar="S",
        help="write the report every S seconds while searching; the open page reloads itself (default: 30)",
    )
    add("--dry-run", action="store_true", help="print what the space contains and stop")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
