"""``python -m explorer.search``: search a space and write its Pareto-front report."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from explorer.engine.defaults import (
    DEFAULT_ENCODING,
    DEFAULT_PREFER,
    DEFAULT_RUNGS,
    DEFAULT_SAMPLER,
    DEFAULT_SEED,
    DEFAULT_TRIALS,
    ENCODINGS,
    PREFER,
    RUNGS,
    SAMPLERS,
)
from explorer.errors import UserError, run_command
from explorer.runs.folder import REPORTS
from explorer.utils.arguments import above_zero, add_data_options, device, make_parser, whole_number

EXAMPLES = """examples:
  explorer search --trials 200                                  the shipped digits space
  explorer search --space my_space.yaml --dry-run               what a space contains
  explorer search --space my_space.yaml --run first --live      with a report that follows the search
  explorer search --run first --resume --trials 400             go on with a run
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, search, and say where the report is."""
    return run(make_parser("explorer.search", __doc__, EXAMPLES, add_arguments).parse_args(arguments))


def run(parsed: argparse.Namespace) -> int:
    """Search as parsed arguments say."""
    if parsed.resource and parsed.scheduler is None:
        raise UserError("--resource: only the workers of a --scheduler offer resources")
    from explorer.session.command import dry_run, search_and_report
    from explorer.session.options import Options

    options = Options(
        space=parsed.space,
        trials=parsed.trials,
        run=parsed.run,
        seed=parsed.seed,
        sampler=parsed.sampler,
        rungs=parsed.rungs,
        encoding=parsed.encoding,
        prefer=parsed.prefer,
        timeout_s=parsed.timeout,
        resume=parsed.resume,
        storage=_storage(parsed),
        study=parsed.study,
        data_dir=parsed.data_dir,
        max_data_bytes=parsed.max_data_bytes,
        reports=parsed.reports,
        keep_weights=parsed.keep_weights,
        live_s=parsed.live,
        energy=not parsed.no_energy,
        workers=parsed.workers,
        threads=parsed.threads,
        device=parsed.device,
        scheduler=parsed.scheduler,
        resources=dict(parsed.resource),
        time_limit_s=parsed.time_limit,
        memory_limit_bytes=None if parsed.memory_limit is None else parsed.memory_limit * 2**20,
    )
    return dry_run(options, parsed.json) if parsed.dry_run else search_and_report(options, parsed.json)


def _storage(parsed: argparse.Namespace) -> str | None:
    """The URL as typed, else that of the environment; a run that goes on has its own."""
    from explorer.engine.storage.database import STORAGE_VARIABLE, has_password

    if parsed.storage is None:
        return None if parsed.resume else os.environ.get(STORAGE_VARIABLE) or None
    if has_password(parsed.storage):
        print(
            "warning: --storage: all users of this machine see a password that is typed here; give it in "
            f"PGPASSWORD or ~/.pgpass, or the whole URL in {STORAGE_VARIABLE}",
            file=sys.stderr,
        )
    return str(parsed.storage)


def _address(text: str) -> str:
    if not re.fullmatch(r"(tcp|tls)://[^\s:/]+:\d{1,5}", text):
        raise argparse.ArgumentTypeError(f"must be tcp://HOST:PORT or tls://HOST:PORT, got {text!r}")
    return text


def _resource(text: str) -> tuple[str, float]:
    if not (match := re.fullmatch(r"(\w+)=(\d+(?:\.\d+)?)", text)):
        raise argparse.ArgumentTypeError(f"must be NAME=NUMBER, such as GPU=1, got {text!r}")
    return match[1], float(match[2])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``explorer search``."""
    add = parser.add_argument
    add("--space", metavar="FILE", help="search space file, or the name of a shipped one (default: digits)")
    add("--trials", type=whole_number(1), metavar="N", help=f"proposals in all (default: {DEFAULT_TRIALS})")
    add("--run", metavar="NAME", help="name of the folder under reports/ (default: space and time)")
    add("--seed", type=whole_number(0), help=f"seed of the sampler (default: {DEFAULT_SEED})")
    add(
        "--sampler",
        choices=SAMPLERS,
        help=f"front: a model that predicts the fronts of networks; others are Optuna's "
        f"(default: {DEFAULT_SAMPLER})",
    )
    add(
        "--prefer",
        choices=PREFER,
        help="what the sampler `front` looks for: what a network will add, or that per second of its "
        f"training, as measured so far (default: {DEFAULT_PREFER})",
    )
    add(
        "--rungs",
        choices=RUNGS,
        help=f"on: train new networks for a few epochs, promising ones further (default: {DEFAULT_RUNGS})",
    )
    add(
        "--encoding",
        choices=ENCODINGS,
        help="of what the sampler proposes: a parameter per backbone and junction, or few that all networks "
        f"share (default: {DEFAULT_ENCODING})",
    )
    add("--timeout", type=above_zero, metavar="S", help="begin no training after S seconds")
    add("--resume", action="store_true", help="go on with a run: --run NAME, or the newest")
    add(
        "--storage",
        metavar="URL",
        help="Optuna storage (default: EXPLORER_STORAGE, or SQLite in the run folder); several searches may "
        "share a study in postgresql+psycopg://USER@HOST/DATABASE, with the password in PGPASSWORD",
    )
    add("--study", metavar="NAME", help="name of the study in --storage (default: that of the run)")
    add_data_options(parser)
    add(
        "--reports",
        type=Path,
        default=REPORTS,
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
        help="trainings at a time, each in a process of its own, on every GPU that --device allows; 1: in "
        "this process, which alone gives the same proposals twice (default: 1, then one per core, or four "
        "per GPU, if the first trainings foretell a long search)",
    )
    add(
        "--device",
        type=device,
        default="auto",
        metavar="NAME",
        help="where networks are trained: auto (a GPU if there is one), cpu, cuda or cuda:N (default: auto)",
    )
    add(
        "--scheduler",
        type=_address,
        metavar="URL",
        help="train on the workers of a Dask cluster: tcp://HOST:PORT, or tls://HOST:PORT",
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
    add("--json", action="store_true", help="print what came of it for machines, progress on stderr")


if __name__ == "__main__":
    sys.exit(run_command(main))
