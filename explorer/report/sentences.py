"""The answer in words: what runs where, what it costs, how it compares and why it was chosen.

The same sentences as ``assets/answer.js`` makes for any other choice; the tests hold them against each other.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from explorer.core.graph.split_points import OUTPUT
from explorer.core.intervals import difference_interval
from explorer.core.run_point import INT8
from explorer.costs.battery import BatteryUse, battery_days
from explorer.costs.split_costs import SplitCosts
from explorer.devices import CELLS
from explorer.front.paired import costs_less
from explorer.report.classes import ClassOutcomes
from explorer.runs.results import RunResults
from explorer.space.fit import memory_limits, misfit
from explorer.space.metrics import ALL_METRICS
from explorer.space.texts import bound_text, limit_text, metric_text, number_text, quantity_text

BATTERY_USE = BatteryUse(battery_wh=10.0, samples_per_day=1000.0, cell=next(iter(CELLS.values())))
_NOTICED = 0.005  # a smaller share of more or less is the same


@dataclass(frozen=True)
class Sentences:
    """Sentences about one operating point.

    Attributes:
        results: The run.
        row: Place of the point in ``results.points``.
        outcomes: Which samples were answered right, of points that the page holds answers of.

    Example:
        >>> from explorer import run_search
        >>> from explorer.report.classes import class_outcomes
        >>> run = run_search("digits", trials=1, name="said", workers=1, energy=False, progress=False)
        >>> row = int(run.points["knee"].to_numpy().argmax())
        >>> lines = Sentences(run.results, row, class_outcomes(run.results)).lines
        >>> lines[1], lines[2][:8]
        ('It fits stm32h7a3: Edge flash ... of 2 MB, Edge RAM ... of 1.19 MB.', 'Accuracy')
    """

    results: RunResults
    row: int
    outcomes: ClassOutcomes

    @cached_property
    def lines(self) -> list[str]:
        """One sentence a line."""
        said = [self._what_runs(), self._memory(), self._accuracy(), self._cost(), *self._comparisons()]
        why = [self._why()]
        said = [*said, *why] if self.results.points["on_front"].any() else [*why, *said]  # a miss comes first
        return [line for line in [*said, self._cheaper(), *self._reservations()] if line]

    @cached_property
    def point(self) -> dict[Any, Any]:
        """Its columns, with the battery life of the page's first setting."""
        point: dict[Any, Any] = self.results.points.iloc[self.row].to_dict()
        return point | {"battery_days": battery_days(point, self.results.setting, BATTERY_USE)}

    @cached_property
    def split(self) -> SplitCosts:
        """Where it is cut."""
        splits = self.results.networks[self.point["network_key"]].splits
        return next(split for split in splits if split.name == self.point["split_point"])

    def _name(self, row: int) -> str:
        return self.results.name_of(self.results.points.iloc[row])

    def _what_runs(self) -> str:
        point, split = self.point, self.split
        device = f"edge device ({self.results.setting.edge.name})"
        in_int8 = " in int8" if point["edge_weight_bits"] == INT8 else ""
        if split.name == OUTPUT:
            return f"The whole network runs{in_int8} on the {device}; nothing is sent."
        macs, exit_ = (f"{quantity_text(own, 'MAC')}{in_int8}" for own in (split.edge_macs, split.exit_macs))
        computes = f"computes up to {split.name} ({macs})" if split.edge_macs else "computes no layer"
        if pd.isna(point["confidence_threshold"]):
            return f"The {device} {computes} and sends every sample on, {self._payload()}."
        if point["exit_rate"] == 1:
            told = "answers every sample there, so nothing is sent"
        else:
            rate = metric_text("exit_rate", point["exit_rate"])
            told = f"answers {rate} of the samples there, and the others send {self._payload()}"
        return f"The {device} {computes}; its exit ({exit_}) {told}."

    def _payload(self) -> str:
        """What a sample that is sent takes, and where it goes."""
        point, samples = self.point, self.results.networks[self.point["network_key"]].num_samples
        message = quantity_text(point["sent_bytes"] / max(samples - point["exited"], 1), "B")
        bits = "" if pd.isna(point["payload_bits"]) else f" at {point['payload_bits']:.0f} bits"
        return f"{message} of payload{bits} to {self.results.setting.server.name}"

    def _accuracy(self) -> str:
        point, quality = self.point, self.results.quality_column
        corrected = f"{quality}_corrected"
        is_known = not math.isnan(float(point.get(corrected, math.nan)))
        name = corrected if is_known else quality
        low, high = (metric_text(quality, point[f"{name}_ci95_{end}"]) for end in ("low", "high"))
        how = "on the validation subset"
        if is_known:
            how = f"corrected for having been chosen; {metric_text(quality, point[quality])} as validated"
        label = ALL_METRICS[quality].short_label
        return f"{label} {metric_text(quality, point[name])}, 95 % interval {low} to {high} ({how})."

    def _cost(self) -> str:
        parts = [
            ("latency_model_s", "s", "a sample on average (modelled)"),
            ("energy_model_j", "J", "of edge energy (modelled)"),
            ("battery_days", "d", "of battery life"),
            ("deadline_missed", "%", "of the answers late"),
        ]
        known = [own for own in parts if not pd.isna(self.point[own[0]])]
        texts = [f"{quantity_text(self.point[name], unit)} {what}" for name, unit, what in known]
        unknown = [name for name in ("latency_model_s", "energy_model_j") if pd.isna(self.point[name])]
        gaps = " and ".join(ALL_METRICS[name].short_label.lower() for name in unknown)
        lacks = f"{gaps} unknown, because a profile lacks what it needs" if gaps else ""
        takes = f"It takes {', '.join(texts)}" if texts else ""
        return "; ".join(part for part in (takes, lacks) if part) + "."

    def _memory(self) -> str:
        edge = self.results.setting.edge
        if unfit := misfit(self.point, edge):
            return f"It {unfit}."
        bounds = {limit.column: limit.bound for limit in memory_limits(edge)}
        names = (
            ["edge_memory_bytes"] if "edge_memory_bytes" in bounds else ["edge_flash_bytes", "edge_ram_bytes"]
        )
        taken = ", ".join(
            f"{ALL_METRICS[name].short_label} {metric_text(name, self.point[name])}"
            + (f" of {bound_text(bounds[name], 'B')}" if name in bounds else "")
            for name in names
        )
        if bounds:
            return f"It fits {edge.name}: {taken}."
        return f"{taken}; whether {edge.name} has that is not known."

    def _comparisons(self) -> Iterator[str]:
        """Against the dense network on the edge, and against sending everything."""
        rivals = [
            ("all_edge", "the dense network on the edge", "edge_macs", "fewer MACs on the edge"),
            ("all_server", "sending everything", "wire_bytes", "fewer bytes on the wire"),
        ]
        for reference, what, name, fewer in rivals:
            other = self._reference(reference)
            if other is None or other == self.row:
                continue
            columns = {name: fewer, "latency_model_s": "less latency", "energy_model_j": "less energy"}
            theirs = self.results.points.iloc[other]
            words = [_less_or_more(self.point[own], theirs[own], less) for own, less in columns.items()]
            against = [word for word in [*words, self._accuracy_against(other)] if word]
            yield f"Than {what} ({self._name(other)}): {', '.join(against)}."

    def _reference(self, name: str) -> int | None:
        """Place of the reference of this backbone, or of any; None where there is none."""
        points = self.results.points
        rows: list[int] = np.flatnonzero(points["reference"]).tolist()
        places = [row for row in rows if name in points["reference"].iloc[row].split(",")]
        alike = [row for row in places if points["backbone"].iloc[row] == self.point["backbone"]]
        return next(iter([*alike, *places]), None)

    def _accuracy_against(self, other: int) -> str:
        quality = self.results.quality_column
        own, theirs = (float(self.results.points[quality].iloc[row]) for row in (self.row, other))
        label = ALL_METRICS[quality].short_label.lower()
        if own == theirs:
            return f"the same {label}"
        noise = " (within noise)" if self._within_noise(other) else ""
        by, which = number_text(abs(own - theirs) * 100), "more" if own > theirs else "less"
        return f"{by} {'point' if by == '1' else 'points'} {which} {label}{noise}"

    def _within_noise(self, other: int) -> bool:
        """By the paired test where the answers of both are here, else as two independent accuracies."""
        alike = self.outcomes.alike(self.row, other)
        if alike is not None:
            return alike
        quality = self.results.quality_column
        ends = self.results.points[[quality, f"{quality}_ci95_low", f"{quality}_ci95_high"]]
        low, high = difference_interval(*(tuple(ends.iloc[row].tolist()) for row in (self.row, other)))
        return low <= 0 <= high

    def _why(self) -> str:
        front = int(self.results.points["on_front"].sum())
        if not front:
            missed = "; ".join(self._missed()) or "it fits no memory"
            return f"No point satisfies every constraint. This one misses them by least: {missed}."
        objectives = ", ".join(metric.short_label for metric in self.results.objectives)
        return f"Chosen as the knee of {front:,} points on the front ({objectives})."

    def _missed(self) -> Iterator[str]:
        for limit in self.results.record.parsed_constraints:
            if not limit.violation(float(self.point[limit.column])) <= 0:
                is_ = metric_text(limit.column, self.point[limit.column])
                yield f"{ALL_METRICS[limit.column].label} {limit_text(limit)} (is {is_})"

    def _cheaper(self) -> str:
        """The cheaper point that the paired test does not tell from it, as ``--indifferent`` finds it."""
        points, objectives = self.results.points, self.results.objectives
        front = points["on_front"].to_numpy(dtype=bool).nonzero()[0]
        if not len(front):
            return ""
        own, others = points.iloc[[self.row]], points.iloc[front[front != self.row]]
        places = front[front != self.row][costs_less(own, others, objectives)].tolist()
        other = next((row for row in places if self.outcomes.alike(self.row, row)), None)
        if other is None:
            return ""
        theirs = points.iloc[other]
        saved = ", ".join(
            f"{metric.short_label} {metric_text(metric.name, theirs[metric.name])} "
            f"instead of {metric_text(metric.name, self.point[metric.name])}"
            for metric in objectives
            if metric.kind != "learned" and theirs[metric.name] != self.point[metric.name]
        )
        label = ALL_METRICS[self.results.quality_column].short_label.lower()
        cheaper = f"{self._name(other)} ({theirs['point_id']}) costs less"
        return f"{cheaper} and does not differ from it in {label} by the paired test: {saved}."

    def _reservations(self) -> Iterator[str]:
        """What the battery's cell and the link's law say against the point's battery life."""
        cell, asked = BATTERY_USE.cell, BATTERY_USE.samples_per_day
        allowed = float(self.point["max_samples_per_day"])
        if self.point["battery_days"] >= BATTERY_USE.shelf_days:
            shelf = f"the shelf life of {cell.name}, {cell.shelf_life_years:g} years"
            yield f"Battery life ends with {shelf}; its energy alone would last longer."
        if allowed < asked:
            many = f"{math.floor(allowed):,} samples a day, not {asked:,.0f}"
            yield f"The link's duty cycle allows {many}."


def _less_or_more(own: float, other: float, fewer: str) -> str:
    """By how much less it is, ``fewer`` naming of what; nothing is said of what is not known."""
    unit = fewer.partition(" ")[2]
    if math.isnan(own) or not other > 0:
        return f"{unit} where it has none" if own > 0 and other == 0 else ""
    share = own / other - 1
    if abs(share) < _NOTICED:
        return f"the same {unit}"
    if share < 0:
        return f"{math.floor(0.5 - 100 * share)} % {fewer}"
    return f"{number_text(own / other)} times the {unit}"
