"""The study's database: its URL without secrets, what goes wrong with it, and a connection of our own."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import unquote

from optuna.exceptions import StorageInternalError
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from explorer.errors import UserError

STORAGE_VARIABLE = "EXPLORER_STORAGE"  # a URL, which other users of the machine do not see
LOST_AFTER_S = 60  # a machine that lost its power holds its locks this long
_CREDENTIALS = re.compile(r"(?<=://)(?P<user>[^:/?]*):(?P<password>[^?]*)@")
_QUERY_PASSWORD = re.compile(r"(?<=[?&])password=(?P<password>[^&]*)&?")


def is_postgresql(url: str) -> bool:
    """Whether a storage URL names a PostgreSQL database, which several processes may share.

    Example:
        >>> is_postgresql("postgresql+psycopg://me@host/studies"), is_postgresql("sqlite:///study.db")
        (True, False)
    """
    return url.startswith(("postgresql:", "postgresql+"))


def without_password(url: str) -> str:
    """The URL as it may be stored; the driver then takes the password from PGPASSWORD or ~/.pgpass.

    Example:
        >>> without_password("postgresql+psycopg://me:secret@host/studies")
        'postgresql+psycopg://me@host/studies'
    """
    return _QUERY_PASSWORD.sub("", _CREDENTIALS.sub(r"\g<user>@", url)).rstrip("?&")


def has_password(url: str) -> bool:
    """Whether a URL holds a password.

    Example:
        >>> has_password("postgresql://me:secret@host/studies"), has_password("postgresql://me@host/studies")
        (True, False)
    """
    found = (*_CREDENTIALS.finditer(url), *_QUERY_PASSWORD.finditer(url))
    return any(match["password"] for match in found)


def from_environment(stored: str | None) -> str | None:
    """A stored URL with the password that ``EXPLORER_STORAGE`` has for it, if that is the same URL otherwise.

    Example:
        >>> os.environ[STORAGE_VARIABLE] = "postgresql://me:secret@host/studies"
        >>> from_environment("postgresql://me@host/studies")
        'postgresql://me:secret@host/studies'
        >>> from_environment("postgresql://me@other/studies")
        'postgresql://me@other/studies'
        >>> del os.environ[STORAGE_VARIABLE]
    """
    given = os.environ.get(STORAGE_VARIABLE, "")
    return given if stored is not None and without_password(given) == stored else stored


def described(url: str) -> str:
    """``--storage`` and the URL as they may be shown.

    Example:
        >>> described("postgresql+psycopg://me:secret@host/studies")
        "--storage 'postgresql+psycopg://me:***@host/studies'"
    """
    shown = _CREDENTIALS.sub(r"\g<user>:***@", _QUERY_PASSWORD.sub("", url)).rstrip("?&")
    return f"--storage {shown!r}"


def explained(url: str, error: Exception) -> str:
    """What went wrong, without the SQL and without the password.

    Example:
        >>> explained("postgresql://me:secret@host/studies", ValueError("no role me with password secret"))
        'ValueError: no role me with password ***'
    """
    if isinstance(error, ImportError) and is_postgresql(url):
        return "its driver is missing; install it with `pip install 'psycopg[binary]'`"
    cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
    driver_error = cause.orig if isinstance(cause, DBAPIError) and cause.orig is not None else cause
    message = f"{type(driver_error).__name__}: {driver_error}"
    for found in (*_CREDENTIALS.finditer(url), *_QUERY_PASSWORD.finditer(url)):
        for secret in filter(None, {found["password"], unquote(found["password"])}):
            message = message.replace(secret, "***")
    return message


def check_url(url: str) -> None:
    """Refuse a password that would be cut in two, and shown in part as the name of a host.

    Raises:
        UserError: It holds an ``@`` or ``/`` as such.

    Example:
        >>> check_url("postgresql://me:sec%40ret@host/studies")
        >>> check_url("postgresql://me:sec@ret@host/studies")
        Traceback (most recent call last):
        explorer.runtime.errors.UserError: ...'@' and '/' in a password must be written %40 and %2F
    """
    found = _CREDENTIALS.search(url)
    if found and set("@/") & set(found["password"]):
        raise UserError(f"{described(url)}: '@' and '/' in a password must be written %40 and %2F")


@contextmanager
def failures_explained(url: str) -> Iterator[None]:
    """Turn a database that goes away, or fails otherwise, in the midst of a search into one message.

    Raises:
        UserError: It failed; what was trained is in the run folder.

    Example:
        >>> with failures_explained("postgresql://me:secret@host/studies"):
        ...     raise StorageInternalError("connection of me:secret was lost")
        Traceback (most recent call last):
        explorer.runtime.errors.UserError: ... of me:*** was lost; what was trained is kept, go on ...
    """
    try:
        yield
    except (OperationalError, InterfaceError, StorageInternalError) as error:
        raise UserError(
            f"{described(url)} failed: {explained(url, error)}; what was trained is kept, go on with --resume"
        ) from error


@contextmanager
def connecting(url: str) -> Iterator[Connection]:
    """One connection that lasts as long as the context, and whose loss either side notices in a minute.

    Raises:
        UserError: The server cannot be reached, or refuses.

    Example:
        >>> with connecting("postgresql+psycopg://me:secret@127.0.0.1:1/db") as connection:
        ...     connection.scalar(text("SELECT 1"))
        Traceback (most recent call last):
        explorer.runtime.errors.UserError: --storage '...://me:***@127.0.0.1:1/db' cannot be used: ...
    """
    check_url(url)
    engine = None
    try:
        engine = create_engine(url, poolclass=NullPool)
        connection = engine.connect()
        with connection.begin():
            for setting in ("idle = 30", "interval = 10", f"count = {(LOST_AFTER_S - 30) // 10}"):
                connection.execute(text(f"SET tcp_keepalives_{setting}"))
    except Exception as error:  # SQLAlchemy and its drivers each raise their own
        raise UserError(f"{described(url)} cannot be used: {explained(url, error)}") from None
    try:
        yield connection
    finally:
        with suppress(DBAPIError):  # it may be lost already
            connection.close()
