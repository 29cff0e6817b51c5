"""``python -m explorer.report RUN``: rebuild the report of a run."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import optuna
from sqlalchemy.exc import SQLAlchemyError

from explorer.errors import run_command
from explorer.report.index import write_index
from explorer.report.page import write_report
from explorer.results import load_run
from explorer.runs import find_run


def main(arguments: Sequence[str] | None = None) -> int:
    """Rebuild one report, and the index beside the run folder where there is one."""
    parser = argparse.ArgumentParser(prog="python -m explorer.report", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="a run folder, or the name of a run under reports/")
    folder = find_run(parser.parse_args(arguments).run)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    report = write_report(load_run(folder), load_study(folder / "study.db"))
    if (folder.parent / "index.html").is_file():
        write_index(folder.parent)
    print(report)
    return 0


def load_study(path: Path) -> optuna.Study | None:
    """The run's study; None, with a line on stderr, where it is missing or cannot be read."""
    if not path.is_file():  # asking SQLite would create it
        return None
    try:
        return optuna.load_study(study_name=None, storage=f"sqlite:///{path}")
    except (OSError, ValueError, KeyError, RuntimeError, SQLAlchemyError) as error:
        print(f"warning: {path} cannot be read ({' '.join(str(error).split())})", file=sys.stderr)
        return None


if __name__ == "__main__":
    sys.exit(run_command(main))
