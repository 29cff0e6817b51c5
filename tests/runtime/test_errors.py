"""What ends a command: a reader that has seen enough ends it without a word."""

import os
import subprocess
import sys

import pytest

from explorer.__main__ import COMMANDS
from explorer.errors import EXIT_UNREAD

PRINTED = {
    "at_the_end": "print('front')",
    "at_once": "print('front', flush=True)",
    "by_rich": "from rich.console import Console; Console().print('front')",
    "by_a_handler": "\n    try: print('front', flush=True)\n    finally: print('next', flush=True)",
}


def unread(*arguments: str) -> tuple[int, str]:
    """Exit code and standard error of a program whose output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr


@pytest.mark.parametrize("printed", PRINTED)
def test_a_reader_that_goes_away_ends_a_command_quietly(printed: str) -> None:
    code = f"import sys\nfrom explorer.errors import run_command\ndef main():\n    {PRINTED[printed]}\n"
    assert unread("-c", f"{code}    return 0\nsys.exit(run_command(main))") == (EXIT_UNREAD, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_and_so_it_ends_the_help_of_every_command(command: str) -> None:
    code, said = unread("-m", "explorer", command, "--help")
    assert code in (0, EXIT_UNREAD)  # argparse itself lets a long text go
    assert said == ""
