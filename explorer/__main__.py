"""``explorer search``, ``explorer pick`` and all other commands."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from explorer import __version__, calibrate, compare, confirm, edge, emulate, note, pick, search, serve
from explorer.deploy import __main__ as deploy
from explorer.errors import run_command
from explorer.inspect import __main__ as inspect
from explorer.measure import __main__ as measure
from explorer.report import __main__ as report
from explorer.utils.arguments import Parser

COMMANDS: dict[str, Any] = {
    "search": search,
    "pick": pick,
    "compare": compare,
    "note": note,
    "confirm": confirm,
    "deploy": deploy,
    "serve": serve,
    "edge": edge,
    "emulate": emulate,
    "measure": measure,
    "report": report,
    "inspect": inspect,
    "calibrate": calibrate,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that is named first."""
    parsed = make_parser().parse_args(arguments)
    return int(parsed.run_command(parsed))


def make_parser() -> argparse.ArgumentParser:
    """One parser for all commands, which are what ``python -m explorer.search`` and its kin are."""
    about = "Find out how to run a neural network across an edge device and a server."
    parser = Parser(prog="explorer", description=about)
    parser.add_argument("--version", action="version", version=f"explorer {__version__}")
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=("bash", "zsh", "tcsh"),
        help="print a script that completes commands and options in this shell",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        about = command.__doc__.partition(": ")[2].rstrip(".")
        own = commands.add_parser(
            name,
            help=about,
            description=command.__doc__,
            epilog=command.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(own)
        own.set_defaults(run_command=command.run)
    return parser


class _PrintCompletion(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *values: Any, **_: Any) -> None:
        """Print the completion script of a shell, and stop."""
        import shtab

        print(shtab.complete(parser, shell=values[1]))
        parser.exit()


def command() -> int:
    """The installed command; what a user can mend is one line on stderr."""
    return run_command(main)


if __name__ == "__main__":
    sys.exit(command())
