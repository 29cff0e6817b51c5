"""``python -m benchmarks.latency_model``: modelled against measured seconds of parts in ONNX Runtime.

Parts of 11 networks at 5 densities are timed as they are deployed, between the small networks of
``explorer calibrate``. Times of operators are fitted to these and to 40 of the parts, and predict the others;
then, for every network, to parts of the other networks, and predict its own. How much a second timing of the
same parts differs from the first is the noise below which no model can get.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from benchmarks.latency_model.parts import ARCHITECTURES, DENSITIES, Part, parts_of
from explorer.devices.calibration import Check, check_of
from explorer.devices.fitting import FittedTimes, fit_times
from explorer.devices.host import call_of
from explorer.devices.micro_builder import MicroNetwork
from explorer.devices.micro_networks import micro_networks
from explorer.errors import run_command
from explorer.runtime.timing import Timed, processor, session_call, time_calls
from explorer.utils.environment import versions
from explorer.utils.files import write_json

PARTS, FITTED, SECONDS, QUICK_SECONDS = 200, 40, 150.0, 8.0
MEDIAN, WITHIN_10, WITHIN_25 = 0.08, 0.75, 0.95
SPEARMAN = {"all": 0.95, "mlp": 0.85, "cnn": 0.85}
Seconds = dict[str, float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; ``--check`` fails where a figure falls short."""
    parsed = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    parts = chosen_parts(parsed.quick)
    networks, seconds = micro_networks(), QUICK_SECONDS if parsed.quick else SECONDS
    calls = {part.name: session_call(part.model, part.shape) for part in parts}
    calls |= {own.name: call_of(own) for own in networks}
    first, again = (time_calls(calls, seconds) for _ in range(2))
    timed = {name: Timed.of(own) for name, own in first.items()}
    found = {name: own.seconds for name, own in timed.items()}
    other = {name: Timed.of(own).seconds for name, own in again.items()}
    checks = {
        "the same parts timed again": judged(parts, other, found),
        "small networks alone": judged(parts, predicted(fitted(networks, [], found), parts), found),
    }
    known, rest = divided(parts, min(FITTED, len(parts) // 2))
    checks["40 parts known, the rest"] = judged(rest, predicted(fitted(networks, known, found), rest), found)
    checks["networks left out"] = judged(parts, left_out(networks, parts, found), found)
    for name, check in checks.items():
        print(row(name, check), flush=True)
    slower = slower_than_dense(parts, predicted(fitted(networks, known, found), parts), found)
    said = "of {pairs} sparse parts, {measured} are slower than the dense one; the model says so of {said}"
    print(said.format(**slower))
    spread = float(np.median([own.spread for own in timed.values()]))
    print(f"{len(parts)} parts on {processor()}; times spread by {spread:.1%} between quartiles")
    content = {
        "processor": processor(),
        "parts": len(parts),
        "rounds": len(next(iter(first.values()))),
        "spread": spread,
        "checks": {name: asdict(check) for name, check in checks.items()},
        "slower_than_dense": slower,
        "versions": versions(),
    }
    if parsed.out is not None:
        write_json(parsed.out, content)
    missed = [text for name in list(checks)[2:] for text in shortfalls(name, checks[name])]
    print("\n".join(missed), file=sys.stderr)
    return int(bool(missed) and parsed.check)


def chosen_parts(quick: bool) -> list[Part]:
    """200 parts of all networks; of two networks at two densities where it has to be quick."""
    architectures = (ARCHITECTURES[1], ARCHITECTURES[4]) if quick else ARCHITECTURES
    densities = DENSITIES[::2][:2] if quick else DENSITIES
    parts = [part for own in architectures for density in densities for part in parts_of(own, density)]
    kept = np.random.default_rng(0).permutation(len(parts))[:PARTS]
    return [parts[place] for place in sorted(kept)]


def fitted(networks: Sequence[MicroNetwork], parts: Sequence[Part], seconds: Seconds) -> FittedTimes:
    """Times of operators from small networks and parts."""
    samples = [*networks, *parts]
    return fit_times([own.operators for own in samples], [seconds[own.name] for own in samples])


def predicted(times: FittedTimes, parts: Sequence[Part]) -> Seconds:
    """Seconds of parts by name."""
    return {part.name: times.predicted_s(part.operators) for part in parts}


def divided(parts: Sequence[Part], count: int) -> tuple[list[Part], list[Part]]:
    """As many parts by chance, and the others."""
    order = np.random.default_rng(1).permutation(len(parts))
    return [parts[place] for place in order[:count]], [parts[place] for place in order[count:]]


def left_out(networks: Sequence[MicroNetwork], parts: Sequence[Part], seconds: Seconds) -> Seconds:
    """Every network's parts as predicted from parts of the others."""
    found = Seconds()
    for name in dict.fromkeys(part.architecture.name for part in parts):
        others = [part for part in parts if part.architecture.name != name]
        known, _ = divided(others, min(FITTED, len(others)))
        own = [part for part in parts if part.architecture.name == name]
        found |= predicted(fitted(networks, known, seconds), own)
    return found


def judged(parts: Sequence[Part], said: Seconds, seconds: Seconds) -> Check:
    """What was said of parts against what was measured."""
    names = [part.name for part in parts]
    families = [part.architecture.family for part in parts]
    return check_of([said[name] for name in names], [seconds[name] for name in names], families)


def slower_than_dense(parts: Sequence[Part], said: Seconds, seconds: Seconds) -> dict[str, int]:
    """How many sparse parts take longer than the same part of the dense network, and whether that is seen."""
    dense = {(p.architecture.name, p.half, p.place): p.name for p in parts if p.density == 1}
    pairs = [
        (part.name, dense[key])
        for part in parts
        if part.density < 1 and (key := (part.architecture.name, part.half, part.place)) in dense
    ]
    slower = [pair for pair in pairs if seconds[pair[0]] > seconds[pair[1]]]
    seen = sum(said[own] > said[twin] for own, twin in slower)
    return {"pairs": len(pairs), "measured": len(slower), "said": seen}


def row(name: str, check: Check) -> str:
    """One line of the table."""
    ranks = ", ".join(f"{key} {rank:.2f}" for key, rank in check.spearman.items())
    return (
        f"{name:28} {check.networks:4} parts: median error {check.median_error:6.1%}, "
        f"{check.within_10:4.0%} within 10 %, {check.within_25:4.0%} within 25 %; ranks {ranks}"
    )


def shortfalls(name: str, check: Check) -> list[str]:
    """What a check does not reach."""
    found = list[str]()
    if check.median_error > MEDIAN:
        found.append(f"{name}: median error {check.median_error:.1%}, at most {MEDIAN:.0%} asked for")
    for share, least, limit in ((check.within_10, WITHIN_10, 10), (check.within_25, WITHIN_25, 25)):
        if share < least:
            found.append(f"{name}: {share:.0%} within {limit} %, at least {least:.0%} asked for")
    for family, rank in check.spearman.items():
        if rank < SPEARMAN[family]:
            found.append(f"{name}: ranks of {family} {rank:.2f}, at least {SPEARMAN[family]:g} asked for")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.latency_model", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 where a figure falls short")
    parser.add_argument("--quick", action="store_true", help="few parts, little time: no figures to keep")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write JSON there")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
