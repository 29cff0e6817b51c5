"""``python -m explorer.deploy RUN --out DIR``: write what edge device and server run, and prove it."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from explorer import pick
from explorer.errors import UserError, run_command
from explorer.runs.folder import find_run
from explorer.utils.arguments import make_parser, share
from explorer.utils.garbage import rarely_collected

if TYPE_CHECKING:
    from explorer.deploy.bundle import Built
    from explorer.front.select import Pick

EXAMPLES = """examples:
  explorer deploy RUN --out bundle
  explorer deploy RUN --where "accuracy >= 0.95" --minimize payload_bytes --out bundle
  explorer deploy RUN --point mlp-1.2.3 --policy --accuracy-floor 0.93 --out bundle
  explorer deploy RUN --c-code int8 --out bundle     # for a microcontroller
"""
LEAST_SAMPLES, SAMPLES = 200, 600
EXIT_NOT_EQUIVALENT = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Choose, build, prove, write."""
    return run(make_parser("explorer.deploy", __doc__, EXAMPLES, add_arguments).parse_args(arguments))


def run(parsed: argparse.Namespace) -> int:
    """Deploy as parsed arguments say."""
    folder = find_run(parsed.run, parsed.reports)
    if parsed.accuracy_floor is not None and not parsed.policy:
        raise UserError("--accuracy-floor: goes with --policy")
    if parsed.c_code is not None and parsed.policy:
        raise UserError("--c-code: takes one operating point, and so does not go with --policy")
    if parsed.samples < LEAST_SAMPLES:
        raise UserError(f"--samples: must be at least {LEAST_SAMPLES}, got {parsed.samples}")
    with rarely_collected():
        return _deploy(folder, parsed)


def _deploy(folder: Path, parsed: argparse.Namespace) -> int:
    from explorer.deploy.bundle import Source, build_bundle
    from explorer.deploy.edge_part import edge_part, write_edge_part
    from explorer.deploy.equivalence import NotEquivalentError
    from explorer.deploy.plan import policy_rows, row_of
    from explorer.runs.deployment import load_run_data
    from explorer.runs.store import Store

    results, choice = pick.picked(folder, parsed)
    if not Store(results.path).has_weights(choice.network_key):
        raise UserError(
            f"{choice.network_key}: its weights were dropped when it left the front of the run; see "
            "--keep-weights of explorer search"
        )
    rows = [row_of(choice)]
    _check_weights(choice, parsed)
    if parsed.policy:
        floor = parsed.accuracy_floor
        rows = policy_rows(results, choice, rows[0][results.quality_column] if floor is None else floor)
    data = load_run_data(results, parsed.data_dir, parsed.max_data_bytes)
    try:
        source = Source.of_run(results, choice.network_key, data)
        # what there is no C for is refused before anything is written
        part = None if parsed.c_code is None else edge_part(source, rows[0], parsed.c_code)
        built = build_bundle(source, rows, parsed.out, parsed.samples, parsed.test_samples)
    except NotEquivalentError as error:
        print(f"not equivalent: {error}; nothing was written", file=sys.stderr)
        return EXIT_NOT_EQUIVALENT
    code = None if part is None else write_edge_part(part, built.folder, built.digest)
    if parsed.json:
        checked = [own.to_json() for own in built.checked]
        content = {"folder": str(built.folder), "bundle": built.digest, "files": built.file_bytes}
        if part is not None and code is not None:
            content["c_code"] = {"static_bytes": code.static_bytes, "agreement": part.agreement}
        print(json.dumps(content | {"why": choice.why, "checked": checked}, indent=1, allow_nan=False))
    else:
        _show(built, choice.why)
        if part is not None:
            own = f"within {part.agreement:.1g} of the stored network, relative to the largest value"
            print(f"      explorer emulate {shlex.quote(str(built.folder))}    # the C edge in c/, {own}")
    return 0


def _check_weights(choice: "Pick", parsed: argparse.Namespace) -> None:
    """Refuse to write another edge part than that of the point."""
    if choice.run_point.edge_weight_bits == 8 and parsed.c_code != "int8":
        raise UserError(
            f"{choice.point['point_id']}: its edge part computes in int8, which only C does: --c-code int8 "
            f"writes it, got {'no --c-code' if parsed.c_code is None else f'--c-code {parsed.c_code}'}"
        )


def _show(built: "Built", why: str) -> None:
    """Print what was written and proved."""
    from explorer.runtime.manifest import TEST_SAMPLES
    from explorer.space.texts import share_text

    print(f"{built.checked[0].point_id}: {why}")
    for own in built.checked:
        values = (own.crossing, own.exit_logits, own.server_logits)
        most = max(value for value in values if value is not None)
        tested = "" if own.accuracy is None else share_text(own.accuracy)
        print(
            f"  {own.point_id}: {own.samples} samples, values within {most:.1g}, {own.near_threshold} at the "
            f"threshold, {own.moved} answers moved by rounding"
            + (f"; accuracy on {own.test_samples} test {tested}" if tested else "")
        )
    for path, size in built.file_bytes.items():
        print(f"  {path}: {size:,} bytes")
    folder = shlex.quote(str(built.folder))
    print(f"written: {built.folder} (bundle {built.digest[:16]})")
    print(f"next: explorer serve {folder}")
    test = shlex.quote(f"npz:{built.folder / TEST_SAMPLES}")
    print(f"      explorer edge {folder} --server http://127.0.0.1:8080 --data {test}")
    print(f"      explorer measure {folder}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``explorer deploy``."""
    pick.add_selection(parser)
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="where the bundle is written; must not exist")
    add("--json", action="store_true", help="print JSON instead of text")
    code = "write C99 of the edge part for a microcontroller besides, with weights of float32 or 8 bits"
    add("--c-code", choices=("float", "int8"), metavar="WEIGHTS", help=f"{code}: float, int8")
    add("--policy", action="store_true", help="add points of the network for slower and faster links")
    floor = "least validation accuracy of these, or other quality, e.g. 93 %% (default: the picked point's)"
    add("--accuracy-floor", type=share, metavar="A", help=floor)
    compared = f"how many are compared at most (default: {SAMPLES})"
    brought = "labelled test samples that the bundle brings (default: 200)"
    add("--test-samples", type=int, default=200, metavar="N", help=brought)
    add("--samples", type=int, default=SAMPLES, metavar="N", help=compared)


if __name__ == "__main__":
    sys.exit(run_command(main))
