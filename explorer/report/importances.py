"""Which parameters moved the objectives, per backbone, as Optuna's regression forest sees it."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import optuna
import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from explorer.report.style import BAR_PATTERNS, PALETTE, base_figure, plain_text
from explorer.runs.results import RunResults
from explorer.space.metrics import Metric

MIN_TRIALS = 10
MAX_BARS = 12
ALL_BACKBONES = "all backbones"
_SEED = 0

EXPLANATION = (
    "Share of the spread of an objective that a regression forest attributes to each parameter: the mean "
    "decrease in impurity, where all shares add up to 1. It describes the trials this search proposed, so a "
    "parameter it hardly varied looks unimportant. With few trials the order is a hint, not a finding."
)


class ImportanceGroup(NamedTuple):
    """Importances from the trials of one backbone.

    Attributes:
        backbone: Its name, or ``ALL_BACKBONES`` for the parameters that all of them share.
        num_trials: Complete trials used.
        importances: Per objective label: parameter name to share in [0, 1], largest first.
        reason: Why there are none; "" where there are.

    Example:
        >>> group = ImportanceGroup("mlp", 12, {"Accuracy": {"mlp.hidden": 0.7, "payload_bits": 0.3}}, "")
        >>> max(group.importances["Accuracy"], key=group.importances["Accuracy"].get)
        'mlp.hidden'
    """

    backbone: str
    num_trials: int
    importances: dict[str, dict[str, float]]
    reason: str


class ImportanceInfo(NamedTuple):
    """Plain data of the importance plots.

    Attributes:
        groups: One per backbone, preceded by one for all where there are several.
        reason: Why there are no groups at all; "" where there are.

    Example:
        >>> info = ImportanceInfo([ImportanceGroup("mlp", 4, {}, "4 complete trials are too few.")], "")
        >>> info.groups[0].reason
        '4 complete trials are too few.'
    """

    groups: list[ImportanceGroup]
    reason: str


def importance_info(results: RunResults, study: optuna.Study | None) -> ImportanceInfo:
    """Data of the importance plots.

    Args:
        results: The run; gives the objectives, in the order of the study's values.
        study: The run's study, None where it cannot be read.

    Example:
        >>> from types import SimpleNamespace
        >>> from explorer.space.metrics import METRICS
        >>> study = optuna.create_study()
        >>> study.optimize(lambda trial: trial.suggest_float("density", 0, 1) + trial.number % 2, n_trials=4)
        >>> importance_info(SimpleNamespace(objectives=(METRICS["edge_macs"],)), study).groups[0]
        ImportanceGroup(backbone='all backbones', num_trials=4, importances={},
         reason='4 complete trials are too few; at least 10 are needed.')
    """
    if study is None:
        return ImportanceInfo([], "The run's study was not available, so importances were not computed.")
    trials = [
        trial for trial in study.get_trials(deepcopy=False) if _is_usable(trial, len(results.objectives))
    ]
    if not trials:
        return ImportanceInfo([], "No trial finished with a value for every objective.")
    members: dict[str, list[FrozenTrial]] = {}
    for trial in trials:
        members.setdefault(str(trial.params.get("backbone", ALL_BACKBONES)), []).append(trial)
    if len(members) > 1:
        members = {ALL_BACKBONES: trials, **dict(sorted(members.items()))}
    return ImportanceInfo([_group(name, group, results.objectives) for name, group in members.items()], "")


def importance_figure(group: ImportanceGroup) -> go.Figure:
    """Draw one backbone's importances: parameters down, one bar per objective.

    Example:
        >>> group = ImportanceGroup("mlp", 12, {"Accuracy": {"mlp.hidden": 0.7, "payload_bits": 0.3}}, "")
        >>> figure = importance_figure(group)
        >>> figure.data[0].x, figure.data[0].y
        ((0.7, 0.3), ('mlp.hidden', 'payload_bits'))
    """
    totals: dict[str, float] = {}
    for shares in group.importances.values():
        for name, share in shares.items():
            totals[name] = totals.get(name, 0.0) + share
    names = sorted(totals, key=lambda name: -totals[name])[:MAX_BARS]
    figure = base_figure(
        barmode="group",
        xaxis={"title": {"text": "Importance"}, "range": [0, 1]},
        yaxis={"ticks": "", "autorange": "reversed"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        height=130 + 34 * len(names) + 12 * len(names) * (len(group.importances) - 1),
    )
    for place, (label, shares) in enumerate(group.importances.items()):
        figure.add_trace(
            go.Bar(
                x=[shares.get(name, 0.0) for name in names],
                y=[plain_text(name) for name in names],
                orientation="h",
                name=plain_text(label),
                marker={
                    "color": PALETTE[place],
                    "pattern": _pattern(place),
                },
                hovertemplate="%{y}: %{x:.3f}",
            )
        )
    return figure


def _pattern(place: int) -> dict[str, Any]:
    return {
        "shape": BAR_PATTERNS[place],
        "fillmode": "overlay",
        "fgcolor": "white",
        "size": 7,
        "solidity": 0.25,
    }


def _group(backbone: str, trials: Sequence[FrozenTrial], objectives: tuple[Metric, ...]) -> ImportanceGroup:
    if len(trials) < MIN_TRIALS:
        reason = f"{len(trials)} complete trials are too few; at least {MIN_TRIALS} are needed."
        return ImportanceGroup(backbone, len(trials), {}, reason)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # the helper study is nothing to announce
    study = optuna.create_study(directions=[objective.direction for objective in objectives])
    optuna.logging.set_verbosity(verbosity)
    study.add_trials(
        optuna.trial.create_trial(values=trial.values, params=trial.params, distributions=trial.distributions)
        for trial in trials
    )
    importances: dict[str, dict[str, float]] = {}
    for place, objective in enumerate(objectives):
        shares = _importances(study, place)
        if shares:
            importances[objective.label] = shares
    reason = "" if importances else "No parameter or no objective varied."
    return ImportanceGroup(backbone, len(trials), importances, reason)


def _importances(study: optuna.Study, objective: int) -> dict[str, float]:
    """Importances of one objective; empty where there is nothing to attribute."""
    # brings scikit-learn, more than a second that no command should take to start
    from optuna.importance import MeanDecreaseImpurityImportanceEvaluator, get_param_importances

    values = [trial.values[objective] for trial in study.get_trials(deepcopy=False)]
    if min(values) == max(values):
        return {}
    shares = get_param_importances(
        study,
        evaluator=MeanDecreaseImpurityImportanceEvaluator(seed=_SEED),
        params=_varied(study),
        target=lambda trial: trial.values[objective],
    )
    return {name: float(share) for name, share in shares.items() if math.isfinite(share)}


def _varied(study: optuna.Study) -> list[str]:
    """Parameters that every trial has and that do not always hold the same value."""
    trials = study.get_trials(deepcopy=False)
    shared = set.intersection(*(set(trial.params) for trial in trials))
    return sorted(name for name in shared if len({str(trial.params[name]) for trial in trials}) > 1)


def _is_usable(trial: FrozenTrial, num_objectives: int) -> bool:
    return (
        trial.state == TrialState.COMPLETE
        and len(trial.values) == num_objectives
        and all(math.isfinite(value) for value in trial.values)
    )
