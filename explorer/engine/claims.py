"""Who does what, when several processes search one study.

A claim lasts until it is released or its process ends, however it ends: the claims of a PostgreSQL study
are advisory locks of a connection, which the server drops with it. Nothing is written, so nothing gets stale
and no process has to prove that it lives.
"""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.types import BigInteger


class Claims(Protocol):
    """Claims on things by name, within one study."""

    @property
    def alone(self) -> bool:
        """Whether no other process can work on the study."""

    def take(self, name: str) -> bool:
        """Claim ``name``; False if it was claimed before, by this process or another."""

    def release(self, name: str) -> None:
        """Give up a claim of this process."""

    def one_at_a_time(self) -> AbstractContextManager[object]:
        """A section in which only one process is at a time; the others wait for it."""


class LocalClaims:
    """Claims of the only process of a study."""

    alone = True

    def __init__(self) -> None:
        self._held = set[str]()

    def take(self, name: str) -> bool:
        """See :class:`Claims`."""
        free = name not in self._held
        self._held.add(name)
        return free

    def release(self, name: str) -> None:
        """See :class:`Claims`."""
        self._held.remove(name)

    def one_at_a_time(self) -> AbstractContextManager[object]:
        """See :class:`Claims`."""
        return nullcontext()


class PostgresClaims:
    """Claims as session-level advisory locks.

    A pooler that hands one server connection to several clients (PgBouncer in transaction mode) breaks them.

    Args:
        connection: Kept open by the caller as long as claims shall last; used by one thread.
        scope: Claims of different scopes are independent; the name of a study.
    """

    alone = False

    def __init__(self, connection: Connection, scope: str) -> None:
        self._connection, self._scope = connection, scope
        self._held = set[str]()

    def take(self, name: str) -> bool:
        """See :class:`Claims`."""
        if name in self._held:  # the server would count a second lock of the same connection
            return False
        free = self._call("pg_try_advisory_lock", f"claim {name}")
        if free:
            self._held.add(name)
        return free

    def release(self, name: str) -> None:
        """See :class:`Claims`."""
        self._held.remove(name)
        self._call("pg_advisory_unlock", f"claim {name}")

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """See :class:`Claims`."""
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
    """64 bits, as PostgreSQL numbers its advisory locks; that two names meet is beyond likelihood."""
    digest = hashlib.blake2b(f"{scope}\0{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
