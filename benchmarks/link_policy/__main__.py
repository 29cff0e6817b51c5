"""``python -m benchmarks.link_policy``: an edge that follows its link, beside fixed points and an oracle.

The rate of a link falls to a twentieth and recovers, while validation samples of a digits run are replayed
with their own confidences, payloads and answers; times of parts are those of the device profiles, and
messages and parts vary by chance. Compared are the run-time policy, with every probe that it sends, each
operating point for all samples, and an oracle that knows the present rate.

Then a server, an edge and the paced proxy do the same with bytes on sockets; the edge takes as long as the
device would.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.link_policy.compare import Comparison, compare, figure, shortfalls
from benchmarks.link_policy.live import Live, live
from benchmarks.link_policy.scenarios import digits, digits_run, synthetic
from explorer.errors import run_command
from explorer.utils.environment import machine, versions
from explorer.utils.files import write_json

SAMPLES, QUICK_SAMPLES = 5000, 3000  # in each phase
SEEDS, QUICK_SEEDS = 5, 2
LIVE, QUICK_LIVE = (3000, 3), (2000, 1)  # samples in each phase over sockets, and rounds


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; ``--check`` fails where a figure falls short."""
    parsed = _parser().parse_args(arguments)
    seeds, samples = (QUICK_SEEDS, QUICK_SAMPLES) if parsed.quick else (SEEDS, SAMPLES)
    with digits_run() as run:
        scenarios = [synthetic(), *digits(run.results)]
        comparisons = [compare(scenario, samples, seed) for scenario in scenarios for seed in range(seeds)]
        lived = live(run, *(QUICK_LIVE if parsed.quick else LIVE))
    print(f"{samples:,} samples in each of three phases, {seeds} sequences of samples and chances\n")
    print(pd.DataFrame(_rows(comparisons)).to_string(index=False))
    for own in comparisons:
        if own.seed == 0:
            _print_changes(own)
    _print_live(lived)
    short = [*shortfalls(comparisons), *lived.shortfalls()]
    if parsed.out:
        content: dict[str, Any] = {
            "quick": parsed.quick,
            "comparisons": [own.to_json() for own in comparisons],
        }
        content |= {"live": lived.to_json()}
        content |= {"falls_short": short, "machine": machine(), "versions": versions()}
        write_json(parsed.out, content)
    if parsed.figure:
        config = {"showSendToCloud": False, "displaylogo": False}
        shown = figure([own for own in comparisons if own.seed == 0])
        shown.write_html(parsed.figure, include_plotlyjs=True, config=config)
    for line in short:
        print(f"falls short: {line}")
    return 1 if parsed.check and short else 0


def _rows(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """A row per scenario: means over the seeds, and the worst ratio."""
    rows = []
    for name in dict.fromkeys(own.scenario.name for own in comparisons):
        those = [own for own in comparisons if own.scenario.name == name]
        told = pd.DataFrame([own.to_json() for own in those])
        rows.append(
            {
                "scenario": name,
                "points": len(those[0].scenario.costs),
                "best fixed ms": f"{1e3 * told['best_fixed_s'].mean():.3g}",
                "policy ms": f"{1e3 * told['policy_s'].mean():.3g}",
                "oracle ms": f"{1e3 * told['oracle_s'].mean():.3g}",
                "over oracle": f"{told['policy_over_oracle'].mean():.3f}",
                "worst": f"{told['policy_over_oracle'].max():.3f}",
                "over fixed": f"{told['policy_over_best_fixed'].mean():.3f}",
                "changes": f"{told['changes'].map(len).mean():.1f}",
                "probes": f"{told['probes'].mean():.0f} ({told['probe_share'].mean():.1%} of time)",
                "accuracy": f"{told['expected_accuracy'].mean():.4f} (>= {those[0].scenario.floor:.4f})",
            }
        )
    return rows


def _print_changes(own: Comparison) -> None:
    print(f"\n{own.scenario.name}, seed {own.seed}:")
    for change in own.policy.changes:
        labels = own.scenario.labels
        print(
            f"  sample {change.number}: {labels[change.before]} -> {labels[change.after]}: {change.reason} "
            f"({change.bits_per_s / 1e3:.3g} kb/s, {1e3 * change.rtt_s:.3g} ms)"
        )


def _print_live(lived: Live) -> None:
    print(
        f"\n{lived.name}: {lived.samples:,} samples, a server, an edge, a paced link; {lived.rounds} rounds"
    )
    for label, seconds in (*lived.fixed_s.items(), ("oracle", lived.oracle_s), ("policy", lived.policy_s)):
        print(f"  {label}: {1e3 * seconds:.3g} ms")
    ratio = lived.policy_s / lived.oracle_s
    print(f"  policy over oracle: {ratio:.3f}; accuracy {lived.accuracy:.4f} (floor {lived.floor:.4f})")
    print(f"  {lived.probes} probes; changes:")
    for change in lived.changes:
        print(f"    from sample {change.number} on: {change.reason}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.link_policy", description=__doc__)
    quick = f"{QUICK_SEEDS} sequences, {QUICK_SAMPLES:,} samples in each phase"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--check", action="store_true", help="exit 1 naming every figure that falls short")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="write a page with the figure")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
