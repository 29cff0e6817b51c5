"""``python -m benchmarks.endurance CAMPAIGN``: break things at random, and count what went wrong.

Each campaign prints counts and writes JSON; ``--quick`` is a sample of it, ``--check`` fails where anything
went wrong.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.endurance import damage, faults, fuzz, kills, soak
from explorer.errors import run_command
from explorer.utils.arguments import whole_number
from explorer.utils.environment import machine, versions
from explorer.utils.files import write_json

CAMPAIGNS = {"damage": damage, "faults": faults, "fuzz": fuzz, "kills": kills, "soak": soak}
SHOWN = 20  # problems on the terminal; JSON has all of them


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign, print its counts, and write what it found."""
    parsed = _parser().parse_args(arguments)
    found = CAMPAIGNS[parsed.campaign].run(parsed)
    if parsed.out:
        write_json(parsed.out, found | {"machine": machine(), "versions": versions()})
    for problem in found["problems"][:SHOWN]:
        print(f"PROBLEM: {problem[:400]}")
    print(f"{len(found['problems'])} problems")
    return 1 if parsed.check and found["problems"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endurance", description=__doc__)
    campaigns = parser.add_subparsers(metavar="CAMPAIGN", dest="campaign", required=True)
    for name, campaign in CAMPAIGNS.items():
        own = campaigns.add_parser(name, help=campaign.ABOUT, description=campaign.__doc__)
        add = own.add_argument
        add("--quick", action="store_true", help="a sample, in under two minutes")
        add("--check", action="store_true", help="exit 1 where anything went wrong")
        add("--out", type=Path, metavar="FILE", help="write counts and problems as JSON")
        add("--seed", type=whole_number(0), default=0, help="of what is broken (default: 0)")
        campaign.add_arguments(own)
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
