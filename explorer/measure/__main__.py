"""``python -m explorer.measure DIR``: run both halves over a paced link, predicted beside measured."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from explorer.errors import UserError, naming, run_command
from explorer.utils.arguments import make_parser, whole_number

EXAMPLES = """examples:
  explorer measure bundle
  explorer measure bundle --link lte_2021 --samples 400
  explorer measure bundle --link my_link.yaml --json
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    return run(make_parser("explorer.measure", __doc__, EXAMPLES, add_arguments).parse_args(arguments))


def run(parsed: argparse.Namespace) -> int:
    """Measure as parsed arguments say."""
    from explorer.devices import LinkProfile, load_link
    from explorer.measure.comparison import table
    from explorer.measure.deployed import both_halves, load_samples, measure, time_parts

    if parsed.samples < 1:
        raise UserError(f"--samples: must be at least 1, got {parsed.samples}")
    bundle = both_halves(parsed.folder)
    if parsed.link is not None:
        with naming("--link"):
            link = load_link(parsed.link)
    else:
        content = json.loads((parsed.folder / "manifest.json").read_text(encoding="utf-8"))
        link = LinkProfile.model_validate(content["setting"]["link"])
    samples, labels = load_samples(bundle, parsed.samples, parsed.max_data_bytes)
    parts = time_parts(bundle, samples)
    rows = table(bundle, link, parts, measure(bundle, link, samples, labels))
    if parsed.json:
        print(json.dumps({"link": link.name, "point": bundle.points[0].id, "rows": rows}, indent=1))
    else:
        _show(rows, f"{bundle.points[0].id} over {link.name}, {parsed.samples} samples, two processes")
    return 0


def _show(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    from rich.console import Console

    from explorer.utils.tables import make_table

    numbers = ("model", "formula", "measured", "from", "to")
    shown = make_table("", *numbers, right=numbers, title=title)
    for row in rows:
        cells = (row[name] for name in ("model", "formula", "measured", "low", "high"))
        shown.add_row(row["quantity"], *(_cell(value, row["unit"]) for value in cells))
    console = Console()
    console.print(shown)
    console.print(
        "model: from profiles, when the run was made; formula: from parts timed here; measured: medians of "
        "latencies (to: their 95th percentile), means of shares (with 95 % intervals) and bytes (with range)",
        markup=False,
    )


def _cell(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "s":
        return f"{1e3 * value:.3g} ms"
    return f"{value:.1f} B" if unit == "B" else f"{value:.1%}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``explorer measure``."""
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="a bundle, as explorer deploy writes it")
    add("--link", metavar="LINK", help="a shipped profile or a YAML file (default: that of the run)")
    add("--samples", type=int, default=200, metavar="N", help="how many are run (default: 200)")
    limit = (
        "refuse samples of the bundle that would take more memory (default: EXPLORER_MAX_DATA_BYTES, then "
        "half of this machine's memory)"
    )
    add("--max-data-bytes", type=whole_number(1), metavar="N", help=limit)
    add("--json", action="store_true", help="print JSON instead of a table")


if __name__ == "__main__":
    sys.exit(run_command(main))
