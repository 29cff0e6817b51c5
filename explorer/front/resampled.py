"""The front that other samples would have given: sweep and front anew for any weights of the stored samples.

A bootstrap draws a sample several times or not at all; half of the samples are weights of 1 and 0.
Confidences are sorted once; for each set of weights prefix sums give every threshold, as in
:mod:`explorer.core.sweep`.

Shape suffixes: C credits, N samples, K cuts of a ladder, R operating points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.code_bytes import CODE_COLUMNS, EDGE_WEIGHT_BITS
from explorer.core.credits import worths
from explorer.core.evidence import Evidence
from explorer.core.graph.split_points import OUTPUT
from explorer.core.intervals import margins_along
from explorer.core.quality import MARGINS, Quality, QualityName, counts
from explorer.core.run_point import FLOAT32, RunPoint
from explorer.core.sweep import DECIMALS, ThresholdCuts, threshold_cuts, undominated
from explorer.costs.model import CostModel
from explorer.costs.split_costs import SplitCosts
from explorer.costs.split_table import split_table
from explorer.front.pareto import non_dominated
from explorer.space.constraints import Constraint
from explorer.space.metrics import SEARCHED_METRICS, Metric

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Ladder:
    """All thresholds of one network at one split point with one number of payload bits.

    The cuts, most exits first, are none where there is no exit classifier.
    """

    network: int
    split_point: str
    bits: int
    cuts: ThresholdCuts
    exit_N: NDArray[np.float32]
    server_N: NDArray[np.float32]
    bytes_N: NDArray[np.int32]
    may_do_without: bool
    code: tuple[Mapping[str, float], Mapping[str, float]]  # columns of C, without exit and with one

    def at_cuts(self, weights_N: Floats, worth_CN: Floats) -> tuple[Floats, Floats, Floats]:
        """Credits earned (C, K + 1), weight of exits and bytes sent (K + 1,); last where no exit is used."""
        start_C, sent = worth_CN @ self.server_N, float(weights_N @ self.bytes_N)
        earned_CK, exited_K = np.zeros((len(start_C), 0)), np.zeros(0)
        spared_K = exited_K
        if len(self.cuts.order):
            order, at = self.cuts.order, self.cuts.exited
            weight_N, gain_N = weights_N[order], (self.exit_N - self.server_N)[order]
            earned_CK = start_C[:, np.newaxis] + _running(gain_N * worth_CN[:, order])[:, at]
            exited_K = _running(weight_N)[at]
            spared_K = _running(weight_N * self.bytes_N[order])[at]
        return (
            np.column_stack([earned_CK, start_C]),
            np.append(exited_K, 0.0),
            np.append(sent - spared_K, sent),
        )

    @property
    def weight_bits(self) -> int:
        """Of the edge part."""
        return int(self.code[0].get(EDGE_WEIGHT_BITS, FLOAT32))

    def margins(self, label_N: NDArray[np.int64], weights_N: Floats, quality: Quality) -> Floats:
        """Of the quality's interval, below and above it (2, K + 1)."""
        count_C = counts(label_N, weights_N)
        gain_N = ((self.exit_N - self.server_N) * weights_N)[self.cuts.order]
        start_C = counts(label_N, weights_N * self.server_N)
        how = (label_N[self.cuts.order], start_C, count_C, quality.class_shares(count_C))
        return np.stack(margins_along(gain_N, *how))[:, np.append(self.cuts.exited, 0)]

    def frontier(self, earned_CK: Floats, exited_K: Floats) -> NDArray[np.int64]:
        """Cuts, of falling exits, that earn more than every earlier one; in the middle of equal ones."""
        count = len(self.cuts.exited)
        kept = np.zeros(0, dtype=np.int64)
        if count:
            first = np.flatnonzero(undominated(np.round(earned_CK[:, :count], DECIMALS)))
            last = np.searchsorted(-exited_K[:count], -exited_K[first], side="right") - 1
            kept = (first + last) // 2
        return np.append(kept, count) if self.may_do_without else kept


def _running(values: Floats) -> Floats:
    """Sums of the first 0, 1, 2, ... values along the last axis."""
    sums = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values, axis=-1, out=sums[..., 1:])
    return sums


@dataclass(frozen=True, eq=False)
class ResampledFront:
    """A front under one set of weights: which operating points, and their quality there.

    Example:
        >>> front = ResampledFront(np.array([0, 0]), np.array([3, 1]), np.array([0.9, 0.8]))
        >>> len(front.quality_R)
        2
    """

    ladder_R: NDArray[np.int64]
    cut_R: NDArray[np.int64]
    quality_R: Floats


