"""What a report says in words: the result, the machine, the energy of the search, failures, gaps."""

import math
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd

from explorer.core.sweep import is_deployable
from explorer.data.balance import is_warning
from explorer.devices import PROTOCOLS
from explorer.runs.confirmed import Confirmed, read_confirmed
from explorer.runs.record import RunRecord, SearchReading
from explorer.runs.results import RunResults
from explorer.space.fit import memory_limits
from explorer.space.metrics import METRICS
from explorer.space.texts import metric_text, missing_columns, number_text, quantity_text

NOT_RECORDED = "not recorded"
_FAILED = "FAIL"
_OUTCOMES = {
    "trainings": "networks trained",
    "cached": "from cache",
    "infeasible": "ruled out by their cost",
    "failed": "failed",
}


class Failure(NamedTuple):
    """Trials that failed for the same reason; none where a variant failed that was never proposed.

    Example:
        >>> Failure("diverged", [3, 7]).trials
        [3, 7]
    """

    reason: str
    trials: list[int]


class Summary(NamedTuple):
    """Words and numbers of one report.

    Attributes:
        name: Of the run.
        created: When it began.
        tiles: Caption, headline, small print.
        facts: Label and text.
        failures: Most frequent first.
        stopped: Trainings of no proposal that failed, and why; a network that was to go on stays as it was.
        uncounted: Backbone, and its operators that may multiply and accumulate, which nobody counted.
        without_macs: Backbone, and its operators that cost no MACs.
        gaps: Things a reader might look for that are not there, and why.
        notes: The run's own.
        warnings: Those of the notes that speak against every accuracy of the run.
        confirmed: Points trained anew with other seeds: id, accuracy as searched, over seeds, and a mark.
        space_file: Full text of the search space, "" where not recorded.
        num_points: Operating points of the run.

    Example:
        >>> from pathlib import Path
        >>> from explorer.runs.results import run_results
        >>> from explorer.session.options import Options
        >>> from explorer.session.prepare import prepare
        >>> results = run_results(Path("tiny"), prepare(Options(space="digits")).record, trial_rows=[])
        >>> [caption for caption, *_ in summary_info(results).tiles]
        ['Front', 'Best accuracy', 'Hypervolume', 'Trials', 'Search time', 'Search energy']
    """

    name: str
    created: str
    tiles: list[tuple[str, str, str]]
    facts: list[tuple[str, str]]
    failures: list[Failure]
    stopped: list[str]
    uncounted: list[tuple[str, str]]
    without_macs: list[tuple[str, str]]
    gaps: list[str]
    notes: list[str]
    warnings: list[str]
    confirmed: list[tuple[str, str, str, str]]
    space_file: str
    num_points: int


def summary_info(results: RunResults) -> Summary:
    """Collect what the report says about the run.

    Example:
        >>> from pathlib import Path
        >>> from explorer.runs.results import run_results
        >>> from explorer.session.options import Options
        >>> from explorer.session.prepare import prepare
        >>> results = run_results(Path("tiny"), prepare(Options(space="digits")).record, trial_rows=[])
        >>> dict(summary_info(results).facts)["Link"]
        'ble_2m_dle'
    """
    record = results.record
    return Summary(
        name=record.name,
        created=moment_text(record.created),
        tiles=_tiles(results),
        facts=_facts(results),
        failures=_failures(results),
        stopped=[
            f"{promotion.network_key}, to {promotion.until_epoch} epochs: {promotion.reason}"
            for promotion in record.promotions
            if promotion.reason
        ],
        uncounted=_operators(record.uncounted_arithmetic),
        without_macs=_operators(record.operators_without_macs),
        gaps=_gaps(results),
        notes=[note for note in record.notes if not is_warning(note)],
        warnings=[note for note in record.notes if is_warning(note)],
        confirmed=[_confirmed(point) for point in read_confirmed(results.path)],
        space_file=record.space_file,
        num_points=int(is_deployable(results.points).sum()),
    )


