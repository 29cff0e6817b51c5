"""URLs without secrets, and one message for whatever goes wrong with the database."""

import subprocess
import sys

import pytest
import sqlalchemy

from benchmarks.private_postgres import PASSWORD, Server, free_port
from explorer.engine.storage.database import (
    STORAGE_VARIABLE,
    connecting,
    described,
    failures_explained,
    from_environment,
    has_password,
    is_postgresql,
    without_password,
)
from explorer.errors import UserError


@pytest.mark.parametrize(
    ("url", "shown", "stored"),
    [
        (
            "postgresql+psycopg://u:pw@h:1/d",
            "postgresql+psycopg://u:***@h:1/d",
            "postgresql+psycopg://u@h:1/d",
        ),
        ("postgresql://u@h/d", "postgresql://u@h/d", "postgresql://u@h/d"),
        ("postgresql://u:a%40b@h/d", "postgresql://u:***@h/d", "postgresql://u@h/d"),
        ("postgresql://u:a@b/c@h/d", "postgresql://u:***@h/d", "postgresql://u@h/d"),
        ("postgresql:///d?password=pw&user=u", "postgresql:///d?user=u", "postgresql:///d?user=u"),
        ("postgresql:///d?user=u&password=pw", "postgresql:///d?user=u", "postgresql:///d?user=u"),
        ("sqlite:///a:b@c.db", "sqlite:///a:b@c.db", "sqlite:///a:b@c.db"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db", "sqlite:////a/b.db"),
    ],
)
def test_passwords_are_neither_shown_nor_stored(url: str, shown: str, stored: str) -> None:
    assert described(url) == f"--storage {shown!r}"
    assert without_password(url) == stored
    assert has_password(url) == (url != stored)


def test_the_environment_adds_the_password_of_the_same_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STORAGE_VARIABLE, raising=False)
    stored = "postgresql://u@h/d"
    assert from_environment(stored) == stored
    monkeypatch.setenv(STORAGE_VARIABLE, "postgresql://u:pw@h/d")
    assert from_environment(stored) == "postgresql://u:pw@h/d"
    assert from_environment("postgresql://u@h/other") == "postgresql://u@h/other"
    assert from_environment(None) is None  # SQLite, in the run folder


def test_what_is_postgresql() -> None:
    assert is_postgresql("postgresql://h/d")
    assert is_postgresql("postgresql+psycopg://h/d")
    assert not is_postgresql("sqlite:///postgresql.db")
    assert not is_postgresql("mysql://h/d")


def failure(url: str) -> str:
    with pytest.raises(UserError) as caught, connecting(url):
        pass
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_unreachable_server() -> None:
    message = failure(f"postgresql+psycopg://u:hidden@127.0.0.1:{free_port()}/d")
    assert message.startswith("--storage 'postgresql+psycopg://u:***@127.0.0.1:")
    assert "refused" in message
    assert "hidden" not in message


def test_wrong_password_and_unknown_database(postgres: Server) -> None:
    message = failure(postgres.url(password="mistaken"))
    assert "password authentication failed" in message
    assert "mistaken" not in message
    message = failure(postgres.url("nowhere"))
    assert 'database "nowhere" does not exist' in message
    assert PASSWORD not in message


@pytest.mark.parametrize("url", ["postgresql+psycopg://u:hid@den@h/d", "postgresql+psycopg://u:hid/den@h/d"])
def test_a_password_that_would_be_cut_is_refused(url: str) -> None:
    message = failure(url)
    assert "%40" in message
    assert "hid" not in message
    assert "den" not in message


def test_missing_driver() -> None:
    """In an interpreter that cannot import it."""
    code = """
import sys
sys.modules["psycopg"] = None
from explorer.engine.storage.open import open_study
from explorer.engine.storage.database import connecting
from explorer.errors import UserError
from explorer.space.metrics import METRICS
for use in (lambda: open_study(URL, "s", [METRICS["accuracy"]]), lambda: connecting(URL).__enter__()):
    try:
        use()
    except UserError as error:
        print(error)
"""
    url = "postgresql+psycopg://u:hidden@h/d"
    done = subprocess.run(
        [sys.executable, "-c", code.replace("URL", repr(url))], capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == 2
    assert done.stdout.count("pip install 'psycopg[binary]'") == 2
    assert "hidden" not in done.stdout


def use_a_broken_connection(url: str) -> None:
    end = sqlalchemy.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = :pid")
    with failures_explained(url), connecting(url) as connection:
        with connection.begin():
            pid = connection.scalar(sqlalchemy.text("SELECT pg_backend_pid()"))
        with connecting(url) as other, other.begin():
            other.execute(end, {"pid": pid})
        with connection.begin():
            connection.scalar(sqlalchemy.text("SELECT 1"))


def test_a_connection_that_breaks(postgres: Server) -> None:
    with pytest.raises(UserError) as caught:
        use_a_broken_connection(postgres.url())
    message = str(caught.value)
    assert "go on with --resume" in message
    assert "terminating connection" in message
    assert PASSWORD not in message
    assert "SELECT" not in message


def test_other_errors_keep_their_traceback() -> None:
    with pytest.raises(KeyError), failures_explained("postgresql://h/d"):
        raise KeyError("a defect")
