"""The exact sweep: accuracy and exit rate of a trained network at every threshold, split point and bits.

Evidence sorted by confidence gives, by prefix sums, accuracy, exit rate and bytes sent at every distinct
confidence threshold: in O(n log n), without a grid and without training again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import moocore
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.core.code_bytes import CODE_COLUMNS, EDGE_WEIGHT_BITS
from explorer.core.credits import CREDITS, earned, worths
from explorer.core.evidence import Evidence
from explorer.core.graph.split_points import OUTPUT
from explorer.core.intervals import margins_along
from explorer.core.quality import CREDIT_OF, MARGINS, Quality, counts
from explorer.core.run_point import FLOAT32, RunPoint

POINT_COLUMNS = ["split_point", "payload_bits", "confidence_threshold", *CREDITS, "exited", "sent_bytes"]
QUALITY_COLUMNS = [*(credit for credit in CREDIT_OF.values() if credit not in CREDITS), *MARGINS]
DECIMALS = 9  # of credits: rounding must not decide


@dataclass(frozen=True)
class Outcome:
    """What became of a subset at one operating point.

    Attributes:
        earned: Credit of the right answers, by column; see :func:`explorer.core.credits.earned`.
        exited: Samples answered on the edge.
        sent_bytes: Bytes sent for the others.
        code: Columns of :data:`explorer.core.code_bytes.CODE_COLUMNS` where C counts, else none.

    Example:
        >>> outcome = Outcome({"correct": 3.0}, exited=1, sent_bytes=24)
        >>> outcome.correct, outcome.to_row()
        (3, {'correct': 3.0, 'exited': 1, 'sent_bytes': 24})
    """

    earned: Mapping[str, float]
    exited: int
    sent_bytes: int
    code: Mapping[str, float] = field(default_factory=dict, repr=False)

    @property
    def correct(self) -> int:
        """Right answers."""
        return int(self.earned["correct"])

    def to_row(self) -> dict[str, float]:
        """The columns of a swept point that follow from it."""
        return {**self.earned, "exited": self.exited, "sent_bytes": self.sent_bytes, **self.code}


def columns_of_sweep(points: pd.DataFrame) -> list[str]:
    """Which columns of a table of points a sweep gives: those of every run, of its quality, of C.

    Example:
        >>> columns_of_sweep(pd.DataFrame(columns=[*POINT_COLUMNS, "balanced", "edge_macs"]))[-2:]
        ['sent_bytes', 'balanced']
    """
    return [*POINT_COLUMNS, *(name for name in (*QUALITY_COLUMNS, *CODE_COLUMNS) if name in points)]


def outcome_at(evidence: Evidence, point: RunPoint) -> Outcome:
    """Outcome of one operating point, whose threshold need not lie on the swept frontier.

    Args:
        evidence: Of the network.
        point: At a split point of ``evidence.split_points``, or at ``output``, where every sample is answered
            on the edge. A sample exits when its confidence is >= the threshold.

    Example:
        >>> right, sure = np.array([[True, True, False]]), np.array([[0.9, 0.7, 0.4]], np.float32)
        >>> sizes, labels = np.array([[[12]]], np.int32), np.array([0, 1, 1])
        >>> evidence = Evidence(("conv1",), (8,), sure, right, ~right[None], right[0], sizes, labels)
        >>> outcome_at(evidence, RunPoint("conv1", confidence_threshold=0.5, payload_bits=8))
        Outcome(earned={'correct': 3.0}, exited=2, sent_bytes=12)
        >>> outcome_at(evidence, RunPoint.at_output())
        Outcome(earned={'correct': 2.0}, exited=3, sent_bytes=0)
    """
    right_N, exits_N = right_and_exits(evidence, point)
    sent_bytes = 0
    if point.split_point != OUTPUT:
        assert point.payload_bits is not None
        where = (
            evidence.split_points.index(point.split_point),
            evidence.payload_bits.index(point.payload_bits),
        )
        sent_bytes = int(evidence.encoded_bytes(*where)[~exits_N].sum())
    own = earned(right_N, evidence.label_N, evidence.quality)
    return Outcome(own, int(exits_N.sum()), sent_bytes, evidence.code_columns(point))


def right_and_exits(evidence: Evidence, point: RunPoint) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which samples (N,) are answered right at an operating point, and which exit; arguments as above.

    Example:
        >>> right, sure = np.array([[True, True, False]]), np.array([[0.9, 0.7, 0.4]], np.float32)
        >>> sizes, labels = np.array([[[12]]], np.int32), np.array([0, 1, 1])
        >>> evidence = Evidence(("conv1",), (8,), sure, right, ~right[None], right[0], sizes, labels)
        >>> point = RunPoint("conv1", confidence_threshold=0.8, payload_bits=8)
        >>> [which.tolist() for which in right_and_exits(evidence, point)]
        [[True, False, True], [True, False, False]]
    """
    if point.split_point == OUTPUT:
        return evidence.output_correct_N, np.ones(evidence.num_samples, dtype=np.bool_)
    split = evidence.split_points.index(point.split_point)
    assert point.payload_bits is not None
    server_N = evidence.server_correct_SBN[split, evidence.payload_bits.index(point.payload_bits)]
    if point.confidence_threshold is None:
        return server_N, np.zeros(evidence.num_samples, dtype=np.bool_)
    exits_N = evidence.exit_confidence_SN[split].astype(np.float64) >= point.confidence_threshold
    return np.where(exits_N, evidence.exit_correct_SN[split], server_N), exits_N