def _confirmed(point: Confirmed) -> tuple[str, str, str, str]:
    """Id, accuracy or other quality as searched, mean and deviation over seeds, whether it was lucky."""
    seeds = f"{metric_text('accuracy', point.mean)} (deviation {metric_text('accuracy', point.deviation)}, "
    seeds += f"{len(point.seeds)} seeds)"
    searched = metric_text("accuracy", point.accuracy)
    return point.point_id, searched, seeds, "lucky" if point.lucky else ""


def _operators(calls: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str]]:
    """Per backbone that has some: names of operators, and how often each is called."""
    return [
        (backbone, ", ".join(f"{operator} ({times})" for operator, times in operators.items()))
        for backbone, operators in calls.items()
        if operators
    ]


def best_quality(points: pd.DataFrame, name: str = "accuracy") -> tuple[str, str]:
    """The best feasible accuracy, or other quality, and its 95 % interval, as text.

    Example:
        >>> interval = {"accuracy_ci95_low": [0.9, 0.94], "accuracy_ci95_high": [0.95, 0.98]}
        >>> points = pd.DataFrame({"accuracy": [0.93, 0.962], "feasible": [True, True], **interval})
        >>> best_quality(points)
        ('96.2 %', '95 % interval 94 % to 98 %, validation')
        >>> best_quality(points.assign(accuracy_corrected=[0.92, 0.95]))[1]
        '95 % interval 94 % to 98 %, validation; 95 % corrected for having been chosen'
    """
    feasible = points[points["feasible"].astype(bool)]
    if feasible[name].notna().sum() == 0:
        return "none", "no feasible point"
    best = feasible.sort_values(name, ascending=False, kind="stable").iloc[0]
    low, high = (metric_text(name, float(best[f"{name}_ci95_{end}"])) for end in ("low", "high"))
    small = f"95 % interval {low} to {high}, validation"
    corrected = float(best.get(f"{name}_corrected", math.nan))
    if not math.isnan(corrected):
        small += f"; {metric_text(f'{name}_corrected', corrected)} corrected for having been chosen"
    return metric_text(name, float(best[name])), small


def _tiles(results: RunResults) -> list[tuple[str, str, str]]:
    record, counts, quality = results.record, results.record.counts, results.quality_column
    front = int(results.points["on_front"].astype(bool).sum())
    outcomes = ", ".join(f"{counts[key]:,} {word}" for key, word in _OUTCOMES.items() if key in counts)
    volume = NOT_RECORDED if record.hypervolume is None else f"{record.hypervolume:.3f}"
    cpu = record.machine.get("cpu") or "a machine not recorded"
    search = record.search
    return [
        ("Front", f"{front:,}", f"of {is_deployable(results.points).sum():,} operating points"),
        (f"Best {quality.replace('_', ' ')}", *best_quality(results.points, quality)),
        ("Hypervolume", volume, "of at most 1"),
        ("Trials", f"{counts['trials']:,}" if "trials" in counts else NOT_RECORDED, outcomes),
        ("Search time", NOT_RECORDED if search is None else _duration(search.seconds), f"on {cpu}"),
        ("Search energy", *_search_energy(search)),
    ]


def _search_energy(search: SearchReading | None) -> tuple[str, str]:
    """The energy and what estimated it, or why there is none; all that is assumed stands among the facts."""
    if search is None or search.energy_j is None:
        return "not measured", (search and search.energy_reason) or NOT_RECORDED
    steady = ""
    if search.memory_j is not None and search.energy_j > 0:
        share = search.memory_j / search.energy_j
        steady = f"; {100 * share:.0f} % of it is the memory's, which does not depend on the work"
    return quantity_text(search.energy_j, "J"), search.energy_method.partition(";")[0] + steady


def _memory_limits(results: RunResults) -> str:
    """What of the edge device's memory points must fit."""
    if not results.record.fits_device:
        return "not asked for"
    limits = memory_limits(results.setting.edge)
    texts = [f"{METRICS[own.column].short_label} {quantity_text(own.bound, 'B')}" for own in limits]
    return ", ".join(texts) or "anything: the profile knows no memory"


