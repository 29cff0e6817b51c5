"""What a session writes down of its search: the run's record so far, and a row per proposal."""

from collections import Counter
from dataclasses import asdict
from typing import Any

import optuna

from explorer.costs.dense_macs import free_operators, uncounted_arithmetic
from explorer.data.balance import data_notes
from explorer.engine.outcomes import TrialResult, finished_trials
from explorer.runs.record import RunRecord, SearchReading
from explorer.runs.store import Store
from explorer.session.prepare import Session
from explorer.space.pretrained import origins
from explorer.utils.environment import machine, versions


def summarised(session: Session, study: optuna.Study, store: Store) -> RunRecord:
    """The session's record with what came of the search so far.

    Example:
        >>> from pathlib import Path
        >>> from explorer.session.options import Options
        >>> from explorer.session.prepare import prepare
        >>> record = summarised(prepare(Options(space="digits")), optuna.create_study(), Store(Path("tiny")))
        >>> record.counts
        {'trials': 0, 'trainings': 0, 'cached': 0, 'infeasible': 0, 'failed': 0}
    """
    outcomes = [TrialResult.of(trial).outcome for trial in finished_trials(study)]
    counts = {"trials": len(outcomes), "trainings": len(list(store))}
    counts |= {outcome: outcomes.count(outcome) for outcome in ("cached", "infeasible", "failed")}
    operators: dict[str, Counter[str]] = {}  # of all variants: the most calls that one of them has
    for key in store:
        stored = store.read(key)
        operators[stored.spec.backbone] = operators.get(stored.spec.backbone, Counter()) | Counter(
            stored.uncounted
        )
    return session.record.model_copy(
        update={
            "versions": versions(),
            "machine": machine(),
            "missing": session.setting.missing(),
            "counts": counts,
            "search": _reading(session.record),
            "uncounted_arithmetic": {name: uncounted_arithmetic(own) for name, own in operators.items()},
            "operators_without_macs": {name: free_operators(own) for name, own in operators.items()},
            "learned": None,
            "optimism": None,
            "failed_variants": {variant.name: variant.failure for variant in session.inventory.failures},
            "notes": _notes(session),
        }
    )


def _reading(record: RunRecord) -> SearchReading:
    sessions = record.sessions
    energies = [own.energy_j for own in sessions if own.energy_j is not None]
    memories = [own.memory_j for own in sessions if own.memory_j is not None]
    return SearchReading(
        seconds=sum(own.seconds for own in sessions),
        suggest_seconds=sum(own.suggest_seconds for own in sessions),
        suggest_median_s=sessions[-1].suggest_median_s if sessions else None,
        energy_j=sum(energies) if sessions and len(energies) == len(sessions) else None,
        memory_j=sum(memories) if sessions and len(memories) == len(sessions) else None,
        energy_method=sessions[-1].method if sessions else "",
        energy_reason="; ".join(dict.fromkeys(own.reason for own in sessions if own.reason)),
    )


def _notes(session: Session) -> list[str]:
    """What a reader should know about dense junctions and references."""
    notes = []
    for backbone, variants in session.inventory.variants.items():
        weights = {j.path: origins(j, v.densities[j.path], v.initial) for v in variants for j in v.junctions}
        if len(set(weights.values())) == 1:
            notes.append(f"{backbone}: initial weights of all junctions: {next(iter(weights.values()))}")
        else:
            notes += [f"{backbone}: initial weights of {path}: {origin}" for path, origin in weights.items()]
        reasons = {f"{j.path}: {j.stays_dense}" for v in variants for j in v.junctions if j.stays_dense}
        notes += [f"{backbone}: junction stays dense, {reason}" for reason in sorted(reasons)]
        if max(v.input_pool for v in variants) == 1 and len(session.data.input_shape) > 1:
            rule = f"backbones.{backbone}.input_pool offers nothing above 1"
            notes.append(f"{backbone}: no reference small_dense_pooled, since {rule}")
    if session.data.validation_is_apart:
        notes.append(f"validation is independent: {session.data.validation_is_apart}")
    notes += session.without_code
    notes += data_notes(session.data, session.record.quality.name)
    if session.space.payload.entropy != "none":
        notes.append("modelled times and energies leave out what compressing payloads takes")
    return notes


def trial_rows(study: optuna.Study) -> list[dict[str, Any]]:
    """Contents of ``trials.json``: a row per proposal, in order.

    Example:
        >>> study = optuna.create_study()
        >>> trial = study.ask()
        >>> TrialResult("failed", "mlp-1", "diverged", "relu1", 0.9, 8, 2.5, 0.0, 0, "dense").note_in(trial)
        >>> _ = study.tell(trial, state=optuna.trial.TrialState.FAIL)
        >>> [(row["number"], row["state"], row["reason"]) for row in trial_rows(study)]
        [(0, 'FAIL', 'diverged')]
    """
    return [
        {
            "number": trial.number,
            "state": trial.state.name,
            "params": trial.params,
            "values": list(trial.values) if trial.values else None,
            **asdict(TrialResult.of(trial)),
        }
        for trial in finished_trials(study)
    ]