def point_row(evidence: Evidence, point: RunPoint) -> pd.DataFrame:
    """One operating point as a row of :func:`sweep`; its threshold need not lie on the frontier.

    Example:
        >>> right, sure = np.array([[True, True, False]]), np.array([[0.9, 0.7, 0.4]], np.float32)
        >>> sizes, labels = np.array([[[12]]], np.int32), np.array([0, 1, 1])
        >>> evidence = Evidence(("conv1",), (8,), sure, right, ~right[None], right[0], sizes, labels)
        >>> point_row(evidence, RunPoint("conv1", confidence_threshold=0.5, payload_bits=8))
          split_point  payload_bits  confidence_threshold  correct  exited  sent_bytes
        0       conv1             8                   0.5      3.0       2          12
    """
    own = outcome_at(evidence, point)
    where = (point.split_point, point.payload_bits, point.confidence_threshold)
    return _as_table([(*where, *_row(own, evidence.quality))], evidence)


_Row = tuple[Any, ...]  # of a swept point: POINT_COLUMNS, then those of its quality


def _own_columns(quality: Quality) -> list[str]:
    return [] if quality.is_plain else [quality.credit, *MARGINS]


def _row(outcome: Outcome, quality: Quality) -> _Row:
    """What an outcome says, in the order of the columns."""
    row = outcome.to_row()
    return tuple(row[name] for name in [*POINT_COLUMNS[3:], *_own_columns(quality)])


def _as_table(rows: list[_Row], evidence: Evidence) -> pd.DataFrame:
    names = [*POINT_COLUMNS, *_own_columns(evidence.quality)]
    columns: dict[str, Any] = dict(zip(names, zip(*rows, strict=True), strict=True))
    columns["payload_bits"] = pd.array(columns["payload_bits"], dtype="Int64")
    columns["confidence_threshold"] = np.array(columns["confidence_threshold"], dtype=np.float64)
    table = pd.DataFrame(columns)
    if evidence.code is None:
        return table
    ways = [(name, bits, name != OUTPUT and threshold == threshold) for name, bits, threshold, *_ in rows]
    known = {way: evidence.code_columns(_any_point(*way, evidence.edge_weight_bits)) for way in set(ways)}
    return table.assign(**{name: [known[way][name] for way in ways] for name in CODE_COLUMNS})


def _any_point(split_point: str, payload_bits: int | None, has_exit: bool, weight_bits: int) -> RunPoint:
    """A point of those that differ in their threshold alone, which C takes no bytes for."""
    if split_point == OUTPUT:
        return RunPoint.at_output(weight_bits)
    return RunPoint(split_point, 0.5 if has_exit else None, payload_bits, weight_bits)


