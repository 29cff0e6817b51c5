"""What a user did wrong, said in one line, with exit code 2 and no traceback."""

import os
import sys
from collections.abc import Callable

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_UNREAD = 141  # what a shell says of a command that SIGPIPE ended: 128 + 13


class UserError(ValueError):
    """Bad input: the message names the file or option, the key, the rule and the value received."""


class BundleError(UserError):
    """A bundle that cannot be used: the message names the file."""


def run_command(main: Callable[[], int]) -> int:
    """Run a command's ``main`` and turn what a user can mend into one line on stderr.

    Args:
        main: The command; returns its exit code.

    Returns:
        The command's exit code; 2 for :class:`UserError`, for a failing file system (missing file, no
        permission, disk full), for memory that ran out, and for ``sys.exit`` in a user's code; 130 when
        interrupted; 141, without a word, where whoever read the output has seen enough (``| head``).
        Anything else is a defect of the program and keeps its traceback.

    Example:
        >>> from contextlib import redirect_stderr
        >>> with redirect_stderr(sys.stdout):
        ...     run_command(lambda: len(open("space.yaml").read()))
        error: No such file or directory (space.yaml)
        2
        >>> with redirect_stderr(sys.stdout):
        ...     run_command(lambda: sys.exit(0))
        error: code that was called ended with sys.exit(0)
        2
        >>> with redirect_stderr(sys.stdout):
        ...     run_command(lambda: len(bytes(2**60)))
        error: out of memory
        2
    """
    try:
        try:
            return main()
        finally:
            print(end="", flush=True)  # else it fails when the interpreter ends, with a message
    except UserError as error:
        message = str(error)
    except BrokenPipeError:
        return _unread()
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        message = f"{error.strerror or error}{where}"
    except MemoryError as error:
        message = f"out of memory: {error}" if str(error) else "out of memory"
    except SystemExit as error:
        if _raised_by_argparse(error):
            raise
        if isinstance(error.__context__, BrokenPipeError):  # as rich ends a program
            return _unread()
        message = f"code that was called ended with {sys_exit(error)}"
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    print(f"error: {printable(' '.join(message.split()))}", file=sys.stderr)
    return EXIT_USER_ERROR


def _unread() -> int:
    """Drop what was printed and is not written yet; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return EXIT_UNREAD


def printable(text: str) -> str:
    r"""Text that does nothing to a terminal: control and bidirectional characters as escapes, on one line.

    Example:
        >>> print(printable("\x1b[2Jnetz grün"))
        \x1b[2Jnetz grün
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def sys_exit(error: SystemExit) -> str:
    """The call that raised ``SystemExit``, as it is written in code.

    Example:
        >>> sys_exit(SystemExit("no licence")), sys_exit(SystemExit())
        ("sys.exit('no licence')", 'sys.exit()')
    """
    return f"sys.exit({'' if error.code is None else repr(error.code)})"


def _raised_by_argparse(error: SystemExit) -> bool:
    """Only a command line that is parsed may end a command early: after ``--help``, or with a message."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_globals.get("__name__") == "argparse"
