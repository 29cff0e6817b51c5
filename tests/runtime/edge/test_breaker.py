"""The circuit breaker: when messages may be sent, and when the server is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.runtime.edge.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def breaker(clock: Clock, shortened_by: float = 0.0) -> Breaker:
    return Breaker(3, 0.5, 30.0, clock, lambda: shortened_by)


def opened(clock: Clock) -> Breaker:
    own = breaker(clock)
    for _ in range(3):
        own.failed()
    return own


def test_opens_after_three_failures_in_a_row_only() -> None:
    own = breaker(Clock())
    for _ in range(5):  # a success in between forgets all before it
        own.failed()
        own.failed()
        own.succeeded()
    assert (own.state, own.openings) == ("closed", 0)
    for state in ("closed", "closed", "open"):
        own.failed()
        assert own.state == state
    assert own.openings == 1


def test_wait_doubles_from_first_to_longest() -> None:
    clock = Clock()
    own = opened(clock)
    waits = [0.5 * 2**number for number in range(6)] + [30.0, 30.0]  # 0.5, 1, .. 16, then 30 instead of 32
    for wait in waits:
        clock.now += wait * 0.999
        assert not own.question_is_due()
        clock.now += wait * 0.002
        assert own.question_is_due()
        own.failed()  # not ready
    assert own.openings == 1  # it never closed in between


def test_half_open_closes_by_one_success_and_starts_over() -> None:
    clock = Clock()
    own = opened(clock)
    clock.now += 0.5
    own.failed()
    clock.now += 1.0
    own.answered_ready()
    assert own.state == "half_open"
    own.succeeded()
    assert own.state == "closed"
    for _ in range(3):
        own.failed()
    clock.now += 0.5  # the first wait again
    assert own.question_is_due()
    assert own.openings == 2


def test_half_open_opens_by_one_failure_with_twice_the_wait() -> None:
    clock = Clock()
    own = opened(clock)
    clock.now += 0.5
    own.answered_ready()
    own.failed()
    assert own.state == "open"
    clock.now += 0.999
    assert not own.question_is_due()
    clock.now += 0.001
    assert own.question_is_due()


def test_open_for_keeps_its_wait() -> None:
    clock = Clock()
    own = breaker(clock)
    own.open_for(300.0)
    for _ in range(3):
        clock.now += 299.0
        assert not own.question_is_due()
        clock.now += 1.0
        assert own.question_is_due()
        own.failed()
    assert own.openings == 1


@pytest.mark.parametrize(("share", "wait"), [(0.0, 0.5), (1.0, 0.375)])
def test_waits_are_shortened_by_up_to_a_quarter(share: float, wait: float) -> None:
    clock = Clock()
    own = breaker(clock, share)
    for _ in range(3):
        own.failed()
    clock.now += wait - 1e-6
    assert not own.question_is_due()
    clock.now += 2e-6
    assert own.question_is_due()


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 40)), max_size=60))
def test_messages_flow_only_where_they_may(events: list[tuple[bool, float]]) -> None:
    """Whatever a server does: nothing within the wait, and three failures in a row never go unnoticed."""
    clock = Clock()
    own = breaker(clock)
    in_a_row, wait, asked = 0, 0.5, 0.0
    for good, pause in events:
        clock.now += pause
        if own.state == "open":
            due = clock.now >= asked + wait
            assert own.question_is_due() == due
            if not due:
                continue
            if good:
                own.answered_ready()
                assert own.state == "half_open"
        else:
            assert in_a_row < 3 or own.state == "half_open"
        if good:
            own.succeeded()
            in_a_row, wait = 0, 0.5
            assert own.state == "closed"
        else:
            was_closed = own.state == "closed"
            own.failed()
            in_a_row += 1
            if own.state == "open":
                wait = 0.5 if was_closed else min(2 * wait, 30.0)
                asked = clock.now
