"""Trained networks passed between the processes of one study, through its database.

Every process has a run folder of its own and ends with every network of the study in it. What travels is
files as bytes; a network is published whole or not at all, on the connection that holds the locks: a process
that lost its locks cannot publish.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Protocol

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    insert,
    select,
)

from explorer.core.training_record import TrainingRecord
from explorer.engine.storage.locks import lock_id
from explorer.runs.store import Store

Publish = Callable[[dict[str, bytes]], None]
_TABLES = MetaData()
_STUDIES = Table("studies", _TABLES, Column("study_id", Integer, primary_key=True))  # Optuna's
_NETWORKS = Table(
    "explorer_networks",
    _TABLES,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("study_id", ForeignKey("studies.study_id", ondelete="CASCADE"), nullable=False),
    Column("key", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("epochs", Integer, nullable=False),
    UniqueConstraint("study_id", "key"),
)
_FILES = Table(
    "explorer_network_files",
    _TABLES,
    Column("number", ForeignKey("explorer_networks.number", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)


class NetworkSync(Protocol):
    """Passes networks on, and takes in those of others."""

    @property
    def taken(self) -> int:
        """How many networks of others this process took in."""

    def publisher(self, key: str) -> Publish | None:
        """What gives a network's files to all processes, where there are others."""

    def pull(self) -> list[str]:
        """Store what others have published since the last call; returns the keys."""


class NoSync:
    """The sync of a process that is alone.

    Example:
        >>> NoSync().pull()
        []
    """

    taken = 0

    def publisher(self, key: str) -> None:
        """See :class:`NetworkSync`."""

    def pull(self) -> list[str]:
        """See :class:`NetworkSync`."""
        return []


class PostgresNetworkSync:
    """Networks in two tables beside those of Optuna; they go when the study is deleted.

    Args:
        connection: That of the locks.
        study_id: Optuna's id of the study.
        store: Of this process.

    Example:
        >>> from pathlib import Path
        >>> from sqlalchemy import create_engine, inspect
        >>> connection = create_engine("sqlite://").connect()  # creating and reading work in any database
        >>> PostgresNetworkSync.create_tables(connection)
        >>> PostgresNetworkSync(connection, study_id=1, store=Store(Path())).pull()  # nothing was published
        []
        >>> inspect(connection).get_table_names()
        ['explorer_network_files', 'explorer_networks']
    """

    def __init__(self, connection: Connection, study_id: int, store: Store) -> None:
        self._connection, self._study_id, self._store = connection, study_id, store
        self._last_number, self.taken = 0, 0

    @staticmethod
    def create_tables(connection: Connection) -> None:
        """Create what is missing; one process at a time, after Optuna."""
        with connection.begin():
            _TABLES.create_all(connection, tables=[_NETWORKS, _FILES])

    def publisher(self, key: str) -> Publish:
        """See :class:`NetworkSync`."""
        return partial(self._publish, key)

    def _publish(self, key: str, files: dict[str, bytes]) -> None:
        """Give a network to all processes; one trained for as many epochs stays."""
        training = TrainingRecord.from_json(json.loads(files["network.json"])["training"])
        version, epochs = _version(training), training.epochs
        of_key = (_NETWORKS.c.study_id == self._study_id) & (_NETWORKS.c.key == key)
        with self._connection.begin():
            # numbers become visible in their order: no reader passes over one that is committed late
            lock = bindparam("lock", lock_id(str(self._study_id), "publish"), BigInteger)
            self._connection.execute(select(func.pg_advisory_xact_lock(lock)))
            known = self._connection.scalar(select(_NETWORKS.c.epochs).where(of_key))
            if known is not None and known >= epochs:
                return
            self._connection.execute(delete(_NETWORKS).where(of_key))
            row = {"study_id": self._study_id, "key": key, "version": version, "epochs": epochs}
            number = self._connection.scalar(insert(_NETWORKS).values(row).returning(_NETWORKS.c.number))
            contents = [{"number": number, "name": name, "content": files[name]} for name in files]
            self._connection.execute(insert(_FILES), contents)

    def pull(self) -> list[str]:
        """See :class:`NetworkSync`."""
        with self._connection.begin():
            published = self._connection.execute(
                select(_NETWORKS)
                .where(_NETWORKS.c.study_id == self._study_id, _NETWORKS.c.number > self._last_number)
                .order_by(_NETWORKS.c.number)
            ).all()
        return list(self._take(published))

    def _take(self, published: "Sequence[Row[Any]]") -> Iterator[str]:
        for row in published:
            if not self._is_known(row.key, row.version, row.epochs):
                files = self._read_files(row.number)
                if files:  # else it was replaced just now, and comes under its new number
                    self._store.write_files(row.key, files)
                    self.taken += 1
                    yield row.key
            self._last_number = row.number

    def _is_known(self, key: str, version: str, epochs: int) -> bool:
        """Whether the store holds this version, or one trained further."""
        if key not in self._store:
            return False
        own = self._store.read_training(key)
        return _version(own) == version or own.epochs > epochs

    def _read_files(self, number: int) -> dict[str, bytes]:
        of_number = select(_FILES.c.name, _FILES.c.content).where(_FILES.c.number == number)
        with self._connection.begin():
            return {row.name: bytes(row.content) for row in self._connection.execute(of_number)}


def _version(training: TrainingRecord) -> str:
    """What tells one training of a network from another: its seconds are measured."""
    return json.dumps(asdict(training))