def sweep(evidence: Evidence, low: float, high: float) -> pd.DataFrame:
    """The (accuracy, exit rate) frontier of every split point and payload bits.

    For a fixed network, split point and bits every cost is monotone in the offload rate, so the frontier is
    enough to rebuild the exact front for any objectives, device and link. Thresholds lie half-way between
    neighbouring confidences, where rounding cannot move a sample across, or at an end of the range.

    Args:
        evidence: Of the network.
        low: Least threshold allowed, 0 <= low <= high.
        high: Largest threshold allowed, low <= high <= 1. 1 also allows leaving the exit classifier out. A
            split point without one is always allowed.

    Returns:
        Columns :data:`POINT_COLUMNS` (the bits Int64), and where the quality is not plain accuracy its credit
        and margins; where C counts :data:`~explorer.core.code_bytes.CODE_COLUMNS`, too. The threshold is NaN
        where no exit classifier is used, the bits are missing for ``output``.

    Example:
        >>> right, sure = np.array([[True, True, False]]), np.array([[0.9, 0.7, 0.4]], np.float32)
        >>> sizes, labels = np.array([[[12]]], np.int32), np.array([0, 1, 1])
        >>> evidence = Evidence(("conv1",), (8,), sure, right, ~right[None], right[0], sizes, labels)
        >>> sweep(evidence, low=0.0, high=1.0).round(2)
          split_point  payload_bits  confidence_threshold  correct  exited  sent_bytes
        0       conv1             8                  0.00      2.0       3           0
        1       conv1             8                  0.55      3.0       2          12
        2       conv1             8                   NaN      1.0       0          36
        3      output          <NA>                  0.00      2.0       3           0
    """
    rows: list[_Row] = []
    for split, name in enumerate(evidence.split_points):
        confidence = evidence.exit_confidence_SN[split].astype(np.float64)
        has_exit = not np.isnan(confidence).any()
        cuts = threshold_cuts(confidence, low, high) if has_exit else None
        for index, bits in enumerate(evidence.payload_bits):
            if cuts is not None:
                rows += [(name, bits, *point) for point in _frontier(evidence, split, index, cuts)]
            if cuts is None or high >= 1.0:
                without = outcome_at(evidence, RunPoint(name, None, bits, evidence.edge_weight_bits))
                rows.append((name, bits, np.nan, *_row(without, evidence.quality)))
    if evidence.has_output:
        output = outcome_at(evidence, RunPoint.at_output(evidence.edge_weight_bits))
        rows.append((OUTPUT, None, 0.0, *_row(output, evidence.quality)))
    return _as_table(rows, evidence)


def sweep_of_all(evidences: Sequence[Evidence], low: float, high: float) -> pd.DataFrame:
    """Sweeps of a network's edge parts in float32 and int8, one after the other.

    Args:
        evidences: Of the network, one for each number of weight bits.
        low: See :func:`sweep`.
        high: Likewise.

    Example:
        >>> right, sure = np.array([[True, True, False]]), np.array([[0.9, 0.7, 0.4]], np.float32)
        >>> sizes, labels = np.array([[[12]]], np.int32), np.array([0, 1, 1])
        >>> evidence = Evidence(("conv1",), (8,), sure, right, ~right[None], right[0], sizes, labels)
        >>> list(sweep_of_all([evidence], 0.0, 1.0)) == POINT_COLUMNS
        True
    """
    return pd.concat([sweep(evidence, low, high) for evidence in evidences], ignore_index=True)


def in_float32(points: pd.DataFrame) -> pd.DataFrame:
    """The points whose edge part has weights of 32 bits.

    Example:
        >>> in_float32(pd.DataFrame({"correct": [3, 4], "edge_weight_bits": [32, 8]}))["correct"].tolist()
        [3]
    """
    return points[points[EDGE_WEIGHT_BITS] == FLOAT32] if EDGE_WEIGHT_BITS in points else points


def without_code(points: pd.DataFrame) -> pd.DataFrame:
    """:func:`in_float32`, without what is known of their C: costs then follow from structure.

    Example:
        >>> list(without_code(pd.DataFrame({"correct": [3, 4], "edge_weight_bits": [32, 8]})))
        ['correct']
    """
    return in_float32(points).drop(columns=[*CODE_COLUMNS], errors="ignore")


@dataclass(frozen=True)
class ThresholdCuts:
    """Samples by falling confidence (``order``), and where a threshold may cut them, most exits first.

    At ``thresholds[i]`` the ``exited[i]`` most confident samples exit.

    Example:
        >>> ThresholdCuts(np.array([1, 0]), np.array([0.0, 0.65]), np.array([2, 1])).exited.tolist()
        [2, 1]
    """

    order: NDArray[np.int64]
    thresholds: NDArray[np.float64]
    exited: NDArray[np.int64]


