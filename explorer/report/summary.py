"""What a report says in words: the result, the machine, the energy of the search, failures, gaps."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from explorer.report.columns import metric_text, missing_columns, number_text, quantity_text
from explorer.results import RunResults, is_deployable

NOT_RECORDED = "not recorded"
_FAILED = "FAIL"
_OUTCOMES = {
    "trainings": "networks trained",
    "cached": "from cache",
    "infeasible": "ruled out by their cost",
    "failed": "failed",
}


class Failure(NamedTuple):
    """Trials that failed for the same reason; none where a variant failed that was never proposed."""

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
        stopped: Networks that could not be trained further, and why; they stay as they were.
        uncounted: Backbone, and its operators that may multiply and accumulate, which nobody counted.
        without_macs: Backbone, and its operators that cost no MACs.
        gaps: Things a reader might look for that are not there, and why.
        notes: The run's own.
        space_file: Full text of the search space, "" where not recorded.
        num_points: Operating points of the run.
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
    space_file: str
    num_points: int


def summary_info(results: RunResults) -> Summary:
    """Collect what the report says about the run."""
    run = results.run
    return Summary(
        name=str(run.get("name") or results.path.name),
        created=moment_text(run.get("created")),
        tiles=_tiles(results),
        facts=_facts(results),
        failures=_failures(results),
        stopped=[
            f"{promotion['network_key']}, to {promotion['until_epoch']} epochs: {promotion['reason']}"
            for promotion in results.run.get("promotions") or []
            if promotion["reason"]
        ],
        uncounted=_operators(run, "uncounted_arithmetic"),
        without_macs=_operators(run, "operators_without_macs"),
        gaps=_gaps(results),
        notes=[str(note) for note in run.get("notes") or []],
        space_file=str(run.get("space_file") or ""),
        num_points=int(is_deployable(results.points).sum()),
    )


def _operators(run: Mapping[str, Any], key: str) -> list[tuple[str, str]]:
    """Per backbone that has some: names of operators, and how often each is called."""
    return [
        (str(backbone), ", ".join(f"{operator} ({times})" for operator, times in operators.items()))
        for backbone, operators in _mapping(run, key).items()
        if operators
    ]


def space_name(run: Mapping[str, Any]) -> str:
    """What the search space is called."""
    return _text(run, "space_name")


def best_accuracy(results: RunResults) -> tuple[str, str]:
    """The best feasible accuracy and its 95 % interval, as text."""
    feasible = results.points[results.points["feasible"].astype(bool)]
    if feasible["accuracy"].notna().sum() == 0:
        return "none", "no feasible point"
    best = feasible.sort_values("accuracy", ascending=False, kind="stable").iloc[0]
    low, high = (metric_text("accuracy", float(best[f"accuracy_ci95_{end}"])) for end in ("low", "high"))
    return metric_text("accuracy", float(best["accuracy"])), f"95 % interval {low} to {high}, validation"


def final_hypervolume(results: RunResults) -> float | None:
    """Hypervolume of the front in the end; of older runs, after the last trial that recorded one."""
    if "hypervolume" in results.run:
        return float(results.run["hypervolume"])
    values = results.trials.sort_values("number", kind="stable")["hypervolume"].dropna()
    return float(values.iloc[-1]) if len(values) else None


def _tiles(results: RunResults) -> list[tuple[str, str, str]]:
    counts = _mapping(results.run, "counts")
    front = int(results.points["on_front"].astype(bool).sum())
    hypervolume = final_hypervolume(results)
    outcomes = ", ".join(f"{_count(counts, key)} {word}" for key, word in _OUTCOMES.items() if key in counts)
    search = _mapping(results.run, "search")
    cpu = _mapping(results.run, "machine").get("cpu") or "a machine not recorded"
    return [
        ("Front", f"{front:,}", f"of {is_deployable(results.points).sum():,} operating points"),
        ("Best accuracy", *best_accuracy(results)),
        ("Hypervolume", NOT_RECORDED if hypervolume is None else f"{hypervolume:.3f}", "of at most 1"),
        ("Trials", _count(counts, "trials"), outcomes),
        ("Search time", _duration(search.get("seconds")), f"on {cpu}"),
        ("Search energy", *_search_energy(search)),
    ]


def _search_energy(search: Mapping[str, Any]) -> tuple[str, str]:
    """The energy and how it was obtained, or why there is none."""
    energy = search.get("energy_j")
    if energy is None:
        return "not measured", _text(search, "energy_reason")
    return quantity_text(float(energy), "J"), _text(search, "energy_method")


def _facts(results: RunResults) -> list[tuple[str, str]]:
    run = results.run
    devices = _mapping(run, "devices")
    asked = run.get("trials_asked")
    better = {"maximize": "higher is better", "minimize": "lower is better"}
    return [
        ("Search space", space_name(run)),
        ("Objectives", "; ".join(f"{m.label} ({better[m.direction]})" for m in results.objectives)),
        ("Constraints", "; ".join(map(str, run.get("constraints") or [])) or "none"),
        ("Edge device", _text(devices, "edge")),
        ("Server", _text(devices, "server")),
        ("Link", _text(devices, "link")),
        ("Sampler", f"{_text(run, 'sampler')}, {_text(run, 'encoding')} encoding"),
        ("Suggest time", _suggest_time(_mapping(run, "search"))),
        ("Seed", _text(run, "seed")),
        ("Trials asked for", NOT_RECORDED if asked is None else f"{asked:,}"),
        ("Epochs", _epochs(results)),
        ("Machine", _machine(_mapping(run, "machine"))),
        ("Versions", ", ".join(f"{k} {v}" for k, v in _mapping(run, "versions").items()) or NOT_RECORDED),
    ]


def _suggest_time(search: Mapping[str, Any]) -> str:
    """What the sampler took, in all and for a proposal of the last session."""
    median_s = search.get("suggest_median_s")
    if median_s is None:
        return NOT_RECORDED
    total = _duration(search.get("suggest_seconds"))
    return f"{total} in all; median of the last session {quantity_text(float(median_s), 's')} a proposal"


def _epochs(results: RunResults) -> str:
    """How far networks were trained, where not all of them were trained to the end."""
    done = Counter(stored.training.epochs for stored in results.networks.values())
    promotions = results.run.get("promotions") or []
    texts = [f"{count:,} networks for {epochs}" for epochs, count in sorted(done.items())]
    return "; ".join([*texts, *([f"{len(promotions):,} promotions"] if promotions else [])]) or NOT_RECORDED


def _failures(results: RunResults) -> list[Failure]:
    failed = results.trials[results.trials["state"] == _FAILED]
    by_reason: dict[str, list[int]] = {}
    for number, reason in zip(failed["number"], failed["reason"], strict=True):
        by_reason.setdefault(str(reason or "no reason recorded"), []).append(int(number))
    for variant, reason in _mapping(results.run, "failed_variants").items():
        if reason not in by_reason:
            by_reason[f"{variant}: {reason}"] = []
    return sorted((Failure(*entry) for entry in by_reason.items()), key=lambda failure: -len(failure.trials))


def _gaps(results: RunResults) -> list[str]:
    """What has no value, and what the device profiles lack."""
    gaps = []
    if len(results.points):
        gaps += [f"{label}: no point has a value." for label in missing_columns(results.points)]
    for device, missing in _mapping(_mapping(results.run, "devices"), "missing").items():
        what = ", ".join(map(str, missing)) if isinstance(missing, list | tuple | dict) else str(missing)
        if what:
            gaps.append(f"Profile of {device} lacks {what}.")
    return gaps


def _machine(machine: Mapping[str, Any]) -> str:
    if not machine:
        return NOT_RECORDED
    memory = machine.get("memory_bytes")
    parts = [
        _text(machine, "cpu"),
        f"{machine['cores']} cores" if "cores" in machine else "",
        f"{quantity_text(float(memory), 'B')} memory" if memory else "",
        str(machine.get("os") or ""),
        f"Python {machine['python']}" if "python" in machine else "",
        f"threads: {machine['threads']}" if "threads" in machine else "",
    ]
    return ", ".join(part for part in parts if part)


def moment_text(text: Any) -> str:
    """``23 November 2026, 19:47 UTC``; the text itself where it is no time."""
    try:
        return f"{datetime.fromisoformat(str(text)):%d %B %Y, %H:%M %Z}".rstrip()
    except ValueError:
        return str(text or NOT_RECORDED)


def _duration(seconds: Any) -> str:
    if seconds is None:
        return NOT_RECORDED
    if seconds < 120:
        return f"{number_text(float(seconds))} s"
    hours, minutes = divmod(round(float(seconds) / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _count(counts: Mapping[str, Any], key: str) -> str:
    return f"{counts[key]:,}" if counts.get(key) is not None else NOT_RECORDED


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    return NOT_RECORDED if value is None or value == "" else str(value)


def _mapping(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = record.get(key)
    return value if isinstance(value, Mapping) else {}
