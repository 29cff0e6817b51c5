"""Locks: one holder at a time, gone with the process that held them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from explorer.engine.storage.database import connecting
from explorer.engine.storage.locks import LocalLocks, Locks, PostgresLocks, lock_id

HOLDER = """
import sys, time
from explorer.engine.storage.locks import PostgresLocks
from explorer.engine.storage.database import connecting
with connecting(sys.argv[1]) as connection:
    locks = PostgresLocks(connection, "study")
    with locks.one_at_a_time():
        print(locks.acquire("network a"), flush=True)
        time.sleep(60)
"""


@pytest.fixture
def two(postgres_url: str) -> Iterator[tuple[PostgresLocks, PostgresLocks]]:
    """The locks of two processes on one study."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(connecting(postgres_url)) for _ in range(2))
        yield PostgresLocks(first, "study"), PostgresLocks(second, "study")


def claims_once(locks: Locks) -> None:
    assert locks.acquire("a")
    assert not locks.acquire("a")
    assert locks.acquire("b")
    locks.release("a")
    assert locks.acquire("a")
    locks.release("a")
    locks.release("b")


def test_a_process_alone_claims_once() -> None:
    claims_once(LocalLocks())


@pytest.mark.parametrize("scope", [f"study {number}" for number in range(4)])
def test_it_is_known_whether_others_are_busy(postgres_url: str, scope: str) -> None:
    with connecting(postgres_url) as one, connecting(postgres_url) as two, connecting(postgres_url) as three:
        first, second, third = (PostgresLocks(connection, scope) for connection in (one, two, three))
        PostgresLocks(connection=one, scope="another study").set_busy(True)
        assert not second.others_busy
        for locks in (first, first, second):  # twice is once
            locks.set_busy(True)
        assert all(locks.others_busy for locks in (first, second, third))
        first.set_busy(False)
        assert (first.others_busy, second.others_busy, third.others_busy) == (True, False, True)
        two.close()
        ends = time.monotonic() + 30  # the server notices a little later
        while third.others_busy and time.monotonic() < ends:
            time.sleep(0.01)
        assert not third.others_busy


def test_a_process_alone_has_no_busy_others() -> None:
    locks = LocalLocks()
    locks.set_busy(True)
    assert not locks.others_busy


def test_two_processes_never_hold_the_same(two: tuple[PostgresLocks, PostgresLocks]) -> None:
    first, second = two
    claims_once(first)
    assert first.acquire("a")
    assert not second.acquire("a")
    assert second.acquire("b")
    first.release("a")
    assert second.acquire("a")
    assert not first.acquire("a")


def test_studies_have_claims_of_their_own(postgres_url: str) -> None:
    with connecting(postgres_url) as first, connecting(postgres_url) as second:
        assert PostgresLocks(first, "one").acquire("a")
        assert PostgresLocks(second, "two").acquire("a")
        with PostgresLocks(first, "one").one_at_a_time(), PostgresLocks(second, "two").one_at_a_time():
            pass


def test_sections_exclude_each_other(two: tuple[PostgresLocks, PostgresLocks]) -> None:
    inside, most, lock = [0], [0], threading.Lock()

    def enter(locks: PostgresLocks) -> None:
        for _ in range(20):
            with locks.one_at_a_time():
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                time.sleep(0.001)
                with lock:
                    inside[0] -= 1

    threads = [threading.Thread(target=enter, args=(locks,)) for locks in two]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_killed_process_holds_nothing(postgres_url: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, postgres_url], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with connecting(postgres_url) as connection:
            locks = PostgresLocks(connection, "study")
            assert not locks.acquire("network a")
            os.kill(holder.pid, signal.SIGKILL)
            with locks.one_at_a_time():  # waits for the server to notice
                deadline = time.monotonic() + 10
                while not locks.acquire("network a"):
                    assert time.monotonic() < deadline


def test_lock_ids_are_64_bits_and_differ() -> None:
    ids = {lock_id(scope, name) for scope in ("a", "ab") for name in ("c", "bc", "")}
    assert len(ids) == 6
    assert all(-(2**63) <= number < 2**63 for number in ids)
    assert lock_id("study", "network a") == lock_id("study", "network a")
