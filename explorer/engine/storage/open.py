"""Opening what a search needs of its storage: the study, the locks on it, and the passing of networks."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import optuna
from optuna.samplers import RandomSampler

from explorer.engine.storage.database import (
    check_url,
    connecting,
    described,
    explained,
    failures_explained,
    is_postgresql,
)
from explorer.engine.storage.locks import LocalLocks, Locks, PostgresLocks
from explorer.engine.storage.network_sync import NetworkSync, NoSync, PostgresNetworkSync
from explorer.engine.storage.sqlite import DeferredStorage
from explorer.errors import UserError
from explorer.runs.store import Store
from explorer.space.metrics import Metric

BEGUN_WITH = "begun_with"  # user attribute of a study: what all its processes must agree on


class Opened(NamedTuple):
    """A study, and this process's part in it.

    Example:
        >>> opened = Opened(optuna.create_study(study_name="digits"), LocalLocks(), NoSync())
        >>> opened.study.study_name, opened.locks.alone
        ('digits', True)
    """

    study: optuna.Study
    locks: Locks
    sync: NetworkSync


@contextmanager
def opening(
    storage: str, name: str, metrics: Sequence[Metric], begun_with: Mapping[str, object], store: Store
) -> Iterator[Opened]:
    """Open a study; in PostgreSQL together with whoever else works on it.

    Args:
        storage: Optuna storage URL.
        name: Of the study.
        metrics: The objectives.
        begun_with: What all processes of the study must agree on.
        store: Of this process.

    Raises:
        UserError: The storage cannot be used or fails meanwhile, or the study there is of another search.

    Example:
        >>> from pathlib import Path
        >>> from explorer.space.metrics import METRICS
        >>> metrics = [METRICS["accuracy"], METRICS["edge_macs"]]
        >>> with opening("sqlite:///study.db", "digits", metrics, {"seed": 0}, Store(Path())) as opened:
        ...     opened.locks.alone, opened.study.metric_names
        (True, ['accuracy', 'edge_macs'])
    """
    with failures_explained(storage):
        if not is_postgresql(storage):
            yield Opened(open_study(storage, name, metrics, begun_with), LocalLocks(), NoSync())
            return
        with connecting(storage) as connection:
            with PostgresLocks(connection, scope="").one_at_a_time():  # tables are created once
                study = open_study(storage, name, metrics, begun_with)
                PostgresNetworkSync.create_tables(connection)
            sync = PostgresNetworkSync(connection, study._study_id, store)
            yield Opened(study, PostgresLocks(connection, scope=name), sync)


def open_study(
    storage: str, name: str, metrics: Sequence[Metric], begun_with: Mapping[str, object] | None = None
) -> optuna.Study:
    """Create or load the study ``name``; with SQLite, trials are written once they are finished.

    Args:
        storage: Optuna storage URL.
        name: Of the study.
        metrics: The objectives.
        begun_with: Plain data by name that has to be what the study was created with.

    Raises:
        UserError: The storage URL cannot be used, or the study there is of another search.

    Example:
        >>> from explorer.space.metrics import METRICS
        >>> study = open_study("sqlite:///study.db", "mnist", [METRICS["accuracy"], METRICS["edge_macs"]])
        >>> [direction.name for direction in study.directions], study.metric_names
        (['MAXIMIZE', 'MINIMIZE'], ['accuracy', 'edge_macs'])
    """
    check_url(storage)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # samplers, metric names and constraints are "experimental"; one warning per trial helps nobody
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    directions = [metric.direction for metric in metrics]
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=directions,
            sampler=RandomSampler(),
            load_if_exists=True,
        )
    except Exception as error:  # SQLAlchemy, its drivers and Optuna each raise their own
        raise UserError(f"{described(storage)} cannot be used: {explained(storage, error)}") from None
    if [direction.name.lower() for direction in study.directions] != directions:
        raise UserError(f"{described(storage)}: study {name!r} has other objectives than this space")
    _check_begun_with(study, begun_with or {}, f"{described(storage)}: study {name!r}")
    study.set_metric_names([metric.name for metric in metrics])
    if not storage.startswith("sqlite"):
        return study
    live = optuna.load_study(study_name=name, storage=DeferredStorage(study), sampler=RandomSampler())
    live.set_metric_names([metric.name for metric in metrics])
    return live


def _check_begun_with(study: optuna.Study, given: Mapping[str, object], where: str) -> None:
    held = study.user_attrs.get(BEGUN_WITH)
    if held is None:
        if given:
            study.set_user_attr(BEGUN_WITH, dict(given))
    elif differing := [
        f"{key} {held.get(key)!r}, got {given[key]!r}" for key in given if held.get(key) != given[key]
    ]:
        raise UserError(f"{where} was begun with {'; '.join(differing)}")
