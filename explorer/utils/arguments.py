"""Command lines: parsers with examples, options that commands share, and types of arguments."""

import argparse
import re
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import NoReturn

from explorer.errors import EXIT_USER_ERROR, printable


def whole_number(least: int) -> Callable[[str], int]:
    """A type of whole numbers of at least ``least``, which is not negative.

    Example:
        >>> parser = argparse.ArgumentParser()
        >>> _ = parser.add_argument("--trials", type=whole_number(1))
        >>> parser.parse_args(["--trials", "12"]).trials
        12
    """

    def convert(text: str) -> int:
        if not re.fullmatch(r"\d{1,18}", text, re.ASCII) or int(text) < least:  # 64 bits hold it
            raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, got {text!r}")
        return int(text)

    return convert


def above_zero(text: str) -> float:
    """A finite number above 0.

    Example:
        >>> above_zero("0.5")
        0.5
        >>> above_zero("-1")
        Traceback (most recent call last):
            ...
        argparse.ArgumentTypeError: must be a number above 0, got '-1'
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return number


def share(text: str) -> float:
    """A share from 0 to 1, as a fraction or in percent.

    Example:
        >>> share("0.95"), share("95 %"), share("95%")
        (0.95, 0.95, 0.95)
        >>> share("95")
        Traceback (most recent call last):
            ...
        argparse.ArgumentTypeError: must be a share such as 0.95 or 95 %, got '95'
    """
    number, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError:
        value = inf
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a share such as 0.95 or 95 %, got {text!r}")
    return value


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """The options of all commands that read data.

    Example:
        >>> parser = argparse.ArgumentParser()
        >>> add_data_options(parser)
        >>> parsed = parser.parse_args(["--data-dir", "data"])
        >>> parsed.data_dir.name, parsed.max_data_bytes
        ('data', None)
    """
    add = parser.add_argument
    place = "where data files lie (default: where the run had them, then EXPLORER_DATA_DIR)"
    add("--data-dir", type=Path, metavar="DIR", help=place)
    limit = (
        "refuse data files that would take more memory (default: as the run did, then "
        "EXPLORER_MAX_DATA_BYTES, then half of this machine's memory)"
    )
    add("--max-data-bytes", type=whole_number(1), metavar="N", help=limit)


def device(text: str) -> str:
    """The name of a device, as of :func:`explorer.core.device.chosen_device`.

    Example:
        >>> device("cuda:1")
        'cuda:1'
        >>> device("gpu")
        Traceback (most recent call last):
            ...
        argparse.ArgumentTypeError: must be auto, cpu, cuda or cuda:N, got 'gpu'
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"must be auto, cpu, cuda or cuda:N, got {text!r}")
    return text


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong, where argparse prints all options before.

    Example:
        >>> Parser(prog="explorer pick").parse_args(["--fast"])
        Traceback (most recent call last):
            ...
        SystemExit: 2
    """

    def error(self, message: str) -> NoReturn:
        """Name the option, the rule and what was received, and end with exit code 2."""
        self.exit(EXIT_USER_ERROR, f"{self.prog}: error: {printable(message)}; see `{self.prog} --help`\n")


def make_parser(
    module: str, about: str | None, examples: str, add_arguments: Callable[[argparse.ArgumentParser], None]
) -> argparse.ArgumentParser:
    """The parser of a command that runs as ``python -m MODULE``.

    Args:
        module: Its module.
        about: What it does.
        examples: Shown at the end of its help, as they are.
        add_arguments: Adds its options.

    Example:
        >>> def options(parser):
        ...     parser.add_argument("--seed", type=int, default=0)
        >>> parser = make_parser("mine.search", "Searches.", "python -m mine.search --seed 3", options)
        >>> parser.prog, parser.parse_args(["--seed", "3"])
        ('python -m mine.search', Namespace(seed=3))
    """
    parser = Parser(
        prog=f"python -m {module}",
        description=about,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    return parser
