"""A study in memory whose trials reach the database once, when they are finished.

With SQLite, Optuna commits every parameter, attribute and state by itself, and writes even a whole trial with
several queries per parameter: tens of milliseconds a proposal. One writer owns the database of a search, so
nobody misses what is not finished: after a crash the same trial is proposed again, since draws follow from
seed and trial number. For the same reason nothing needs to be looked up before a trial is written: its rows
are inserted, all in one transaction, as Optuna's own tables hold them. SQLite's write-ahead log spares each
transaction its waits for the disk: what was written outlives a killed process, and a power cut costs the last
trials at worst.
"""

import json
from collections.abc import Container, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.storages import InMemoryStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, insert

FINISHED = (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED)


class DeferredStorage(InMemoryStorage):
    """Holds one study, begun as a copy of the finished trials of ``kept``, and adds new ones to it.

    Args:
        kept: The study in the database; nobody else writes to it meanwhile.

    Example:
        >>> kept = optuna.create_study(storage="sqlite:///kept.db", study_name="digits")
        >>> live = optuna.load_study(study_name="digits", storage=DeferredStorage(kept))
        >>> first, second = live.ask(), live.ask()
        >>> live.tell(first, 0.5).state.name, len(live.trials), len(kept.get_trials())  # written once told
        ('COMPLETE', 2, 1)
    """

    def __init__(self, kept: optuna.Study) -> None:
        super().__init__()
        assert isinstance(kept._storage, _CachedStorage)
        self._connection = kept._storage._backend.engine.connect()
        self._connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        self._connection.exec_driver_sql("PRAGMA synchronous = NORMAL")
        self._connection.commit()
        self._study_id = kept._study_id
        self._written = len(kept.get_trials(deepcopy=False))
        self._unfinished: dict[int, None] = {}  # ids, in order
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
        self._unfinished[trial_id] = None
        self._keep(trial_id)
        return trial_id

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """All trials, or those in some states; see the base class.

        The few that are not finished are asked for at every proposal: they are found without a look at all.
        """
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
            with self._connection.begin():
                insert_trial(self._connection, self._study_id, self._written, trial)
            self._written += 1


def insert_trial(connection: Connection, study_id: int, number: int, trial: FrozenTrial) -> None:
    """Insert a finished trial into Optuna's tables; the caller commits.

    Args:
        connection: To the database.
        study_id: Of the study there.
        number: Trials that the study there holds already.
        trial: Without intermediate values, which studies of several objectives refuse.

    Example:
        >>> study = optuna.create_study(storage="sqlite:///inserted.db")
        >>> trial = optuna.trial.create_trial(value=0.5)
        >>> with study._storage._backend.engine.begin() as connection:
        ...     insert_trial(connection, study._study_id, number=0, trial=trial)
        >>> [trial.value for trial in study.trials]
        [0.5]
    """
    row = {
        "study_id": study_id,
        "number": number,
        "state": trial.state,
        "datetime_start": trial.datetime_start,
        "datetime_complete": trial.datetime_complete,
    }
    primary_key = connection.execute(insert(models.TrialModel).values(row)).inserted_primary_key
    assert primary_key is not None
    trial_id = primary_key[0]
    for model, rows in _belonging(trial).items():
        if rows:
            connection.execute(insert(model), [{"trial_id": trial_id, **content} for content in rows])


def _belonging(trial: FrozenTrial) -> dict[type[Any], list[dict[str, Any]]]:
    """Rows of the tables that refer to a trial, without the reference."""
    stored = [models.TrialValueModel.value_to_stored_repr(value) for value in trial.values or ()]
    return {
        models.TrialParamModel: [
            {
                "param_name": name,
                "param_value": distribution.to_internal_repr(trial.params[name]),
                "distribution_json": distribution_to_json(distribution),
            }
            for name, distribution in trial.distributions.items()
        ],
        models.TrialValueModel: [
            {"objective": objective, "value": value, "value_type": value_type}
            for objective, (value, value_type) in enumerate(stored)
        ],
        models.TrialUserAttributeModel: _attributes(trial.user_attrs),
        models.TrialSystemAttributeModel: _attributes(trial.system_attrs),
    }


def _attributes(attrs: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value_json": json.dumps(value)} for key, value in attrs.items()]
