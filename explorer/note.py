"""``python -m explorer.note RUN``: write a note or a tag beside a run, or show what is there."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from explorer.errors import UserError, run_command
from explorer.runs.folder import REPORTS, find_run
from explorer.utils.arguments import make_parser

EXAMPLES = """examples:
  explorer note RUN "trained before the sensors were changed"
  explorer note RUN --tag board-2 --tag paper
  explorer note RUN --untag paper
  explorer note RUN                              what is there
"""
_LONGEST = 1000  # characters


def main(arguments: Sequence[str] | None = None) -> int:
    """Write and show."""
    return run(make_parser("explorer.note", __doc__, EXAMPLES, add_arguments).parse_args(arguments))


def run(parsed: argparse.Namespace) -> int:
    """Write and show as parsed arguments say."""
    folder = find_run(parsed.run, parsed.reports)
    from explorer.errors import printable
    from explorer.report.index import write_index
    from explorer.runs.notes import add_notes, read_notes

    text = " ".join(parsed.text.split())
    if len(text) > _LONGEST:
        raise UserError(f"note: must have at most {_LONGEST} characters, got {len(text)}")
    if text or parsed.tag or parsed.untag:
        found = add_notes(folder, text, parsed.tag, parsed.untag)
        if (folder.parent / "index.html").is_file():
            write_index(folder.parent)
    else:
        found = read_notes(folder)
    if parsed.json:
        notes = [{"created": note.created, "text": note.text} for note in found.notes]
        print(json.dumps({"tags": found.tags, "notes": notes}, indent=1))
        return 0
    print(f"tags: {', '.join(found.tags) or 'none'}")
    for note in found.notes:
        print(printable(f"{note.created}: {note.text}"))
    return 0


def _tag(text: str) -> str:
    if not re.fullmatch(r"[\w.-]{1,40}", text):
        raise argparse.ArgumentTypeError(
            f"must be letters, digits, '.', '_' and '-' (at most 40), got {text!r}"
        )
    return text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``explorer note``."""
    add = parser.add_argument
    add("run", metavar="RUN", help="a run folder, or the name of a run under reports/")
    add("text", metavar="TEXT", nargs="?", default="", help="the note; the index of runs finds its words")
    add("--tag", type=_tag, action="append", default=[], metavar="TAG", help="may be given several times")
    add("--untag", type=_tag, action="append", default=[], metavar="TAG", help="take a tag away")
    add("--json", action="store_true", help="print notes and tags for machines")
    add("--reports", type=Path, default=REPORTS, metavar="DIR", help="where runs are (default: reports)")


if __name__ == "__main__":
    sys.exit(run_command(main))