class Resampler:
    """Sweep and front of a set of trained networks, for any weights of the validation samples.

    Args:
        networks: Evidence of each, on the same samples, and costs of its split points.
        costs: The cost model.
        objectives: They span the front.
        constraints: Under which it stands.
        low: Least confidence threshold allowed.
        high: Largest; 1 also allows leaving the exit classifier out.

    Example:
        >>> from explorer import run_search
        >>> from explorer.runs.store import Store
        >>> run = run_search("digits", trials=1, name="again", workers=1, energy=False, progress=False)
        >>> (key, stored), = run.results.networks.items()
        >>> networks = [(Store(run.path).read_evidence(key), stored.splits)]
        >>> costs = CostModel(run.results.setting)
        >>> resampler = Resampler(networks, costs, run.results.objectives, [], low=0.0, high=1.0)
        >>> front = resampler.front(np.ones(400))  # each sample once, as in the run
        >>> sorted(front.quality_R, reverse=True) == run.front["accuracy"].tolist()
        True
        >>> half = np.arange(400) % 2.0
        >>> chosen = resampler.front(half)
        >>> len(chosen.quality_R) == len(resampler.quality(chosen, 1.0 - half))
        True
    """

    def __init__(
        self,
        networks: Sequence[tuple[Evidence, Sequence[SplitCosts]]],
        costs: CostModel,
        objectives: Sequence[Metric],
        constraints: Sequence[Constraint],
        low: float,
        high: float,
    ) -> None:
        self._costs, self._objectives, self._constraints = costs, objectives, constraints
        self._ladders: list[_Ladder] = []
        tables, rows, first = [], [], 0
        for number, (evidence, splits) in enumerate(networks):
            places = {split.name: first + place for place, split in enumerate(splits)}
            own = _ladders(number, evidence, low, high)
            rows += [places[ladder.split_point] for ladder in own]
            self._ladders += own
            tables.append(split_table(splits, costs.setting))
            first += len(splits)
        at = np.array(rows, dtype=np.int64)
        self._table = {name: np.concatenate([own[name] for own in tables])[at] for name in tables[0]}
        self.num_samples = networks[0][0].num_samples
        self._label_N, self._of = networks[0][0].label_N, networks[0][0].quality
        asked = [metric.name for metric in objectives] + [own.column for own in constraints]
        self._needs_margins = any(SEARCHED_METRICS[name].margin for name in asked)

    @property
    def column(self) -> QualityName:
        """The quality of the networks."""
        return self._of.name

    @property
    def strata(self) -> list[NDArray[np.int64]]:
        """Samples that are drawn together: all, or those of each class where classes weigh differently."""
        if self._of.is_plain:
            return [np.arange(self.num_samples)]
        return [np.flatnonzero(self._label_N == label) for label in np.unique(self._label_N)]

    def _worths(self, weights_N: Floats) -> dict[str, Floats]:
        return worths(self._label_N, self._of, weights_N)

    def front(self, weights_N: Floats) -> ResampledFront:
        """The front where each sample counts as often as its weight says."""
        total, worth_N = float(weights_N.sum()), self._worths(weights_N)
        worth_CN = np.stack(list(worth_N.values()))
        kept, earned, exited, sent, ends = [], [], [], [], []
        for ladder in self._ladders:
            earned_CK, exited_K, sent_K = ladder.at_cuts(weights_N, worth_CN)
            own = ladder.frontier(earned_CK, exited_K)
            kept.append(own)
            earned.append(earned_CK[:, own])
            exited.append(np.full(1, total) if ladder.split_point == OUTPUT else exited_K[own])
            sent.append(sent_K[own])
            ends.append(self._margins(ladder, weights_N)[:, own])
        ladder_R = np.repeat(np.arange(len(kept)), [len(own) for own in kept])
        cut_R = np.concatenate(kept)
        without_R = cut_R == np.array([len(own.cuts.exited) for own in self._ladders])[ladder_R]
        swept: dict[str, Any] = dict(zip(worth_N, np.concatenate(earned, axis=1), strict=True))
        swept |= dict(zip(MARGINS, np.concatenate(ends, axis=1), strict=True))
        swept |= {"exited": np.concatenate(exited), "sent_bytes": np.concatenate(sent)}
        swept["split_point"] = [self._ladders[number].split_point for number in ladder_R.tolist()]
        swept["payload_bits"] = np.array([own.bits for own in self._ladders])[ladder_R]
        swept |= self._code(ladder_R, without_R)
        swept["confidence_threshold"] = np.where(without_R, np.nan, 0.5)  # whether there is one decides
        table = {name: values[ladder_R] for name, values in self._table.items()}
        columns = self._costs.expected(swept, table, np.full(len(ladder_R), total))
        front = self._non_dominated(columns, len(ladder_R))
        return ResampledFront(ladder_R[front], cut_R[front], columns[self._of.name][front])

    def _code(self, ladder_R: NDArray[np.int64], without_R: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        """Columns of C (R,); none where it does not count."""
        if not self._ladders[0].code[0]:
            return {}
        table_L2K = [
            [[own[name] for name in CODE_COLUMNS] for own in ladder.code] for ladder in self._ladders
        ]
        rows_RK = np.array(table_L2K)[ladder_R, (~without_R).astype(np.int64)]
        return dict(zip(CODE_COLUMNS, rows_RK.T, strict=True))

    def _margins(self, ladder: _Ladder, weights_N: Floats) -> Floats:
        """As of the ladder; NaN where nothing asks for them."""
        if not self._needs_margins:
            return np.full((2, len(ladder.cuts.exited) + 1), np.nan)
        return ladder.margins(self._label_N, weights_N, self._of)

    def _non_dominated(self, columns: dict[str, NDArray[Any]], count: int) -> NDArray[np.int64]:
        feasible = np.ones(count, dtype=np.bool_)
        for own in self._constraints:
            values = columns[own.column]
            feasible &= values <= own.bound if own.operator == "<=" else values >= own.bound
        signs = [-1.0 if metric.direction == "maximize" else 1.0 for metric in self._objectives]
        losses = np.column_stack(
            [sign * columns[own.name] for sign, own in zip(signs, self._objectives, strict=True)]
        )
        rows = np.flatnonzero(feasible & ~np.isnan(losses).any(axis=1))
        return np.asarray(rows[non_dominated(losses[rows])])

    def quality(self, front: ResampledFront, weights_N: Floats) -> Floats:
        """Quality of the same operating points (R,) under other weights."""
        worth_CN = self._worths(weights_N)[self._of.credit][np.newaxis]
        found = np.empty(len(front.ladder_R))
        for number in np.unique(front.ladder_R).tolist():
            own = front.ladder_R == number
            earned_CK, _, _ = self._ladders[number].at_cuts(weights_N, worth_CN)
            found[own] = earned_CK[0, front.cut_R[own]]
        return np.asarray(found / weights_N.sum())

    def points(self, front: ResampledFront) -> list[tuple[int, RunPoint]]:
        """Number of the network, and how it is run, of every operating point of a front."""
        pairs = zip(front.ladder_R.tolist(), front.cut_R.tolist(), strict=True)
        return [self._point(self._ladders[number], cut) for number, cut in pairs]

    def _point(self, ladder: _Ladder, cut: int) -> tuple[int, RunPoint]:
        if ladder.split_point == OUTPUT:
            return ladder.network, RunPoint.at_output(ladder.weight_bits)
        threshold = float(ladder.cuts.thresholds[cut]) if cut < len(ladder.cuts.exited) else None
        return ladder.network, RunPoint(ladder.split_point, threshold, ladder.bits, ladder.weight_bits)


def _ladders(number: int, evidence: Evidence, low: float, high: float) -> list[_Ladder]:
    """Of one network, the output last."""
    nothing = np.zeros(0, dtype=np.int64)
    no_exits = ThresholdCuts(nothing, np.zeros(0), nothing)
    found = []
    for split, name in enumerate(evidence.split_points):
        confidence = evidence.exit_confidence_SN[split].astype(np.float64)
        has_exit = not np.isnan(confidence).any()
        cuts = threshold_cuts(confidence, low, high) if has_exit else no_exits
        exit_N = evidence.exit_correct_SN[split].astype(np.float32)
        for index, bits in enumerate(evidence.payload_bits):
            server_N = evidence.server_correct_SBN[split, index].astype(np.float32)
            lengths = evidence.encoded_bytes(split, index)
            may = not has_exit or high >= 1.0
            ways = [RunPoint(name, sure, bits, evidence.edge_weight_bits) for sure in (None, 0.5)]
            code = evidence.code_columns(ways[0]), evidence.code_columns(ways[1])
            found.append(_Ladder(number, name, bits, cuts, exit_N, server_N, lengths, may, code))
    if not evidence.has_output:
        return found
    right_N = evidence.output_correct_N.astype(np.float32)
    nothing_sent = np.zeros(evidence.num_samples, dtype=np.int32)
    code = (evidence.code_columns(RunPoint.at_output(evidence.edge_weight_bits)),) * 2
    return [*found, _Ladder(number, OUTPUT, 0, no_exits, right_N, right_N, nothing_sent, True, code)]
