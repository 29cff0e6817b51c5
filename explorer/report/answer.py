"""The answer that a report opens with: known when it is built, so it stands in the page as plain text.

A browser paints it before it has read the run; the page's scripts then find the same words and leave them.
"""

import shlex
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from explorer.core.sweep import is_deployable
from explorer.devices import PROTOCOLS, DeviceProfile, LinkProfile
from explorer.report.classes import ClassOutcomes
from explorer.report.sentences import Sentences
from explorer.runs.folder import run_argument
from explorer.runs.results import RunResults
from explorer.space.metrics import ALL_METRICS, loss_values
from explorer.space.texts import limit_text, quantity_text

_BLOCK, _GAP, _INPUT = 104, 26, 96  # pixels of the drawing, see pipelineOf in assets/pipeline.js


class Answer(NamedTuple):
    """What to deploy, and why; everything as text.

    Attributes:
        kind: Whether a point satisfies every constraint.
        name: Of the point.
        lines: Sentences about it; none where there is no point.
        rules: Constraints and setting.
        deploy: The command that writes both halves.
        pick: The command that picks the point.
        edge: The edge device as its field names it.
        link: The link as its field names it.
        quality: What answers are measured by, before a bound.
        bound: What the constraint on it asks for, in per cent; empty without one.
        width: Of the drawing of the network, in pixels.

    Example:
        >>> texts = dict.fromkeys(Answer._fields, "") | {"lines": ["It fits rpi4."], "width": 616}
        >>> Answer(**texts | {"kind": "Deploy"})[:3]
        ('Deploy', '', ['It fits rpi4.'])
    """

    kind: str
    name: str
    lines: list[str]
    rules: str
    deploy: str
    pick: str
    edge: str
    link: str
    quality: str
    bound: str
    width: int


def answer_info(results: RunResults, outcomes: ClassOutcomes) -> Answer:
    """The answer of a run under its own constraints, on its own devices: the knee, or the nearest miss.

    Args:
        results: The run.
        outcomes: Which samples its points answered right.

    Example:
        >>> from explorer import run_search
        >>> from explorer.report.classes import class_outcomes
        >>> run = run_search("digits", trials=1, name="told", workers=1, energy=False, progress=False)
        >>> answer_info(run.results, class_outcomes(run.results)).deploy
        'python -m explorer.deploy told --id ... --out bundle'
    """
    row, setting, quality = first_row(results), results.setting, results.quality_column
    asked = {limit.column: limit.bound for limit in results.record.parsed_constraints}
    answer = Answer(
        kind="Deploy" if results.points["on_front"].any() else "Nearest miss",
        name="No operating point",
        lines=[],
        rules=_rules(results),
        deploy="",
        pick="",
        edge=_profile_text(setting.edge),
        link=_profile_text(setting.link),
        quality=f"{ALL_METRICS[quality].short_label} ≥",
        bound=f"{asked[quality] / 0.01:.6g}" if quality in asked else "",
        width=0,
    )
    if row is None:
        return answer
    said, point = Sentences(results, row, outcomes), results.points.iloc[row]
    by_id = ["--id", str(point["point_id"])]
    in_c = ["--c-code", "int8"] if by_id[1].endswith(".int8") else []
    return answer._replace(
        name=results.name_of(point),
        lines=said.lines,
        deploy=_command("deploy", results, [*by_id, *in_c, "--out", "bundle"]),
        pick=_command("pick", results, ["--knee"] if answer.kind == "Deploy" else by_id),
        width=_drawing_width(said),
    )


def first_row(results: RunResults) -> int | None:
    """Place of the point that the page opens with, in ``results.points``; None where there is none.

    Where no point is feasible it is the one that misses the constraints by least.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="opened", workers=1, energy=False, progress=False)
        >>> bool(run.points["knee"].iloc[first_row(run.results)])
        True
    """
    points = results.points
    knees = np.flatnonzero(points["knee"])
    if len(knees) or points["feasible"].any():
        return int(knees[0]) if len(knees) else None
    missed = np.zeros(len(points))
    for limit in results.record.constraints_on(results.setting):
        missed += np.maximum([limit.violation(value) for value in points[limit.column].astype(float)], 0.0)
    rows = np.flatnonzero(is_deployable(points))
    rows = rows[np.isfinite(missed[rows])] if np.isfinite(missed[rows]).any() else rows
    first = loss_values(points.iloc[rows], results.objectives[:1]).to_numpy()[:, 0]
    order = np.lexsort((first, missed[rows]))
    return int(rows[order[0]]) if len(order) else None


def _rules(results: RunResults) -> str:
    """Constraints and setting in one line."""
    record, setting = results.record, results.setting
    limits = [
        f"{ALL_METRICS[limit.column].short_label} {limit_text(limit)}" for limit in record.parsed_constraints
    ]
    if len(record.constraints_on(setting)) > len(limits):
        limits.append(f"fits {setting.edge.name}")
    names = f"edge {setting.edge.name}, link {setting.link.name}, server {setting.server.name}"
    deadline = (
        "no deadline" if setting.deadline_s is None else f"deadline {quantity_text(setting.deadline_s, 's')}"
    )
    where = f"Setting: {names}, protocol {PROTOCOLS[setting.protocol].name}, {deadline}."
    return f"Constraints: {', '.join(limits) or 'none'}. {where} Run {run_argument(results.path)}."


def _profile_text(profile: DeviceProfile | LinkProfile) -> str:
    return f"{profile.description or profile.name} ({profile.name})"


def _command(name: str, results: RunResults, words: Sequence[str]) -> str:
    return f"python -m explorer.{name} {run_argument(results.path)} {shlex.join(words)}"


def _drawing_width(said: Sentences) -> int:
    """Of the drawing that the page puts there, so that nothing moves when it does."""
    names = [split.name for split in said.results.networks[said.point["network_key"]].splits]
    cut = _INPUT + names.index(said.split.name) * (_BLOCK + _GAP) - _GAP // 2
    return max(_INPUT + (len(names) - 1) * (_BLOCK + _GAP), cut + 210)
