"""The test subset: read once to be unbiased. Reads are counted, and what it says is held against validation.

The first point read is judged by samples that nothing was chosen by. Whoever reads again and then chooses has
chosen by them, too.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from explorer.core.evidence import collect_evidence
from explorer.core.sweep import outcome_at
from explorer.costs.intervals import wilson_interval
from explorer.data.dataset import DataSet
from explorer.front.select import Pick
from explorer.runs.deployment import restored
from explorer.runs.record import RunRecord
from explorer.runs.results import RunResults
from explorer.runs.store import Store
from explorer.space.metrics import ASSURED, ASSURED_CORRECTED, Constraint
from explorer.utils.imports import user_code

LEVEL = (
    0.01  # of the test for a difference: the chosen point's validation accuracy is a little too good anyway
)


def read_test_subset(results: RunResults, pick: Pick, data: DataSet) -> dict[str, Any]:
    """Accuracy and exit rate on the test subset, and what speaks against them. The only place that reads it.

    The read is counted in ``run.json``, once per operating point: the same point again tells nothing new.

    Args:
        results: The run.
        pick: The point, and the constraints it was chosen under.
        data: That of the run.

    Returns:
        ``accuracy`` with the ends of its 95 % interval, ``exit_rate``, ``samples``, ``reads`` (points read so
        far, this one included) and ``warnings`` (sentences, see :func:`warnings_of`).

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="tested", workers=1, energy=False, progress=False)
        >>> test = read_test_subset(run.results, run.select(), run.load_data())
        >>> test["samples"], test["reads"]
        (360, 1)
    """
    store, key, point = Store(results.path), pick.network_key, pick.run_point
    network, calibration = restored(store, key, data), store.read_calibration(key)
    bits = point.payload_bits or calibration.inference_config.payload.bits[0]
    with user_code(f"{key} on the test subset"):
        evidence = collect_evidence(network, data.test, calibration.only(bits))
    outcome = outcome_at(evidence, point)
    low, high = wilson_interval(np.array([outcome.correct]), len(data.test))
    corrected = float(pick.point["accuracy_corrected"])
    shown = float(pick.point["accuracy"]) if math.isnan(corrected) else corrected
    accuracy = outcome.correct / len(data.test)
    return {
        "accuracy": accuracy,
        "accuracy_ci95_low": float(low[0]),
        "accuracy_ci95_high": float(high[0]),
        "exit_rate": outcome.exited / len(data.test),
        "samples": len(data.test),
        "reads": counted_read(results.path, str(pick.point["point_id"])),
        "warnings": warnings_of(
            (accuracy, len(data.test)), (shown, results.networks[key].num_samples), pick.constraints
        ),
    }


def counted_read(folder: Path, point_id: str) -> int:
    """Note in ``run.json`` that a point's answers on the test subset are known; returns how many are.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="counted", workers=1, energy=False, progress=False)
        >>> [counted_read(run.path, point_id) for point_id in ("a", "b", "a")]
        [1, 2, 2]
    """
    record = RunRecord.read(folder)
    if point_id not in record.test_reads:
        record.test_reads.append(point_id)
        record.write(folder)
    return len(record.test_reads)


def warnings_of(
    test: tuple[float, int], validation: tuple[float, int], constraints: Sequence[Constraint]
) -> list[str]:
    """What speaks against a point once its test accuracy is known, one sentence each.

    Args:
        test: Accuracy on the test subset, and its samples.
        validation: Accuracy on the validation subset, corrected where that is known, and its samples.
        constraints: Under which the point was chosen; those on accuracy are held against the test subset.

    Example:
        >>> from explorer.space.metrics import parse_constraint
        >>> asked = [parse_constraint("accuracy >= 0.95", "--where")]
        >>> warnings_of((0.94, 300), (0.955, 400), asked)
        ['the test accuracy 0.9400 misses accuracy >= 0.95; with --assured the lower end ... is asked for']
        >>> warnings_of((0.81, 300), (0.955, 400), [])
        ['the test accuracy 0.8100 is lower than the validation accuracy 0.9550 by more than noise (p = ...):
         are samples grouped by person or device?...']
    """
    found = []
    for own in constraints:
        if own.column in ("accuracy", ASSURED, ASSURED_CORRECTED) and own.violation(test[0]) > 0:
            advice = "; with --assured the lower end of the interval is asked for"
            found.append(
                f"the test accuracy {test[0]:.4f} misses {own}{advice if own.column == 'accuracy' else ''}"
            )
    chance = chance_of_difference(test, validation)
    if chance < LEVEL:
        side = "lower" if test[0] < validation[0] else "higher"
        found.append(
            f"the test accuracy {test[0]:.4f} is {side} than the validation accuracy {validation[0]:.4f} by "
            f"more than noise (p = {chance:.2g}): are samples grouped by person or device? Then validation "
            "must have people or devices of its own, as the test subset has"
        )
    return found


def chance_of_difference(one: tuple[float, int], other: tuple[float, int]) -> float:
    """How often two shares of independent samples differ at least so much where the true ones are equal.

    Two-sided, by the normal approximation with the pooled share.

    Example:
        >>> round(chance_of_difference((0.90, 400), (0.95, 400)), 4), chance_of_difference((1.0, 9), (1.0, 4))
        (0.0073, 1.0)
    """
    (p, m), (q, n) = one, other
    pooled = (p * m + q * n) / (m + n)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / m + 1 / n))
    return 2 * NormalDist().cdf(-abs(p - q) / deviation) if deviation else 1.0