def _facts(results: RunResults) -> list[tuple[str, str]]:
    record, setting = results.record, results.setting
    better = {"maximize": "higher is better", "minimize": "lower is better"}
    return [
        ("Search space", record.space_name),
        ("Objectives", "; ".join(f"{m.label} ({better[m.direction]})" for m in results.objectives)),
        ("Constraints", "; ".join(record.constraints) or "none"),
        ("Must fit", _memory_limits(results)),
        ("Edge device", setting.edge.name),
        ("Server", setting.server.name),
        ("Link", setting.link.name),
        ("Latency basis", setting.latency_basis),
        ("Protocol", PROTOCOLS[setting.protocol].description),
        ("Deadline", "none" if setting.deadline_s is None else quantity_text(setting.deadline_s, "s")),
        ("Sampler", f"{record.sampler}, {record.encoding} encoding"),
        ("Suggest time", _suggest_time(record.search)),
        ("Energy", (record.search and record.search.energy_method) or NOT_RECORDED),
        ("Seed", str(record.seed)),
        ("Trials asked for", f"{record.trials_asked:,}"),
        ("Start", _start(record)),
        ("Epochs", _epochs(results)),
        ("Machine", _machine(record.machine)),
        ("Versions", ", ".join(f"{k} {v}" for k, v in record.versions.items()) or NOT_RECORDED),
    ]


def _suggest_time(search: SearchReading | None) -> str:
    """What the sampler took, in all and for a proposal of the last session."""
    if search is None or search.suggest_median_s is None:
        return NOT_RECORDED
    total = _duration(search.suggest_seconds)
    return (
        f"{total} in all; median of the last session {quantity_text(search.suggest_median_s, 's')} a proposal"
    )


def _start(record: RunRecord) -> str:
    """What networks are trained from."""
    if record.starts_from_dense:
        return "sparse networks from the trained dense one of their variant"
    return "every network from scratch"


def _epochs(results: RunResults) -> str:
    """How far networks were trained, where not all of them were trained to the end."""
    done = Counter(stored.training.epochs for stored in results.networks.values())
    promotions = len(results.record.promotions)
    kind = "dense networks trained for others" if results.record.starts_from_dense else "promotions"
    texts = [f"{count:,} networks for {epochs}" for epochs, count in sorted(done.items())]
    return "; ".join([*texts, *([f"{promotions:,} {kind}"] if promotions else [])]) or NOT_RECORDED


def _failures(results: RunResults) -> list[Failure]:
    failed = results.trials[results.trials["state"] == _FAILED]
    by_reason: dict[str, list[int]] = {}
    for number, reason in zip(failed["number"], failed["reason"], strict=True):
        by_reason.setdefault(str(reason or "no reason recorded"), []).append(int(number))
    for variant, reason in results.record.failed_variants.items():
        if reason not in by_reason:
            by_reason[f"{variant}: {reason}"] = []
    return sorted((Failure(*entry) for entry in by_reason.items()), key=lambda failure: -len(failure.trials))


def _gaps(results: RunResults) -> list[str]:
    """What has no value, and what the device profiles lack."""
    gaps = []
    if len(results.points):
        gaps += [f"{label}: no point has a value." for label in missing_columns(results.points)]
    lacking = results.record.missing.items()
    gaps += [f"Profile of {role} lacks {', '.join(missing)}." for role, missing in lacking if missing]
    return gaps


def _machine(machine: Mapping[str, Any]) -> str:
    """The machine that ran the search, as far as it is known."""
    if not machine:
        return NOT_RECORDED
    memory = machine.get("memory_bytes")
    parts = [
        str(machine.get("cpu") or ""),
        f"{machine['cores']} cores" if "cores" in machine else "",
        f"{quantity_text(float(memory), 'B')} memory" if memory else "",
        str(machine.get("os") or ""),
        f"Python {machine['python']}" if "python" in machine else "",
        f"threads: {machine['threads']}" if "threads" in machine else "",
    ]
    return ", ".join(part for part in parts if part)


def moment_text(text: str) -> str:
    """``23 November 2026, 19:47 UTC``; the text itself where it is no time.

    Example:
        >>> moment_text("2026-11-23T19:47:00+00:00"), moment_text("yesterday")
        ('23 November 2026, 19:47 UTC', 'yesterday')
    """
    try:
        return f"{datetime.fromisoformat(text):%d %B %Y, %H:%M %Z}".rstrip()
    except ValueError:
        return text or NOT_RECORDED


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{number_text(seconds)} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
