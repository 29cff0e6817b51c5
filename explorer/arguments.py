"""Types of command-line arguments; what does not fit is refused by argparse with the option's name."""

import argparse
import re
from collections.abc import Callable
from math import inf


def whole_number(least: int) -> Callable[[str], int]:
    """A type of whole numbers of at least ``least``, which is not negative."""

    def convert(text: str) -> int:
        if not re.fullmatch(r"\d+", text, re.ASCII) or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, got {text!r}")
        return int(text)

    return convert


def above_zero(text: str) -> float:
    """A finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return number
