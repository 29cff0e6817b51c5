"""Rebuild the report of a run from its folder."""

import sys
from collections.abc import Sequence
from pathlib import Path

import optuna
from sqlalchemy.exc import SQLAlchemyError

from explorer.front.series import Series
from explorer.report.index import write_index
from explorer.report.page import write_report
from explorer.runs.results import RunResults, load_run


def rebuild_report(folder: Path, series: Sequence[Series] = ()) -> tuple[RunResults, Path]:
    """Write a run's report anew, and the index beside its folder where there is one.

    Args:
        folder: Of the run.
        series: Points of somebody else that the page shows beside those of the run.

    Returns:
        The run, and the file written.

    Raises:
        UserError: The run cannot be read.

    Example:
        >>> from explorer.api import run_search
        >>> options = {"trials": 2, "workers": 1, "energy": False, "progress": False}
        >>> run = run_search("digits", name="rebuilt", reports=".", **options)
        >>> results, report = rebuild_report(Path("rebuilt"))
        >>> len(results.trials), report.as_posix()
        (2, 'rebuilt/report.html')
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    results = load_run(folder)
    report = write_report(results, load_study(folder / "study.db"), series=series)
    if (folder.parent / "index.html").is_file():
        write_index(folder.parent)
    return results, report


def load_study(path: Path) -> optuna.Study | None:
    """The run's study; None, with a line on stderr, where it is missing or cannot be read.

    Example:
        >>> load_study(Path("no-run/study.db")) is None
        True
    """
    if not path.is_file():  # asking SQLite would create it
        return None
    try:
        return optuna.load_study(study_name=None, storage=f"sqlite:///{path}")
    except (OSError, ValueError, KeyError, RuntimeError, SQLAlchemyError) as error:
        print(f"warning: {path} cannot be read ({' '.join(str(error).split())})", file=sys.stderr)
        return None
