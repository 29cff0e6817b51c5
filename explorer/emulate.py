"""``python -m explorer.emulate DIR``: prove the C edge of a bundle in an emulated microcontroller."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.errors import UserError, run_command
from explorer.utils.arguments import make_parser

if TYPE_CHECKING:
    from explorer.microcontroller.emulator import Emulated
    from explorer.microcontroller.proof import CEdge

EXAMPLES = """examples:
  explorer emulate bundle
  explorer emulate bundle --core m33 --core m55
  explorer emulate bundle --flip-weight        # the proof must fail
"""
CORE_NAMES = ("m3", "m4", "m7", "m33", "m55")
EXIT_NOT_EQUAL = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Emulate what the command line names."""
    return run(make_parser("explorer.emulate", __doc__, EXAMPLES, add_arguments).parse_args(arguments))


def run(parsed: argparse.Namespace) -> int:
    """Emulate as parsed arguments say."""
    from explorer.microcontroller.emulator import emulate
    from explorer.microcontroller.proof import NotEqualError, load_edge, prove, with_flipped_weight

    edge = load_edge(parsed.folder)
    samples = edge.expected["input"]
    if parsed.samples is not None:
        if not 1 <= parsed.samples <= len(samples):
            raise UserError(f"--samples: must be in [1, {len(samples)}], got {parsed.samples}")
        samples = samples[: parsed.samples]
    files = with_flipped_weight(edge.files) if parsed.flip_weight else edge.files
    told = list[dict[str, Any]]()
    for core in parsed.core or ["m4"]:
        found = emulate(files, samples, core)
        try:
            off = prove(edge, found.rows)
        except NotEqualError as error:
            print(f"not equal on {core}: {error}", file=sys.stderr)
            return EXIT_NOT_EQUAL
        told.append(_figures(edge, found, off))
        if not parsed.json:
            _show(edge, told[-1], len(samples))
    if parsed.json:
        print(json.dumps(told, indent=1, allow_nan=False))
    return 0


def _figures(edge: "CEdge", found: "Emulated", off: float) -> dict[str, Any]:
    """Emulated beside predicted; None where nothing is predicted."""
    predicted = edge.about["predicted"][found.core]
    pairs = {
        "text": (found.edge.text, predicted["text"]),
        "rodata": (found.edge.rodata, predicted["rodata"]),
        "data": (found.edge.data, 0),
        "bss": (found.edge.bss, predicted["bss"]),
        "stack": (found.stack, predicted["stack"]),
        "flash": (found.edge.flash, predicted["text"] + predicted["rodata"]),
        "library": (found.library, None),
        "instructions": (round(found.instructions), _instructions(edge, found)),
    }
    figures = {name: {"emulated": own, "predicted": known} for name, (own, known) in pairs.items()}
    macs = edge.about["macs"]
    per_mac = found.instructions / macs if macs else None
    return {"core": found.core, "off": off, "macs": macs, "instructions_per_mac": per_mac, "figures": figures}


def _instructions(edge: "CEdge", found: "Emulated") -> int | None:
    """Predicted for the samples that were run: those that send take more."""
    from explorer.microcontroller.instructions import Instructions

    known = edge.about.get("instructions", {}).get(found.core)
    if known is None:
        return None
    sent = sum("frame" in row for row in found.rows) / len(found.rows)
    return Instructions(**known).mean(sent)


def _show(edge: "CEdge", told: dict[str, Any], samples: int) -> None:
    agreed = "bit for bit" if edge.about["weights"] == "int8" else f"within {told['off']:.1g}"
    print(f"Cortex-{told['core'].upper()}, {edge.about['weights']}: {samples} samples agree {agreed}")
    print(f"  {'':<14}{'emulated':>12}{'predicted':>12}")
    units = {"instructions": "of one run, no cycles", "library": "of the compiler, beside the edge part"}
    for name, own in told["figures"].items():
        known = "" if own["predicted"] is None else f"{own['predicted']:,}"
        print(f"  {name:<14}{own['emulated']:>12,}{known:>12}  {units.get(name, 'bytes')}")
    if told["macs"]:
        print(f"  {told['macs']:,} MACs, {told['instructions_per_mac']:.2f} instructions for each")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``explorer emulate``."""
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="a bundle that explorer deploy wrote with --c-code")
    cores = "Cortex-M that is emulated; may be given several times (default: m4)"
    add(
        "--core",
        action="append",
        choices=CORE_NAMES,
        metavar="CORE",
        help=f"{cores}: {', '.join(CORE_NAMES)}",
    )
    add("--samples", type=int, metavar="N", help="how many samples are run (default: all that are brought)")
    add(
        "--flip-weight", action="store_true", help="change one weight first: the proof must fail, exit code 1"
    )
    add("--json", action="store_true", help="print JSON instead of text")


if __name__ == "__main__":
    sys.exit(run_command(main))
