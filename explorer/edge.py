"""``python -m explorer.edge DIR``: run the edge half of a bundle, and ask a server where it is not sure."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from explorer.errors import run_command
from explorer.runtime.edge import command as edge_command
from explorer.utils.arguments import make_parser

EXAMPLES = """examples:
  explorer edge deployed/digits --server http://192.168.1.20:8080 --data npz:test.npz
  explorer edge deployed/digits --server https://gateway:8443 --token-file token --data folder:captured --json
  explorer edge deployed/digits --data npz:test.npz --limit 100
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer the samples that the command line names."""
    return run(make_parser("explorer.edge", __doc__, EXAMPLES, add_arguments).parse_args(arguments))


def run(parsed: argparse.Namespace) -> int:
    """Answer as parsed arguments say."""
    return edge_command.run(parsed)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``explorer edge``."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="a bundle, as explorer deploy writes it")
    edge_command.add_options(parser)


if __name__ == "__main__":
    sys.exit(run_command(main))