def threshold_cuts(confidence: NDArray[np.float64], low: float, high: float) -> ThresholdCuts:
    """Where thresholds may cut samples of these confidences (N,); bounds as of :func:`sweep`.

    Example:
        >>> threshold_cuts(np.array([0.4, 0.9]), low=0.0, high=1.0).thresholds.tolist()
        [0.0, 0.65]
    """
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    thresholds = np.concatenate([[np.inf], (ranked[:-1] + ranked[1:]) / 2, [0.0]])
    distinct = np.concatenate([[False], ranked[:-1] > ranked[1:], [True]])
    allowed = distinct & (thresholds >= low) & (thresholds <= high) & (thresholds < 1.0)
    for bound in (low, high):
        exited_at_bound = int((ranked >= bound).sum())
        if bound < 1.0 and not allowed[exited_at_bound]:
            thresholds[exited_at_bound], allowed[exited_at_bound] = bound, True
    if high >= 1.0:
        allowed[0] = False  # an exit classifier that answers nothing is worse than none
    exited = np.flatnonzero(allowed)[::-1]
    return ThresholdCuts(order, thresholds[exited], exited)


def _frontier(evidence: Evidence, split: int, index: int, cuts: ThresholdCuts) -> list[_Row]:
    """Non-dominated points with an exit classifier, most exits first: threshold and what :func:`_row` says.

    Args:
        evidence: Of the network.
        split: Number of the split point.
        index: Number of the payload bits.
        cuts: Where thresholds may lie.
    """
    quality, order, at = evidence.quality, cuts.order, cuts.exited
    worth_KN = np.stack(list(worths(evidence.label_N, quality).values()))
    server_N, lengths = evidence.server_correct_SBN[split, index], evidence.encoded_bytes(split, index)
    gain_N = evidence.exit_correct_SN[split].astype(np.float64) - server_N
    gained_KN = np.cumsum((worth_KN * gain_N)[:, order], axis=1)
    earned_KC = ((worth_KN * server_N).sum(axis=1, keepdims=True) + np.pad(gained_KN, ((0, 0), (1, 0))))[
        :, at
    ]
    sent = (int(lengths.sum()) - np.append(0, np.cumsum(lengths[order], dtype=np.int64)))[at]
    kept = undominated(np.round(earned_KC, DECIMALS))
    of_all, own = earned_KC[: len(CREDITS), kept], earned_KC[len(CREDITS) :, kept]
    columns = [cuts.thresholds[kept], *of_all, at[kept], sent[kept], *own]
    if not quality.is_plain:
        count_C = counts(evidence.label_N)
        start_C = counts(evidence.label_N, server_N.astype(np.float64))
        how = (start_C, count_C, quality.class_shares(count_C))
        ends = margins_along(gain_N[order], evidence.label_N[order], *how)
        columns += [end[at][kept] for end in ends]
    return list(zip(*(column.tolist() for column in columns), strict=True))


def undominated(earned_KC: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which cuts (C,), of falling numbers of exits, earn more than every earlier one in some column or other.

    Example:
        >>> undominated(np.array([[3.0, 2.0, 4.0]])).tolist()
        [True, False, True]
    """
    if len(earned_KC) == 1:
        before = np.maximum.accumulate(np.append(-1.0, earned_KC[0]))[:-1]
        return np.asarray(earned_KC[0] > before)
    order = np.arange(earned_KC.shape[1])  # earlier cuts are cheaper
    losses = np.vstack([order, -earned_KC]).T
    return np.asarray(moocore.is_nondominated(losses, keep_weakly=False), dtype=np.bool_)


def is_deployable(points: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows are operating points; the others are baselines, to compare with.

    Example:
        >>> places, bits = ["conv1", "conv1", OUTPUT], [8, None, None]
        >>> points = pd.DataFrame({"split_point": places, "payload_bits": bits})
        >>> is_deployable(points).tolist()
        [True, False, True]
    """
    return points["payload_bits"].notna() | (points["split_point"] == OUTPUT)
