"""Numbers on the command line."""

import argparse
import re

import pytest

from explorer.__main__ import make_parser
from explorer.utils.arguments import above_zero, share, whole_number


def test_numbers_that_fit() -> None:
    assert [whole_number(0)(text) for text in ("0", "007", "12")] == [0, 7, 12]
    assert [above_zero(text) for text in ("1e-3", "2", " 0.5 ")] == [0.001, 2.0, 0.5]


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "x", "²", "٣"])
def test_what_is_no_whole_number(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must be a whole number of at least 1, got "):
        whole_number(1)(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "", "x"])
def test_what_is_not_above_zero(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must be a number above 0, got "):
        above_zero(text)


@pytest.mark.parametrize("text", ["0.93", "93%", "93 %", " 93.0 % "])
def test_a_share_may_be_a_fraction_or_in_percent(text: str) -> None:
    assert share(text) == pytest.approx(0.93)


@pytest.mark.parametrize("text", ["93", "-1 %", "101 %", "nan", "", "%", "1,5 %"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"must be a share such as 0\.95 or 95 %"):
        share(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["pick"],
            "explorer pick: error: the following .* required: RUN; see `explorer pick --help`",
        ),
        (["search", "--trials", "\x1b[2J"], r"argument --trials: must be a whole number .*, got '\\x1b\[2J'"),
        (["seek"], "explorer: error: argument COMMAND: invalid choice: 'seek'"),
        (
            ["pick", "run", "--fast\n"],
            r"error: unrecognized arguments: --fast\\n; see `explorer --help`",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        make_parser().parse_args(arguments)
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)
