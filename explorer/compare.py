"""``python -m explorer.compare RUN RUN``: how runs differ, in what was searched and in what came of it."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.errors import UserError, run_command
from explorer.runs.folder import REPORTS, find_run
from explorer.utils.arguments import make_parser

if TYPE_CHECKING:
    from explorer.front.comparison import Comparison
    from explorer.report.comparison import TextTable
    from explorer.space.metrics import Metric

EXAMPLES = """examples:
  explorer compare RUN RUN                       spaces key by key, fronts in one box
  explorer compare RUN --csv theirs.csv          a run and points of somebody else
  explorer compare RUN RUN --objectives accuracy,latency_model_s --html compared.html
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and print."""
    return run(make_parser("explorer.compare", __doc__, EXAMPLES, add_arguments).parse_args(arguments))


def run(parsed: argparse.Namespace) -> int:
    """Compare as parsed arguments say."""
    folders = [find_run(name, parsed.reports) for name in parsed.runs]
    if len(folders) + len(parsed.csv) < 2:
        raise UserError("compare: needs two fronts, of runs or of --csv, got one")
    from explorer.front.series import read_series
    from explorer.report.comparison import comparison_of, comparison_tables, write_comparison
    from explorer.runs.results import load_run

    runs = [load_run(folder) for folder in folders]
    series = [read_series(path) for path in parsed.csv]
    compared = comparison_of(runs, series, _objectives(parsed.objectives))
    tables = comparison_tables(runs, compared)
    if parsed.html is not None:
        write_comparison(parsed.html, tables, compared)
    if parsed.json:
        print(json.dumps(_content(compared, tables), indent=1, allow_nan=False))
    else:
        _show(tables)
        if parsed.html is not None:
            print(f"written: {parsed.html}")
    return 0


def _objectives(names: Sequence[str]) -> "list[Metric]":
    from explorer.space.metrics import SEARCHED_METRICS

    for name in names:
        if name not in SEARCHED_METRICS:
            known = ", ".join(SEARCHED_METRICS)
            raise UserError(f"--objectives: unknown column {name!r}; known: {known}")
    return [SEARCHED_METRICS[name] for name in dict.fromkeys(names)]


def _content(compared: "Comparison", tables: "Sequence[TextTable]") -> dict[str, Any]:
    differences = {
        table.title: [row[0] for row in table.rows] for table in tables if len(table.headings) == 1
    }
    names = [metric.name for metric in compared.objectives]
    return {
        "objectives": names,
        "reference_point": compared.reference,
        "fronts": [asdict(own) for own in compared.fronts],
        "joint_hypervolume": compared.joint_hypervolume,
        "joint": json.loads(compared.joint[["run", *names]].to_json(orient="records")),
        "spaces": differences,
    }


def _show(tables: "Sequence[TextTable]") -> None:
    from rich.console import Console

    from explorer.errors import printable
    from explorer.utils.tables import make_table

    console = Console()
    for number, table in enumerate(tables):
        console.print(("\n" if number else "") + printable(table.title), style="bold", markup=False)
        if len(table.headings) == 1:
            for row in table.rows:
                console.print(f"  {printable(row[0])}", markup=False, highlight=False)
            continue
        shown = make_table(*table.headings, right=table.headings[2:])
        for row in table.rows:
            shown.add_row(*map(printable, row))
        console.print(shown, markup=False)
        if table.note:
            console.print(table.note, markup=False, highlight=False)


def _columns(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``explorer compare``."""
    add = parser.add_argument
    add("runs", metavar="RUN", nargs="+", help="run folders, or names of runs under reports/")
    add(
        "--csv",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="points of somebody else, columns named as in front.csv; may be given several times",
    )
    common = "columns that are compared (default: objectives that all have)"
    add("--objectives", type=_columns, default=[], metavar="A,B", help=common)
    add("--html", type=Path, metavar="FILE", help="write the tables and a chart of the fronts as a page, too")
    add("--json", action="store_true", help="print them for machines")
    add("--reports", type=Path, default=REPORTS, metavar="DIR", help="where runs are (default: reports)")


if __name__ == "__main__":
    sys.exit(run_command(main))
