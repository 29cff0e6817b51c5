"""What became of proposals, and where a search stands."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import optuna

from explorer.candidate import Candidate
from explorer.core.operating_points import Evidence, outcome_at
from explorer.cost import Setting, expected_costs
from explorer.engine.study import REFERENCE
from explorer.split_costs import SplitCosts

Outcome = Literal["trained", "cached", "infeasible", "failed"]


@dataclass(frozen=True)
class TrialResult:
    """What became of a proposal; kept with the trial in the study.

    Attributes:
        outcome: Trained now, answered from the store, untrained since it cannot meet a constraint, or failed.
        network_key: Of the candidate's network.
        reason: Why it failed or is infeasible.
        split_point, confidence_threshold, payload_bits: How the candidate ran the network.
        elapsed_s: Seconds of search up to its end, over all sessions.
        hypervolume: Of the archive after it.
        front_size: Points of the archive after it.
    """

    outcome: Outcome
    network_key: str
    reason: str
    split_point: str
    confidence_threshold: float | None
    payload_bits: int | None
    elapsed_s: float
    hypervolume: float
    front_size: int


@dataclass(frozen=True)
class Promotion:
    """What became of training a network further.

    Attributes:
        network_key: Of the network.
        until_epoch: How far it was to be trained.
        reason: Why that failed, else empty.
        elapsed_s: Seconds of search up to its end, over all sessions.
        hypervolume: Of the archive after it.
    """

    network_key: str
    until_epoch: int
    reason: str
    elapsed_s: float
    hypervolume: float


@dataclass(frozen=True)
class Progress:
    """Where a search stands, for display.

    ``suggest_s`` is what the sampler takes for a proposal; ``warning`` is said once, mostly it is empty.
    """

    trials: int
    trials_asked: int
    counts: dict[str, int]
    promotions: int
    front_size: int
    hypervolume: float
    elapsed_s: float
    remaining_s: float | None
    suggest_s: float
    warning: str


def candidate_point(
    candidate: Candidate, evidence: Evidence, splits: tuple[SplitCosts, ...], setting: Setting
) -> dict[str, float]:
    """Costs of the candidate's own operating point, whose threshold need not lie on the swept frontier."""
    how = (candidate.split_point, candidate.payload_bits, candidate.confidence_threshold)
    own = outcome_at(evidence, *how)
    swept = {
        "split_point": [candidate.split_point],
        "payload_bits": np.array([candidate.payload_bits or 0]),
        "confidence_threshold": np.array([candidate.confidence_threshold], dtype=np.float64),
        "correct": np.array([own.correct]),
        "exited": np.array([own.exited]),
        "sent_bytes": np.array([own.sent_bytes]),
    }
    costs = expected_costs(swept, splits, evidence.num_samples, setting)
    return {name: float(values[0]) for name, values in costs.items()}


def reference_name(trial: optuna.trial.FrozenTrial) -> str:
    """Name of the reference that was enqueued as this trial, else empty."""
    return str(trial.user_attrs.get(REFERENCE, ""))
