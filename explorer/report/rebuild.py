"""Rebuild the report of a run from its folder."""

from collections.abc import Sequence
from pathlib import Path

from explorer.front.series import Series
from explorer.report.index import write_index
from explorer.report.page import write_report
from explorer.runs.others import keep_others
from explorer.runs.results import RunResults, load_run


def rebuild_report(
    folder: Path, series: Sequence[Series] = (), drop: Sequence[str] = ()
) -> tuple[RunResults, Path]:
    """Write a run's report anew, and the index beside its folder where there is one.

    Args:
        folder: Of the run.
        series: Points of somebody else, kept and shown beside those of the run from now on.
        drop: Names of such that are kept no longer.

    Returns:
        The run, and the file written.

    Raises:
        UserError: The run cannot be read, or nothing is kept that is to be dropped.

    Example:
        >>> from explorer.api import run_search
        >>> options = {"trials": 2, "workers": 1, "energy": False, "progress": False}
        >>> run = run_search("digits", name="rebuilt", reports=".", **options)
        >>> results, report = rebuild_report(Path("rebuilt"))
        >>> len(results.trials), report.as_posix()
        (2, 'rebuilt/report.html')
    """
    results = load_run(folder)
    keep_others(folder, series, drop)
    report = write_report(results)
    if (folder.parent / "index.html").is_file():
        write_index(folder.parent)
    return results, report
