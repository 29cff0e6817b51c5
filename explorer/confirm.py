"""``python -m explorer.confirm RUN``: train points anew with other seeds, and say which were lucky."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.errors import run_command
from explorer.runs.folder import REPORTS, find_run
from explorer.utils.arguments import add_data_options, device, make_parser, whole_number

if TYPE_CHECKING:
    from explorer.runs.confirmed import Confirmed

EXAMPLES = """examples:
  explorer confirm RUN                          the ten most accurate points of the front, three seeds each
  explorer confirm RUN --top 3 --seeds 5
  explorer confirm RUN --ids POINT_ID,POINT_ID
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, print and write ``confirmed.json``."""
    return run(make_parser("explorer.confirm", __doc__, EXAMPLES, add_arguments).parse_args(arguments))


def run(parsed: argparse.Namespace) -> int:
    """Confirm as parsed arguments say."""
    folder = find_run(parsed.run, parsed.reports)
    from explorer.runs.confirmed import CONFIRMED_FILE
    from explorer.runs.results import load_run
    from explorer.session.confirm import confirm, points_to_confirm
    from explorer.session.options import Options
    from explorer.utils.threads import torch_threads

    results = load_run(folder)
    points = points_to_confirm(results, parsed.top, parsed.ids)
    options = Options.of_run(
        folder,
        data_dir=parsed.data_dir,
        max_data_bytes=parsed.max_data_bytes,
        workers=parsed.workers,
        device=parsed.device,
    )
    with torch_threads(options.threads):
        found = confirm(results, points, options, parsed.seeds, _show_on_stderr)
    if parsed.json:
        print(json.dumps([point.to_json() for point in found], indent=1, allow_nan=False))
    else:
        _print(found)
        print(f"written: {folder / CONFIRMED_FILE}")
    return 0


def _show_on_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def _print(found: "Sequence[Confirmed]") -> None:
    from rich.console import Console

    from explorer.space.texts import share_text
    from explorer.utils.tables import make_table

    named = {point.quality.replace("_", " ") for point in found}
    numbers = f"{' or '.join(sorted(named))} as searched", "other seeds", "deviation"
    table = make_table("point", *numbers, "", right=numbers)
    for point in found:
        other = f"{share_text(point.mean)} ({len(point.seeds)})"
        cells = share_text(point.accuracy), other, share_text(point.deviation)
        table.add_row(point.point_id, *cells, "lucky" if point.lucky else "")
    Console().print(table, markup=False, highlight=False)
    for reason in sorted({reason for point in found for reason in point.failures}):
        print(f"warning: a training failed: {reason}", file=sys.stderr)


def _ids(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``explorer confirm``."""
    add = parser.add_argument
    add("run", metavar="RUN", help="a run folder, or the name of a run under reports/")
    add(
        "--top",
        type=whole_number(1),
        default=10,
        metavar="N",
        help="so many points of the front (default: 10)",
    )
    add("--ids", type=_ids, default=[], metavar="A,B", help="these points instead")
    add(
        "--seeds", type=whole_number(1), default=3, metavar="N", help="trainings of each network (default: 3)"
    )
    add("--workers", type=whole_number(1), metavar="N", help="trainings at a time, as of a search")
    add("--device", type=device, default="auto", metavar="NAME", help="where to train, as of a search")
    add_data_options(parser)
    add("--reports", type=Path, default=REPORTS, metavar="DIR", help="where runs are")
    add("--json", action="store_true", help="print confirmed points for machines, progress on stderr")


if __name__ == "__main__":
    sys.exit(run_command(main))
