"""What a user did wrong, and exit codes of commands; shared with what runs on devices."""

from collections.abc import Iterator
from contextlib import contextmanager

from explorer.runtime.errors import (
    EXIT_INTERRUPTED,
    EXIT_UNREAD,
    EXIT_USER_ERROR,
    UserError,
    printable,
    run_command,
    sys_exit,
)

__all__ = [
    "EXIT_ALL_FAILED",
    "EXIT_INTERRUPTED",
    "EXIT_UNREAD",
    "EXIT_USER_ERROR",
    "NetworkError",
    "UserError",
    "naming",
    "printable",
    "run_command",
    "sys_exit",
]

EXIT_ALL_FAILED = 3  # a search in which no network could be trained


class NetworkError(UserError):
    """One network cannot be used: its factory raises, or it cannot be traced. Others of the space may be."""


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Put a file, or a key in it, before the message of whatever is refused meanwhile.

    Raises:
        UserError: What was refused, of the type it had; a failing file system is refused, too.

    Example:
        >>> with naming("space.yaml"), naming("edge_device"):
        ...     raise UserError("unknown profile 'toaster'")
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: space.yaml: edge_device: unknown profile 'toaster'
    """
    try:
        yield
    except UserError as error:
        error.args = (f"{where}: {error}", *error.args[1:])
        raise
    except OSError as error:
        named = f" ({error.filename})" if error.filename else ""
        raise UserError(f"{where}: {error.strerror or error}{named}") from error
