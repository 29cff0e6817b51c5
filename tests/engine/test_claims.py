"""Claims: one holder at a time, gone with the process that held them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from explorer.engine.claims import Claims, LocalClaims, PostgresClaims, lock_id
from explorer.engine.database import connecting

HOLDER = """
import sys, time
from explorer.engine.claims import PostgresClaims
from explorer.engine.database import connecting
with connecting(sys.argv[1]) as connection:
    claims = PostgresClaims(connection, "study")
    with claims.one_at_a_time():
        print(claims.take("network a"), flush=True)
        time.sleep(60)
"""


@pytest.fixture
def two(postgres_url: str) -> Iterator[tuple[PostgresClaims, PostgresClaims]]:
    """The claims of two processes on one study."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(connecting(postgres_url)) for _ in range(2))
        yield PostgresClaims(first, "study"), PostgresClaims(second, "study")


def claims_once(claims: Claims) -> None:
    assert claims.take("a")
    assert not claims.take("a")
    assert claims.take("b")
    claims.release("a")
    assert claims.take("a")
    claims.release("a")
    claims.release("b")


def test_a_process_alone_claims_once() -> None:
    claims_once(LocalClaims())


def test_two_processes_never_hold_the_same(two: tuple[PostgresClaims, PostgresClaims]) -> None:
    first, second = two
    claims_once(first)
    assert first.take("a")
    assert not second.take("a")
    assert second.take("b")
    first.release("a")
    assert second.take("a")
    assert not first.take("a")


def test_studies_have_claims_of_their_own(postgres_url: str) -> None:
    with connecting(postgres_url) as first, connecting(postgres_url) as second:
        assert PostgresClaims(first, "one").take("a")
        assert PostgresClaims(second, "two").take("a")
        with PostgresClaims(first, "one").one_at_a_time(), PostgresClaims(second, "two").one_at_a_time():
            pass


def test_sections_exclude_each_other(two: tuple[PostgresClaims, PostgresClaims]) -> None:
    inside, most, lock = [0], [0], threading.Lock()

    def enter(claims: PostgresClaims) -> None:
        for _ in range(20):
            with claims.one_at_a_time():
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                time.sleep(0.001)
                with lock:
                    inside[0] -= 1

    threads = [threading.Thread(target=enter, args=(claims,)) for claims in two]
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
            claims = PostgresClaims(connection, "study")
            assert not claims.take("network a")
            os.kill(holder.pid, signal.SIGKILL)
            with claims.one_at_a_time():  # waits for the server to notice
                deadline = time.monotonic() + 10
                while not claims.take("network a"):
                    assert time.monotonic() < deadline


def test_lock_ids_are_64_bits_and_differ() -> None:
    ids = {lock_id(scope, name) for scope in ("a", "ab") for name in ("c", "bc", "")}
    assert len(ids) == 6
    assert all(-(2**63) <= number < 2**63 for number in ids)
    assert lock_id("study", "network a") == lock_id("study", "network a")
