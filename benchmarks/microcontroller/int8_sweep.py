"""What evaluating edge parts in int8 costs a search, and what it gains.

Two searches of the same networks, drawn at random: with edge parts in float32 alone, and in both. Times are
of the process alone, so that others do not count. The front is that of accuracy,
flash and payload, flash of the C for both kinds.
"""

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import explorer
from benchmarks.microcontroller.int8_spaces import MOST_DROP, drops
from explorer.front.pareto import hypervolume, non_dominated, reference_and_ideal
from explorer.space.files import load_space
from explorer.space.metrics import METRICS, loss_values

SPACE = "digits"
OBJECTIVES = {"accuracy": 0.5, "edge_flash_bytes": 100_000.0, "payload_bytes": 300.0}  # with reference points
MOST_TIME = 1.3


@dataclass(frozen=True)
class Comparison:
    """Searches with and without int8.

    Attributes:
        networks: Trained by each search.
        float_s, both_s: Processor time of the search without int8, and with it.
        float_front, both_front: Points on the front of float32 alone, and of both kinds.
        float_hypervolume, both_hypervolume: Of these, as shares of the box between ideal and reference point.
        dominated: Share of the points of the front of float32 that a point of int8 dominates.
        largest_drop: Of accuracy at ``output``, over the networks, when it is in int8.
    """

    networks: int
    float_s: float
    both_s: float
    float_front: int
    both_front: int
    float_hypervolume: float
    both_hypervolume: float
    dominated: float
    largest_drop: float

    @property
    def time_ratio(self) -> float:
        """Time with int8 over time without."""
        return self.both_s / self.float_s

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"time_ratio": self.time_ratio}


def measured(trials: int, seed: int = 0) -> Comparison:
    """Search twice."""
    with tempfile.TemporaryDirectory() as folder:
        _searched([32], 2, seed, Path(folder) / "warm")  # imports and kernels are there once it is timed
        float_s, _ = _searched([32], trials, seed, Path(folder) / "float")
        both_s, run = _searched([32, 8], trials, seed, Path(folder) / "both")
        return _compared(run.points, float_s, both_s)


def _searched(weight_bits: list[int], trials: int, seed: int, reports: Path) -> tuple[float, explorer.Run]:
    changes: dict[str, Any] = {"edge_weight_bits": weight_bits, "objectives": OBJECTIVES}
    space = load_space(SPACE)[0].model_copy(update=changes)
    options: dict[str, Any] = {"workers": 1, "energy": False, "progress": False, "sampler": "random"}
    start = time.process_time()
    run = explorer.run_search(space, trials=trials, seed=seed, name="run", reports=reports, **options)
    return time.process_time() - start, run


def _compared(points: pd.DataFrame, float_s: float, both_s: float) -> Comparison:
    metrics = [METRICS[name] for name in OBJECTIVES]
    points = points[points["payload_bits"].notna() | (points["split_point"] == "output")]
    losses, is_int8 = loss_values(points, metrics).to_numpy(), (points["edge_weight_bits"] == 8).to_numpy()
    corners = reference_and_ideal(metrics, OBJECTIVES)
    fronts = [own[non_dominated(own)] for own in (losses[~is_int8], losses)]
    volumes = [hypervolume(front, *corners) for front in fronts]
    beaten = [_dominates(losses[is_int8], own) for own in fronts[0]]
    lost = drops(points)
    return Comparison(
        networks=len(lost),
        float_s=float_s,
        both_s=both_s,
        float_front=len(fronts[0]),
        both_front=len(fronts[1]),
        float_hypervolume=volumes[0],
        both_hypervolume=volumes[1],
        dominated=float(np.mean(beaten)),
        largest_drop=float(lost["drop"].max()),
    )


def _dominates(losses: Any, point: Any) -> bool:
    return bool(((losses <= point).all(axis=1) & (losses < point).any(axis=1)).any())


def show(own: Comparison) -> None:
    """Print it."""
    print(f"{SPACE}, {own.networks} networks; processor time {own.float_s:.1f} s with float32 alone, "
          f"{own.both_s:.1f} s with int8: {own.time_ratio:.2f} times")  # fmt: skip
    print(f"front of {', '.join(OBJECTIVES)}: {own.float_front} points of float32 alone, hypervolume "
          f"{own.float_hypervolume:.4f}; {own.both_front} of both, {own.both_hypervolume:.4f}")  # fmt: skip
    print(f"{own.dominated:.1%} of the points of float32 are dominated by int8; accuracy at output falls by "
          f"{100 * own.largest_drop:.2f} points at most")  # fmt: skip


def shortfalls(own: Comparison) -> list[str]:
    """What falls short, one line per figure."""
    short = []
    if own.time_ratio > MOST_TIME:
        short.append(f"a search with int8 takes {own.time_ratio:.2f} times as long, at most {MOST_TIME}")
    if own.both_hypervolume <= own.float_hypervolume:
        short.append("int8 adds nothing to the front")
    if own.largest_drop > MOST_DROP:
        short.append(f"accuracy at output falls by {own.largest_drop:.4f}, at most {MOST_DROP}")
    return short
