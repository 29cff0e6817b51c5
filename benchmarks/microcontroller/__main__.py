"""``python -m benchmarks.microcontroller``: layers on an emulated Cortex-M4, in instructions and bytes.

Contestants: the dense layer, `block`, and freely placed connections with their indices (CSR); float32 and
int8. Instructions are those of the layer alone, as QEMU counts them; they are no cycles. Flash is that of the
layer's constants: weights, tables, four bytes for each output in int8; the length of the functions stands
beside it, since they are there once for all layers.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.microcontroller import edge_parts, instructions, int8_spaces, int8_sweep, mlperf_tiny, sizes
from benchmarks.microcontroller.layers import CORE, Row, measured
from explorer.errors import run_command
from explorer.utils.files import write_json

MOST_PER_MAC = {("linear 256x256", "int8"): 2.0, ("conv 64->64 16x16", "int8"): 1.6}
MOST_INSTRUCTIONS, MOST_FLASH = 0.18, 0.14  # of dense int8, `block` int8 at 1/8


def shortfalls(rows: Sequence[Row]) -> list[str]:
    """What falls short, one line per figure."""
    short = []
    for row in rows:
        where = f"{row.layer}, {row.weights}, {row.kind} {row.density}"
        most = MOST_PER_MAC.get((row.layer, row.weights))
        if row.kind == "dense" and most is not None and row.instructions_per_mac > most:
            short.append(f"{where}: {row.instructions_per_mac:.2f} instructions per MAC, at most {most}")
        if row.kind != "block":
            continue
        eighth = row.weights == "int8" and row.density == "1/8"
        if row.instructions_of_dense > (MOST_INSTRUCTIONS if eighth else 1.0):
            short.append(f"{where}: {row.instructions_of_dense:.3f} of dense instructions")
        if row.flash_of_dense > (MOST_FLASH if eighth else 1.0):
            short.append(f"{where}: {row.flash_of_dense:.3f} of dense flash")
    return short


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; ``--check`` fails where a figure falls short."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.microcontroller", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 if a figure falls short, and name it")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the rows as JSON")
    text = "measure how long the C functions are on every core, and write what predicted sizes come from"
    parser.add_argument("--sizes", type=Path, metavar="FILE", help=text)
    text = "measure how many instructions the C takes on every core, and write what predicted ones come from"
    parser.add_argument("--instructions", type=Path, metavar="FILE", help=text)
    text = "instead of layers, the four network shapes of MLPerf Tiny beside published figures"
    parser.add_argument("--mlperf-tiny", action="store_true", help=text)
    text = "instead of layers, edge parts of trained networks: five backbones, all patterns, all cores"
    parser.add_argument("--parts", action="store_true", help=text)
    text = "instead of layers, searches of the digits with edge parts in float32 alone, and in int8, too"
    parser.add_argument("--sweep", action="store_true", help=text)
    text = "with --sweep: folder with the data of other spaces, whose loss of accuracy in int8 is shown, too"
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help=text)
    parser.add_argument("--trials", type=int, default=40, metavar="N", help="of each search (default: 40)")
    parsed = parser.parse_args(arguments)
    if parsed.sizes:
        write_json(parsed.sizes, sizes.measured())
        return 0
    if parsed.instructions:
        write_json(parsed.instructions, instructions.measured())
        return 0
    if parsed.parts:
        own, missed = _parts()
    elif parsed.sweep:
        own, missed = _sweep(parsed.trials, parsed.data_dir)
    else:
        own, missed = _networks() if parsed.mlperf_tiny else _layers()
    if parsed.out:
        write_json(parsed.out, {"rows": own} if parsed.parts else {"core": CORE, "rows": own})
    for line in missed if parsed.check else []:
        print(f"falls short: {line}")
    return 1 if parsed.check and missed else 0


def _networks() -> tuple[list[dict[str, Any]], list[str]]:
    rows = list(mlperf_tiny.measured())
    mlperf_tiny.show(rows)
    return [row.to_json() for row in rows], mlperf_tiny.shortfalls(rows)


def _parts() -> tuple[list[dict[str, Any]], list[str]]:
    rows = list[edge_parts.PartRow]()
    for row in edge_parts.measured():
        rows.append(row)
        edge_parts.show(row)
    print(edge_parts.summary(rows))
    return [row.to_json() for row in rows], edge_parts.shortfalls(rows)


def _sweep(trials: int, data_dir: Path | None) -> tuple[list[dict[str, Any]], list[str]]:
    found = int8_sweep.measured(trials)
    int8_sweep.show(found)
    others = list[int8_spaces.SpaceRow]()
    for row in int8_spaces.measured(data_dir) if data_dir is not None else ():
        others.append(row)
        int8_spaces.show(row)
    missed = int8_sweep.shortfalls(found) + int8_spaces.shortfalls(others)
    return [found.to_json(), *(row.to_json() for row in others)], missed


def _layers() -> tuple[list[dict[str, Any]], list[str]]:
    print(f"Cortex-{CORE.upper()}, instructions of the layer, bytes of its constants, static RAM")
    print(f"{'layer':<20}{'weights':<8}{'kind':<7}{'density':>8}{'instructions':>14}{'per MAC':>9}"
          f"{'of dense':>10}{'flash':>9}{'of dense':>10}{'code':>7}{'RAM':>8}")  # fmt: skip
    rows = list[Row]()
    for row in measured():
        rows.append(row)
        print(f"{row.layer:<20}{row.weights:<8}{row.kind:<7}{row.density:>8}{row.instructions:>14,.0f}"
              f"{row.instructions_per_mac:>9.2f}{row.instructions_of_dense:>10.3f}{row.flash:>9,}"
              f"{row.flash_of_dense:>10.3f}{row.text:>7,}{row.ram:>8,}", flush=True)  # fmt: skip
    return [row.to_json() for row in rows], shortfalls(rows)


if __name__ == "__main__":
    sys.exit(run_command(main))
