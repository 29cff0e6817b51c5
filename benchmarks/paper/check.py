"""What the benchmark promises, and which figures fall short of it."""

from collections.abc import Sequence
from typing import Any

from benchmarks.paper.networks import DENSE, PAPER, WIDE, PaperNetwork

ACCURACY_TARGETS = {"structured": 0.935, "block": 0.940}  # of 800-40-40-10 with 2,360 weights
LARGEST_LOSS = 0.005  # of accuracy against dense 800-240-240-10 ..
LEAST_SAVING = 6  # .. at this many times fewer weights and MACs
TIME_RATIO = 1.0  # seconds per epoch of the paper's `block` network, of its dense counterpart's
_ROUNDING = 1e-9

Row = dict[str, Any]


def shortfalls(rows: Sequence[Row]) -> list[str]:
    """One line per promise that ``rows`` do not keep; a figure that is missing falls short too."""
    return [*_paper_accuracy(rows), *_saving(rows), *_training_time(rows)]


def _find(rows: Sequence[Row], network: str, pattern: str) -> Row | None:
    return next((row for row in rows if (row["network"], row["pattern"]) == (network, pattern)), None)


def _paper_accuracy(rows: Sequence[Row]) -> list[str]:
    short = []
    for pattern, target in ACCURACY_TARGETS.items():
        row = _find(rows, PAPER.name, pattern)
        if row is None:
            short.append(f"{PAPER.name} {pattern}: not measured")
        elif row["accuracy_mean"] < target:
            short.append(f"{PAPER.name} {pattern}: accuracy {row['accuracy_mean']:.4f}, target {target:.4f}")
    return short


def _saving(rows: Sequence[Row]) -> list[str]:
    dense = _find(rows, PaperNetwork(WIDE, WIDE[1:], "wide").name, DENSE)
    if dense is None:
        return ["dense 800-240-240-10: not measured"]
    small = [
        row
        for row in rows
        if row["family"] == "wide"
        and all(row[cost] * LEAST_SAVING <= dense[cost] for cost in ("weights", "macs"))
    ]
    if not small:
        return [f"no network of the wide family stores {LEAST_SAVING}x fewer weights and MACs than dense"]
    best = max(small, key=lambda row: row["accuracy_mean"])
    loss = dense["accuracy_mean"] - best["accuracy_mean"]
    if loss <= LARGEST_LOSS + _ROUNDING:
        return []
    return [
        f"{best['network']} {best['pattern']}: loses {loss:.4f} of accuracy against dense 800-240-240-10, "
        f"the least of those {LEAST_SAVING}x smaller; target at most {LARGEST_LOSS:.4f}"
    ]


def _training_time(rows: Sequence[Row]) -> list[str]:
    row = _find(rows, PAPER.name, "block")
    if row is None:
        return []  # named already by its accuracy
    if row["epoch_ratio"] < TIME_RATIO:
        return []
    return [
        f"{PAPER.name} block: an epoch takes {row['epoch_ratio']:.2f} of the dense one's seconds, target "
        f"below {TIME_RATIO:g}"
    ]
