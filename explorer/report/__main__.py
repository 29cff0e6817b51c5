"""``python -m explorer.report RUN``: rebuild the report of a run."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from explorer.errors import run_command
from explorer.runs.folder import REPORTS, find_run
from explorer.utils.arguments import make_parser

EXAMPLES = """examples:
  explorer report RUN           rebuild reports/RUN/report.html
  explorer report RUN --json    print the front for machines, too
  explorer report RUN --reference theirs.csv    with points of somebody else, from now on
  explorer report RUN --drop-reference theirs   without them again
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Rebuild one report, and the index beside the run folder where there is one."""
    return run(make_parser("explorer.report", __doc__, EXAMPLES, add_arguments).parse_args(arguments))


def run(parsed: argparse.Namespace) -> int:
    """Rebuild as parsed arguments say."""
    folder = find_run(parsed.run, parsed.reports)
    from explorer.front.series import read_series
    from explorer.report.rebuild import rebuild_report
    from explorer.runs.front_files import front_content

    series = [read_series(path) for path in parsed.reference]
    results, report = rebuild_report(folder, series, parsed.drop_reference)
    if parsed.json:
        content = front_content(results) | {"report": str(report)}
        print(json.dumps(content, indent=1, allow_nan=False))
    else:
        print(report)
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``explorer report``."""
    add = parser.add_argument
    add("run", metavar="RUN", help="a run folder, or the name of a run under reports/")
    add(
        "--reference",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a CSV file with points of somebody else, columns named as in front.csv, which is kept beside "
        "the run and shown in its page; may be given several times",
    )
    add(
        "--drop-reference",
        action="append",
        default=[],
        metavar="NAME",
        help="show such points no longer; NAME is that of their file, without .csv",
    )
    add("--json", action="store_true", help="print the front and where the report is, for machines")
    add("--reports", type=Path, default=REPORTS, metavar="DIR", help="where runs are (default: reports)")


if __name__ == "__main__":
    sys.exit(run_command(main))
