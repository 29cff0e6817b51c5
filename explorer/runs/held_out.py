"""The test subset: read once to be unbiased. Reads are counted, and what it says is held against validation.

The first point read is judged by samples that nothing was chosen by. Whoever reads again and then chooses has
chosen by them, too.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from explorer.core.calibration import Calibration
from explorer.core.confusion import by_class
from explorer.core.evidence import Evidence, collect_evidence
from explorer.core.network import Network
from explorer.core.quality import Quality
from explorer.core.run_point import FLOAT32
from explorer.core.sweep import outcome_at
from explorer.costs.intervals import learned_columns
from explorer.data.dataset import DataSet
from explorer.front.select import Pick
from explorer.microcontroller.int8_evidence import collect_int8_evidence
from explorer.runs.deployment import restored
from explorer.runs.reads import counted_read
from explorer.runs.results import RunResults
from explorer.runs.store import Store
from explorer.space.constraints import Constraint, assured_columns
from explorer.space.texts import share_text
from explorer.utils.imports import user_code

LEVEL = (
    0.01  # of the test for a difference: the chosen point's validation accuracy is a little too good anyway
)


def read_test_subset(results: RunResults, pick: Pick, data: DataSet) -> dict[str, Any]:
    """Accuracy and exit rate on the test subset, and what speaks against them. The only place that reads it.

    The read is counted in ``test_reads.txt``, once per point: the same point again tells nothing new.

    Args:
        results: The run.
        pick: The point, and the constraints it was chosen under.
        data: That of the run.

    Returns:
        ``accuracy`` with the ends of its 95 % interval, the run's quality likewise where that is another,
        ``exit_rate``, ``samples``, ``by_class`` (see :class:`explorer.core.confusion.ByClass`), ``reads``
        (points read so far, this one included) and ``warnings`` (sentences, see :func:`warnings_of`).

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="tested", workers=1, energy=False, progress=False)
        >>> test = read_test_subset(run.results, run.select(), run.load_data())
        >>> test["samples"], test["reads"], sum(test["by_class"]["samples"])
        (360, 1, 360)
    """
    store, key, point = Store(results.path), pick.network_key, pick.run_point
    network, calibration = restored(store, key, data), store.read_calibration(key)
    bits, quality = point.payload_bits or calibration.inference_config.payload.bits[0], results.record.quality
    with user_code(f"{key} on the test subset"):
        evidence = _evidence(network, data, calibration.only(bits), quality, point.edge_weight_bits)
    outcome, samples = outcome_at(evidence, point), np.array([len(data.test)])
    earned = {column: np.array([value]) for column, value in outcome.earned.items()}
    learned = {name: float(values[0]) for name, values in learned_columns(earned, samples).items()}
    return {
        **learned,
        "exit_rate": outcome.exited / len(data.test),
        "samples": len(data.test),
        "by_class": by_class(evidence, point, data.num_classes).to_json(),
        "reads": counted_read(results.path, str(pick.point["point_id"])),
        "warnings": warnings_of(
            _measured(learned, quality.name, len(data.test)),
            _measured(pick.point.to_dict(), quality.name, results.networks[key].num_samples),
            pick.constraints,
        ),
    }


def _evidence(
    network: Network, data: DataSet, calibration: Calibration, quality: Quality, edge_weight_bits: int
) -> Evidence:
    """Of the test subset, the edge part in float32 or int8."""
    if edge_weight_bits == FLOAT32:
        return collect_evidence(network, data.test, calibration, quality)
    evidence = collect_int8_evidence(network, data, data.test, calibration, quality)
    assert evidence is not None, "the run has a point with such an edge part"
    return evidence


def _measured(columns: Mapping[Any, Any], name: str, samples: int) -> "Measured":
    """The quality of a point, corrected where that is known, and what its interval says of its noise."""
    shown = float(columns[name])
    corrected = float(columns.get(f"{name}_corrected", math.nan))
    ends = None
    if name != "accuracy":
        ends = shown - float(columns[f"{name}_ci95_low"]), float(columns[f"{name}_ci95_high"]) - shown
    return Measured(shown if math.isnan(corrected) else corrected, samples, name, ends)


@dataclass(frozen=True)
class Measured:
    """The quality of a point on one subset.

    Attributes:
        value: Its share of right answers, or mean of shares.
        samples: Of the subset.
        name: Which quality it is.
        margins: From the value to the ends of its 95 % interval, below and above; None for a plain share,
            whose noise follows from the samples.

    Example:
        >>> Measured(0.94, 300).text
        'accuracy 94.00 %'
    """

    value: float
    samples: int
    name: str = "accuracy"
    margins: tuple[float, float] | None = None

    @property
    def text(self) -> str:
        """For a sentence."""
        return f"{self.name.replace('_', ' ')} {share_text(self.value)}"


def warnings_of(test: Measured, validation: Measured, constraints: Sequence[Constraint]) -> list[str]:
    """What speaks against a point once its test accuracy, or other quality, is known, one sentence each.

    Args:
        test: On the test subset.
        validation: On the validation subset, corrected where that is known.
        constraints: Under which the point was chosen; those on the quality are held against the test subset.

    Example:
        >>> from explorer.space.constraints import parse_constraint
        >>> asked = [parse_constraint("accuracy >= 0.95", "--where")]
        >>> warnings_of(Measured(0.94, 300), Measured(0.955, 400), asked)
        ['the test accuracy 94.00 % misses accuracy >= 95 %; with --assured the lower end ... is asked for']
        >>> warnings_of(Measured(0.81, 300), Measured(0.955, 400), [])
        ['the test accuracy 81.00 % is lower than the validation accuracy 95.50 % by more than noise
         (p = ...): are samples grouped by person or device?...']
    """
    found = []
    for own in constraints:
        if own.column in (test.name, *assured_columns(test.name)) and own.violation(test.value) > 0:
            advice = "; with --assured the lower end of the interval is asked for"
            found.append(f"the test {test.text} misses {own.text}{advice if own.column == test.name else ''}")
    chance = chance_of_difference(test, validation)
    if chance < LEVEL:
        side = "lower" if test.value < validation.value else "higher"
        found.append(
            f"the test {test.text} is {side} than the validation {validation.text} by "
            f"more than noise (p = {chance:.2g}): are samples grouped by person or device? Then validation "
            "must have people or devices of its own, as the test subset has"
        )
    return found


def chance_of_difference(one: Measured, other: Measured) -> float:
    """How often two shares of independent samples differ at least so much where the true ones are equal.

    Two-sided, by the normal approximation: with the pooled share, or for a mean of shares with the margins
    that face each other.

    Example:
        >>> round(chance_of_difference(Measured(0.90, 400), Measured(0.95, 400)), 4)
        0.0073
        >>> chance_of_difference(Measured(1.0, 9), Measured(1.0, 4))
        1.0
    """
    low, high = sorted((one, other), key=lambda own: own.value)
    if low.margins is not None and high.margins is not None:
        deviation = math.hypot(low.margins[1], high.margins[0]) / NormalDist().inv_cdf(0.975)
    else:
        samples = low.samples + high.samples
        pooled = (low.value * low.samples + high.value * high.samples) / samples
        deviation = math.sqrt(pooled * (1 - pooled) * (1 / low.samples + 1 / high.samples))
    return 2 * NormalDist().cdf((low.value - high.value) / deviation) if deviation else 1.0
