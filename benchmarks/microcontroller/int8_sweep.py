"""What evaluating edge parts in int8 costs a search, and what it gains.

Searches of the same networks, drawn at random, by turns: with edge parts in float32 alone, and in both. Times
are of the process alone, so that others count little; what is judged is the median over the pairs. The front
is that of accuracy, flash and payload, flash of the C for both kinds.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

import explorer
from benchmarks.microcontroller.int8_spaces import MOST_DROP, drops
from explorer.front.pareto import hypervolume, non_dominated, reference_and_ideal
from explorer.space.files import load_space
from explorer.space.metrics import METRICS, loss_values
from explorer.utils.environment import cpu_name

SPACE = "digits"
OBJECTIVES = {"accuracy": 0.5, "edge_flash_bytes": 100_000.0, "payload_bytes": 300.0}  # with reference points
MOST_TIME = 1.3
PAIRS = 5


@dataclass(frozen=True)
class Comparison:
    """Searches with and without int8.

    Attributes:
        networks: Trained by each search.
        float_s, both_s: Processor time of each search without int8, and with it.
        float_front, both_front: Points on the front of float32 alone, and of both kinds.
        float_hypervolume, both_hypervolume: Of these, as shares of the box between ideal and reference point.
        dominated: Share of the points of the front of float32 that a point of int8 dominates.
        largest_drop: Of accuracy at ``output``, over the networks, when it is in int8.
    """

    networks: int
    float_s: tuple[float, ...]
    both_s: tuple[float, ...]
    float_front: int
    both_front: int
    float_hypervolume: float
    both_hypervolume: float
    dominated: float
    largest_drop: float

    @property
    def time_ratio(self) -> float:
        """Time with int8 over time without: the median over the pairs."""
        return median(self.ratios)

    @property
    def ratios(self) -> list[float]:
        """Time with int8 over time without, of each pair."""
        return [both / alone for alone, both in zip(self.float_s, self.both_s, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"time_ratio": self.time_ratio, "processor": cpu_name()}


def measured(trials: int, seed: int = 0) -> Comparison:
    """Search by turns, and compare."""
    float_s, both_s = list[float](), list[float]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _searched([32, 8], 2, seed, folder / "warm")  # imports and kernels are there once it is timed
        for pair in range(PAIRS):
            float_s.append(_searched([32], trials, seed, folder / f"float-{pair}")[0])
            seconds, run = _searched([32, 8], trials, seed, folder / f"both-{pair}")
            both_s.append(seconds)
        return _compared(run.points, float_s, both_s)


def _searched(weight_bits: list[int], trials: int, seed: int, reports: Path) -> tuple[float, explorer.Run]:
    changes: dict[str, Any] = {"edge_weight_bits": weight_bits, "objectives": OBJECTIVES}
    space = load_space(SPACE)[0].model_copy(update=changes)
    options: dict[str, Any] = {"workers": 1, "energy": False, "progress": False, "sampler": "random"}
    start = time.process_time()
    run = explorer.run_search(space, trials=trials, seed=seed, name="run", reports=reports, **options)
    return time.process_time() - start, run


def _compared(points: pd.DataFrame, float_s: Sequence[float], both_s: Sequence[float]) -> Comparison:
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
        float_s=tuple(float_s),
        both_s=tuple(both_s),
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
    print(f"{SPACE}, {own.networks} networks; processor time {median(own.float_s):.1f} s with float32 alone, "
          f"{median(own.both_s):.1f} s with int8: {own.time_ratio:.2f} times, "
          f"{min(own.ratios):.2f} to {max(own.ratios):.2f} in {len(own.ratios)} pairs")  # fmt: skip
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
