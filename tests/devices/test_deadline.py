"""Deadlines: what is read, what is refused, and the rule that follows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.devices import Deadline
from explorer.errors import UserError
from explorer.space.constraints import parse_constraint


@pytest.mark.parametrize(
    ("text", "seconds", "share"),
    [
        ("0.1 s for 95 %", 0.1, 0.95),
        ("100ms for 95%", 0.1, 0.95),
        ("2 s", 2.0, None),
        (" .5 us  for  100 % ", 5e-7, 1.0),
        ("0.1 s for 0.95", 0.1, 0.95),
        ("1e-2 s for 99.9 %", 0.01, 0.999),
    ],
)
def test_read(text: str, seconds: float, share: float | None) -> None:
    own = Deadline.parse(text, "deadline")
    assert own.seconds == pytest.approx(seconds, rel=1e-15)
    assert own.share == (share if share is None else pytest.approx(share, rel=1e-15))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soon", "deadline: must read like `0.1 s for 95 %`"),
        ("0.1 KiB", "must read like"),
        ("0.1", "must read like"),
        ("-1 s", "must read like"),
        ("0 s for 95 %", "the time must be above 0"),
        ("1e999 s", "the time must be above 0 and finite"),
        ("1 s for 0 %", "the share must be above 0"),
        ("1 s for 101 %", "at most 100 %"),
        ("1 s for 95", "at most 100 %"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Deadline.parse(text, "deadline")


@given(late=st.integers(0, 999), samples=st.integers(1, 1000))
def test_the_rule_holds_for_exactly_the_share_that_is_asked_for(late: int, samples: int) -> None:
    """A share of late samples is a quotient of counts, rounded; the bound is rounded alike."""
    late = min(late, samples - 1)
    share = 100 * (1 - late / samples)
    (rule,) = Deadline.parse(f"1 s for {share:.12f} %", "deadline").rules
    assert late / samples <= parse_constraint(rule, "deadline").bound + 1e-12


def test_ten_percent_of_late_samples_keep_ninety_percent() -> None:
    (rule,) = Deadline.parse("1 s for 90 %", "deadline").rules
    assert parse_constraint(rule, "deadline").bound >= 40 / 400
