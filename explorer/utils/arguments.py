"""Command lines: parsers with examples, and types of arguments that argparse refuses by the option's name."""

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


def make_parser(
    module: str, about: str | None, examples: str, add_arguments: Callable[[argparse.ArgumentParser], None]
) -> argparse.ArgumentParser:
    """The parser of a command that runs as ``python -m MODULE``.

    Args:
        module: Its module.
        about: What it does.
        examples: Shown at the end of its help, as they are.
        add_arguments: Adds its options.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=about,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    return parser
