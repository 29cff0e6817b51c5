"""Seconds and joules of an epoch: every network in turn, round after round, so that noise hits all alike."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.paper.measure import RECIPE, fitted, train_plain
from benchmarks.paper.networks import DENSE, PaperNetwork, build
from explorer.data.dataset import Subset
from explorer.measure.energy import EnergyMeter


@dataclass(frozen=True)
class Timing:
    """One network's epoch.

    Attributes:
        epoch_s: Median over rounds.
        epoch_ratio: Median over rounds of the seconds relative to the dense one's in the same round; 1 for a
            dense network.
        epoch_energy_j: Mean over rounds as codecarbon reports it; None when not measured.
        energy_method: How codecarbon got it, or why not.
    """

    epoch_s: float
    epoch_ratio: float
    epoch_energy_j: float | None
    energy_method: str


def time_epochs(
    pairs: Sequence[tuple[PaperNetwork, str]], data: Subset, samples: int, rounds: int
) -> dict[tuple[str, str], Timing]:
    """Time all ``pairs`` of network and pattern; each one's dense counterpart must be among them.

    Args:
        pairs: What to time.
        data: Training subset, not yet padded.
        samples: Trained per measurement; figures are scaled to the whole subset.
        rounds: Measurements of each pair, after one that warms up.
    """
    samples = min(samples, len(data))
    part = Subset(data.inputs[:samples], data.labels[:samples])
    inputs = {network.widths[0]: fitted(part, network.widths[0]) for network, _ in pairs}
    recipe = replace(RECIPE, epochs=1)
    seconds: dict[tuple[str, str], list[float]] = {(network.name, pattern): [] for network, pattern in pairs}
    joules: dict[tuple[str, str], list[float | None]] = {key: [] for key in seconds}
    meter, methods = EnergyMeter(), dict[tuple[str, str], str]()
    for number in range(rounds + 1):
        for network, pattern in pairs:
            key = network.name, pattern
            backbone = build(network, pattern, seed=0)
            with meter:
                record = train_plain(backbone, inputs[network.widths[0]], recipe)
            if number > 0:
                seconds[key].append(record.seconds * len(data) / samples)
                joules[key].append(meter.reading.energy_j)
                methods[key] = meter.reading.reason or meter.reading.method
    timings = {}
    for network, pattern in pairs:
        key, twin = (network.name, pattern), (network.dense_twin.name, DENSE)
        readings = [reading for reading in joules[key] if reading is not None]
        timings[key] = Timing(
            statistics.median(seconds[key]),
            statistics.median(own / dense for own, dense in zip(seconds[key], seconds[twin], strict=True)),
            statistics.mean(readings) * len(data) / samples if len(readings) == rounds else None,
            methods[key],
        )
    return timings
