"""Opening what a search needs of its storage: the study, the claims on it, and the exchange of networks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import optuna

from explorer.engine.claims import Claims, LocalClaims, PostgresClaims
from explorer.engine.database import connecting, failures_explained, is_postgresql
from explorer.engine.exchange import Exchange, NoExchange, PostgresExchange
from explorer.engine.study import open_study
from explorer.objectives import Metric
from explorer.store import Store


class Opened(NamedTuple):
    """A study, and this process's part in it."""

    study: optuna.Study
    claims: Claims
    exchange: Exchange


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
    """
    with failures_explained(storage):
        if not is_postgresql(storage):
            yield Opened(open_study(storage, name, metrics, begun_with), LocalClaims(), NoExchange())
            return
        with connecting(storage) as connection:
            with PostgresClaims(connection, scope="").one_at_a_time():  # tables are created once
                study = open_study(storage, name, metrics, begun_with)
                PostgresExchange.create_tables(connection)
            exchange = PostgresExchange(connection, study._study_id, store)
            yield Opened(study, PostgresClaims(connection, scope=name), exchange)
