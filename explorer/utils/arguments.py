"""Command lines: parsers with examples, and types of arguments that argparse refuses by the option's name."""

import argparse
import re
from collections.abc import Callable
from math import inf


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
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=about,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    return parser
