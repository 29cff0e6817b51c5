"""``python -m benchmarks.deployment``: bundles of 30 operating points, proven, run and measured.

Points are drawn from short searches on digits, MNIST, Fashion-MNIST and CIFAR-10, all patterns among them.
Each bundle is built and compared with the stored network, then its two halves answer as two processes. With
``--links`` some of them answer over paced links, beside what the formula says of timed parts.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.deployment.checks import Row, check_bundle, check_latency
from benchmarks.deployment.runs import CASES, QUICK, Case, drawn_points, search
from explorer import Run
from explorer.deploy.equivalence import NotEquivalentError
from explorer.devices import load_link
from explorer.errors import run_command
from explorer.front.select import Pick
from explorer.utils.environment import machine, versions
from explorer.utils.files import write_json

POINTS, QUICK_POINTS = 5, 3  # of each search
TRIALS, QUICK_TRIALS = 16, 8
LINKS = {"wifi_huang2012": 60, "lte_2021": 60, "ble_2m_dle": 60, "lorawan_sf7": 4}  # samples over each
POINTS_PER_LINK = 5
MORE_BYTES = 4096  # of edge files, over what the product says: operators, names, shapes
LEAST_SPEEDUP = 2.0  # over torch, median of the digits networks
MOST_OFF, LEAST_WITHIN = 0.10, 0.9
MOST_BUILD_S, MOST_START_S = 20.0, 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; ``--check`` fails where a figure falls short."""
    parsed = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    rows, latencies = list[Row](), list[Row]()
    with tempfile.TemporaryDirectory(prefix="deployment-") as name:
        made = list[tuple[Run, Pick, Path]]()
        for run, pick, folder in _bundles(Path(name), parsed):
            try:
                rows.append(check_bundle(run, pick, folder))
            except NotEquivalentError as error:
                rows.append({"run": run.path.name, "point": pick.point["point_id"], "failed": str(error)})
            else:
                made.append((run, pick, folder))
            print(f"[{len(rows)}] {rows[-1]}", flush=True)
        if parsed.links:
            latencies = list(_latencies(made, parsed.quick))
    return _conclude(rows, latencies, parsed)


def _bundles(folder: Path, parsed: argparse.Namespace) -> Iterator[tuple[Run, Pick, Path]]:
    cases: Sequence[Case] = [case for case in CASES if not parsed.quick or case.name in QUICK]
    trials, points = (QUICK_TRIALS, QUICK_POINTS) if parsed.quick else (TRIALS, POINTS)
    for case in cases:
        if parsed.cifar and case.source == "cifar10":
            case = replace(case, source=f"npz:{parsed.cifar.resolve()}")
        run = search(case, trials, folder / "reports", parsed.data_dir)
        for number, pick in enumerate(drawn_points(run, points, seed=0)):
            yield run, pick, folder / f"{case.name}-{number}"


def _latencies(made: Sequence[tuple[Run, Pick, Path]], quick: bool) -> Iterator[Row]:
    """Over each link the points that send most; a point that never sends says nothing of a link."""
    sending = [own for own in made if own[1].point["exit_rate"] < 0.5 and own[1].run_point.payload_bits]
    links = dict(islice(LINKS.items(), 1)) if quick else LINKS
    for place, (name, samples) in enumerate(links.items()):
        for number in range(min(POINTS_PER_LINK, len(sending))):
            run, pick, folder = sending[(place + number * len(links)) % len(sending)]
            row = check_latency(run, pick, folder, load_link(name), samples)
            print(row, flush=True)
            yield row


def _conclude(rows: Sequence[Row], latencies: Sequence[Row], parsed: argparse.Namespace) -> int:
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.3g"))
    if latencies:
        print(pd.DataFrame(latencies).to_string(index=False, float_format="%.4g"))
    short = shortfalls(rows, latencies)
    if parsed.out:
        content: dict[str, Any] = {"quick": parsed.quick, "machine": machine(), "versions": versions()}
        write_json(parsed.out, content | {"bundles": rows, "latencies": latencies, "falls_short": short})
    for line in short:
        print(f"falls short: {line}")
    return 1 if parsed.check and short else 0


def shortfalls(rows: Sequence[Row], latencies: Sequence[Row]) -> list[str]:
    """One line per figure that falls short."""
    short = [f"{row['point']}: {row['failed']}" for row in rows if "failed" in row]
    built = [row for row in rows if "failed" not in row]
    for row in built:
        if row["differ"] > row["near_ties"] or row["fell_back"] or row["answered"] != 100:
            short.append(f"{row['point']}: two processes: {row['differ']} answers differ")
        most = row["edge_flash_bytes"] + MORE_BYTES
        if row["edge_file_bytes"] > most:
            short.append(f"{row['point']}: {row['edge_file_bytes']:,} bytes on the edge, at most {most:,.0f}")
        if row["build_s"] > MOST_BUILD_S and row["run"].startswith("digits"):
            short.append(f"{row['point']}: built in {row['build_s']:.0f} s, at most {MOST_BUILD_S:g}")
        if row["start_s"] > MOST_START_S:
            short.append(
                f"{row['point']}: the edge starts in {row['start_s']:.2f} s, {MOST_START_S:g} at most"
            )
    digits = [
        r["torch_over_ours"] for r in built if r["run"].startswith("digits") and r["split_point"] != "input"
    ]
    if digits and pd.Series(digits).median() < LEAST_SPEEDUP:
        short.append(f"torch over ONNX Runtime {pd.Series(digits).median():.2f}, at least {LEAST_SPEEDUP:g}")
    within = [abs(row["off"]) <= MOST_OFF for row in latencies if row["samples"]]
    if within and sum(within) < LEAST_WITHIN * len(within):
        short.append(f"latency within {MOST_OFF:.0%} for {sum(within)} of {len(within)}, {LEAST_WITHIN:.0%}")
    return short


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deployment", description=__doc__)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where MNIST and its kin lie")
    cifar = "CIFAR-10 images as an npz file, in place of the whole data set"
    parser.add_argument("--cifar", type=Path, metavar="FILE.npz", help=cifar)
    parser.add_argument("--quick", action="store_true", help="digits only, six points")
    parser.add_argument("--links", action="store_true", help="measure latencies over paced links, too")
    parser.add_argument("--check", action="store_true", help="exit 1 naming every figure that falls short")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
