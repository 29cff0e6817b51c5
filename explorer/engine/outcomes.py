"""What became of proposals, and where a search stands."""

from dataclasses import asdict, dataclass
from typing import Literal, Self

import optuna
from optuna.trial import FrozenTrial

from explorer.core.run_point import FLOAT32, RunPoint
from explorer.engine.storage.sqlite import FINISHED

REFERENCE = "reference"  # user attribute of a trial: name of the reference it was enqueued as
_RESULT = "result"  # user attribute of a trial: what became of it

TrialOutcome = Literal["trained", "cached", "infeasible", "failed"]


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
        reference: Name of the reference that was proposed, else empty.
        edge_weight_bits: Of the candidate's edge part.

    Example:
        >>> result = TrialResult("trained", "mlp-1", "", "relu1", 0.9, 8, 2.5, 0.4, 12, reference="dense")
        >>> result.run_point
        RunPoint(split_point='relu1', confidence_threshold=0.9, payload_bits=8, edge_weight_bits=32)
    """

    outcome: TrialOutcome
    network_key: str
    reason: str
    split_point: str
    confidence_threshold: float | None
    payload_bits: int | None
    elapsed_s: float
    hypervolume: float
    front_size: int
    reference: str
    edge_weight_bits: int = FLOAT32

    @property
    def run_point(self) -> RunPoint:
        """How the candidate ran the network."""
        return RunPoint.from_row(vars(self))

    @classmethod
    def of(cls, trial: FrozenTrial) -> Self:
        """What became of a finished trial."""
        return cls(**trial.user_attrs[_RESULT])

    def note_in(self, trial: optuna.Trial) -> None:
        """Keep it with the trial, in the study."""
        trial.set_user_attr(_RESULT, asdict(self))


@dataclass(frozen=True)
class Progress:
    """Where a search stands, for display.

    ``suggest_s`` is what the sampler takes for a proposal; ``warning`` is said once, mostly it is empty.

    Example:
        >>> progress = Progress(1, 2, {"trained": 1}, 0, 12, 0.4, 2.5, 2.5, 0.01, warning="")
        >>> f"{progress.trials} of {progress.trials_asked}, {progress.remaining_s} s left"
        '1 of 2, 2.5 s left'
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


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that were told, in order.

    Example:
        >>> study = optuna.create_study()
        >>> _ = study.tell(study.ask(), 0.5), study.ask()
        >>> [(trial.number, trial.value) for trial in finished_trials(study)]  # the second is running
        [(0, 0.5)]
    """
    return study.get_trials(deepcopy=False, states=FINISHED)
