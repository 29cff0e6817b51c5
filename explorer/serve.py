"""``python -m explorer.serve DIR..``: answer for bundles over the Open Inference Protocol."""

import argparse
import sys
from collections.abc import Sequence

from explorer.errors import run_command
from explorer.runtime.server import command as serve_command
from explorer.utils.arguments import make_parser

EXAMPLES = """examples:
  explorer serve bundle
  explorer serve bundle-old bundle-new --host 0.0.0.0 --token-file token --tls-cert cert.pem --tls-key key.pem
  explorer serve bundle --port 9000 --max-batch 16 --queue 256
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop."""
    return run(make_parser("explorer.serve", __doc__, EXAMPLES, add_arguments).parse_args(arguments))


def run(parsed: argparse.Namespace) -> int:
    """Serve as parsed arguments say."""
    return serve_command.run(parsed)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``explorer serve``."""
    serve_command.add_arguments(parser)


if __name__ == "__main__":
    sys.exit(run_command(main))
