"""A study in memory whose trials reach the database once, when they are finished.

SQLite commits every parameter, attribute and state by itself: tens of milliseconds a proposal. One
writer owns the database of a search, so nobody misses what is not finished: after a crash the same trial is
proposed again, since draws follow from seed and trial number.
"""

from collections.abc import Sequence

import optuna
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

FINISHED = (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED)


class WriteOnceStorage(InMemoryStorage):
    """Holds one study, begun as a copy of the finished trials of ``kept``, and adds new ones to it.

    Args:
        kept: The study in the database; nobody else writes to it meanwhile.
    """

    def __init__(self, kept: optuna.Study) -> None:
        super().__init__()
        self._storage, self._study_id = kept._storage, kept._study_id
        study_id = self.create_new_study(kept.directions, kept.study_name)
        for trial in kept.get_trials(deepcopy=False, states=FINISHED):
            super().create_new_trial(study_id, trial)

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """The one study; see the base class."""
        assert not self.get_all_studies(), "one study only"
        return super().create_new_study(directions, study_name)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Begin a trial, or add a finished one; see the base class."""
        trial_id = super().create_new_trial(study_id, template_trial)
        self._keep(trial_id)
        return trial_id

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
            self._storage.create_new_trial(self._study_id, trial)
