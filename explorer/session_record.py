"""What a session writes down of its search: the run's record, and a row per proposal."""

from collections import Counter
from typing import Any

import optuna

from explorer.dry_run import imbalance_note
from explorer.engine.study import REFERENCE, RESULT, finished_trials
from explorer.pretrained import origins
from explorer.profile.compute import free_operators, uncounted_arithmetic
from explorer.provenance import machine, versions
from explorer.session import Session
from explorer.store import Store


def session_summary(session: Session, study: optuna.Study, store: Store) -> dict[str, Any]:
    """What ``run.json`` says of a search so far, beside what it was begun with."""
    outcomes = [trial.user_attrs[RESULT]["outcome"] for trial in finished_trials(study)]
    counts = {"trials": len(outcomes), "trainings": len(list(store))}
    counts |= {outcome: outcomes.count(outcome) for outcome in ("cached", "infeasible", "failed")}
    sessions = session.record["sessions"]
    energies = [reading["energy_j"] for reading in sessions]
    suggested = [reading["suggest_seconds"] for reading in sessions]
    operators: dict[str, Counter[str]] = {}  # of all variants: the most calls that one of them has
    for key in store:
        stored = store.read(key)
        operators[stored.spec.backbone] = operators.get(stored.spec.backbone, Counter()) | Counter(
            stored.uncounted
        )
    devices = {role: profile.name for role, profile in vars(session.setting).items()}
    return {
        "name": session.folder.name,
        "versions": versions(),
        "machine": machine(),
        "devices": devices | {"missing": session.setting.missing()},
        "counts": counts,
        "search": {
            "seconds": sum(reading["seconds"] for reading in sessions),
            "suggest_seconds": sum(suggested),
            "suggest_median_s": sessions[-1]["suggest_median_s"] if sessions else None,
            "energy_j": None if None in energies or not energies else sum(energies),
            "energy_method": sessions[-1]["method"] if sessions else "",
            "energy_reason": "; ".join(dict.fromkeys(r["reason"] for r in sessions if r["reason"])),
        },
        "uncounted_arithmetic": {name: uncounted_arithmetic(own) for name, own in operators.items()},
        "operators_without_macs": {name: free_operators(own) for name, own in operators.items()},
        "failed_variants": {variant.name: variant.failure for variant in session.inventory.failures},
        "notes": _notes(session),
    }


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
    if note := imbalance_note(session.data):
        notes.append(note)
    if session.space.payload.entropy != "none":
        notes.append("modelled times and energies leave out what compressing payloads takes")
    return notes


def trial_rows(study: optuna.Study) -> list[dict[str, Any]]:
    """Contents of ``trials.json``: a row per proposal, in order."""
    return [
        {
            "number": number,  # of the proposal; the study also counts siblings
            "state": trial.state.name,
            "reference": trial.user_attrs.get(REFERENCE, ""),
            "params": trial.params,
            "values": list(trial.values) if trial.values else None,
            **trial.user_attrs[RESULT],
        }
        for number, trial in enumerate(finished_trials(study))
    ]
