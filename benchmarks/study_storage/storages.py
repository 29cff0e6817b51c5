"""The storages that are compared, and proposals as a search makes them."""

import warnings
from collections.abc import Container, Sequence
from pathlib import Path

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from explorer.engine.outcomes import TrialResult
from explorer.engine.samplers import make_sampler
from explorer.engine.storage.open import open_study
from explorer.engine.storage.sqlite import FINISHED
from explorer.space.metrics import METRICS

STORAGES = ("deferred_sqlite", "journal", "deferred_journal", "plain_sqlite")
OBJECTIVES = ("accuracy", "edge_macs", "payload_bytes")
NAME, SAMPLER, SEED = "run", "nsga2", 0


class DeferredJournal(InMemoryStorage):
    """A study in memory whose finished trials are added to another, in public calls of Optuna's.

    Args:
        kept: The study in the journal; nobody else writes to it meanwhile.
    """

    def __init__(self, kept: optuna.Study) -> None:
        super().__init__()
        self._unfinished: dict[int, None] = {}  # ids, in order
        self._kept = kept
        study_id = self.create_new_study(kept.directions, kept.study_name)
        for trial in kept.get_trials(deepcopy=False, states=FINISHED):
            super().create_new_trial(study_id, trial)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Begin a trial, or add a finished one; see the base class."""
        trial_id = super().create_new_trial(study_id, template_trial)
        self._unfinished[trial_id] = None
        self._keep(trial_id)
        return trial_id

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """All trials, or those in some states, unfinished ones without a look at all; see the base class."""
        if deepcopy or states is None or any(state in states for state in FINISHED):
            return super().get_all_trials(study_id, deepcopy, states)
        unfinished = [self.get_trial(trial_id) for trial_id in self._unfinished]
        return [trial for trial in unfinished if trial.state in states]

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Change a trial's state, and write it when that finishes it; see the base class."""
        changed = super().set_trial_state_values(trial_id, state, values)
        self._keep(trial_id)
        return changed

    def _keep(self, trial_id: int) -> None:
        trial = self.get_trial(trial_id)
        if trial.state.is_finished():
            self._unfinished.pop(trial_id, None)
            self._kept.add_trial(trial)


def open_kept(storage: str, folder: Path) -> optuna.Study:
    """Create the study in a folder, or load the one that is there.

    Args:
        storage: One of :data:`STORAGES`.
        folder: Holds this study alone.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", message="The constraint value is ignored")  # of a trial left behind
    metrics = [METRICS[name] for name in OBJECTIVES]
    url, in_journal = f"sqlite:///{folder / 'study.db'}", storage.endswith("journal")
    if storage == "deferred_sqlite":
        return open_study(url, NAME, metrics)
    kept = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(folder / "study.journal"))) if in_journal else url,
        study_name=NAME,
        directions=[metric.direction for metric in metrics],
        sampler=RandomSampler(),
        load_if_exists=True,
    )
    if storage == "deferred_journal":
        return optuna.load_study(study_name=NAME, storage=DeferredJournal(kept), sampler=RandomSampler())
    return kept


def propose(study: optuna.Study) -> FrozenTrial:
    """Ask for a trial, the one that a killed process left behind first, and tell it, as a search does."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    if running:
        study.sampler = make_sampler(SAMPLER, SEED, running[0].number)
        trial = optuna.Trial(study, running[0]._trial_id)
    else:
        study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING))
        study.sampler = make_sampler(SAMPLER, SEED, len(study.get_trials(deepcopy=False)))
        trial = study.ask()
    densities = _suggest(trial)
    kept = sum(densities) / len(densities)
    macs = 1e5 * densities[0] * kept
    trial.set_constraint("edge_macs <= 50000", macs - 5e4)
    result = TrialResult(
        outcome="trained",
        network_key=f"{trial.number:032x}",
        reason="",
        split_point="blocks.2.relu",
        confidence_threshold=trial.params["confidence_threshold"],
        payload_bits=trial.params["payload_bits"],
        elapsed_s=1.5 * trial.number,
        hypervolume=0.5,
        front_size=40,
        reference="",
    )
    result.note_in(trial)
    return study.tell(trial, [0.5 + 0.4 * kept**0.5, macs, 8.0 * trial.params["payload_bits"] * kept])


def _suggest(trial: optuna.Trial) -> list[float]:
    """Twelve parameters, seven of them densities: four more of them than the digits space has."""
    trial.suggest_categorical("backbone", ["cnn"])
    trial.suggest_categorical("cnn.channels", ["[8, 16]", "[16, 32]", "[32, 64]"])
    densities = [
        trial.suggest_float(f"cnn.density.conv{number}", 0.05, 1.0, log=True) for number in range(1, 8)
    ]
    trial.suggest_float("cnn.split_point", 0.0, 1.0)
    trial.suggest_float("confidence_threshold", 0.0, 1.0, step=0.01)
    trial.suggest_categorical("payload_bits", [32, 16, 8])
    return densities
