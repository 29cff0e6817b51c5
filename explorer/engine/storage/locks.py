"""Who does what, when several processes search one study.

A lock lasts until it is released or its process ends, however it ends: the locks of a PostgreSQL study
are advisory locks of a connection, which the server drops with it. Nothing is written, so nothing gets stale
and no process has to prove that it lives.
"""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from sqlalchemy import Connection, bindparam, func, select, text
from sqlalchemy.types import BigInteger

_BUSY = "busy"  # held in common by all processes that are
# A lock of 64 bits stands there in two halves; `objsubid` tells it from a pair of 32 bits.
_HELD_BY_OTHERS = text("""
    SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND pid <> pg_backend_pid()
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")


class Locks(Protocol):
    """Locks by name, within one study."""

    @property
    def alone(self) -> bool:
        """Whether no other process can work on the study."""

    def acquire(self, name: str) -> bool:
        """Lock ``name``; False if it is locked already, by this process or another."""

    def release(self, name: str) -> None:
        """Give up a lock of this process."""

    def set_busy(self, busy: bool) -> None:
        """Show other processes whether this one may still pass something on to them."""

    @property
    def others_busy(self) -> bool:
        """Whether another process may still pass something on."""

    def one_at_a_time(self) -> AbstractContextManager[object]:
        """A section in which only one process is at a time; the others wait for it."""


class LocalLocks:
    """Locks of the only process of a study.

    Example:
        >>> locks = LocalLocks()
        >>> locks.acquire("network mlp-1"), locks.acquire("network mlp-1")
        (True, False)
        >>> locks.release("network mlp-1")
    """

    alone = True

    def __init__(self) -> None:
        self._held = set[str]()

    def acquire(self, name: str) -> bool:
        """See :class:`Locks`."""
        free = name not in self._held
        self._held.add(name)
        return free

    def release(self, name: str) -> None:
        """See :class:`Locks`."""
        self._held.remove(name)

    def set_busy(self, busy: bool) -> None:
        """See :class:`Locks`."""

    @property
    def others_busy(self) -> bool:
        """See :class:`Locks`."""
        return False

    def one_at_a_time(self) -> AbstractContextManager[object]:
        """See :class:`Locks`."""
        return nullcontext()


class PostgresLocks:
    """Locks as session-level advisory locks.

    A pooler that hands one server connection to several clients (PgBouncer in transaction mode) breaks them.

    Args:
        connection: Kept open by the caller as long as locks shall last; used by one thread.
        scope: Locks of different scopes are independent; the name of a study.

    Example:
        >>> from unittest.mock import MagicMock
        >>> connection = MagicMock()  # in place of a server
        >>> connection.scalar.side_effect = [True, False]
        >>> locks = PostgresLocks(connection, scope="digits")
        >>> locks.acquire("network mlp-1"), locks.acquire("network mlp-2")  # another process has the second
        (True, False)
    """

    alone = False

    def __init__(self, connection: Connection, scope: str) -> None:
        self._connection, self._scope = connection, scope
        self._held, self._busy = set[str](), False

    def acquire(self, name: str) -> bool:
        """See :class:`Locks`."""
        if name in self._held:  # the server would count a second lock of the same connection
            return False
        free = self._call("pg_try_advisory_lock", f"lock {name}")
        if free:
            self._held.add(name)
        return free

    def release(self, name: str) -> None:
        """See :class:`Locks`."""
        self._held.remove(name)
        self._call("pg_advisory_unlock", f"lock {name}")

    def set_busy(self, busy: bool) -> None:
        """See :class:`Locks`."""
        if busy != self._busy:
            self._call("pg_advisory_lock_shared" if busy else "pg_advisory_unlock_shared", _BUSY)
            self._busy = busy

    @property
    def others_busy(self) -> bool:
        """See :class:`Locks`."""
        with self._connection.begin():
            return lock_id(self._scope, _BUSY) in self._connection.scalars(_HELD_BY_OTHERS).all()

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """See :class:`Locks`."""
        self._call("pg_advisory_lock", "section")
        try:
            yield
        finally:
            self._call("pg_advisory_unlock", "section")

    def _call(self, function: str, name: str) -> bool:
        lock = bindparam("lock", lock_id(self._scope, name), BigInteger)
        with self._connection.begin():  # the lock outlives the transaction
            return bool(self._connection.scalar(select(getattr(func, function)(lock))))


def lock_id(scope: str, name: str) -> int:
    """64 bits, as PostgreSQL numbers its advisory locks; that two names meet is beyond likelihood.

    Example:
        >>> lock_id("digits", "network mlp-1") == lock_id("cifar10", "network mlp-1")
        False
    """
    digest = hashlib.blake2b(f"{scope}\0{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
