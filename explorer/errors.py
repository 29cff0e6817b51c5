"""What a user did wrong, and exit codes of commands; shared with what runs on devices."""

from explorer.runtime.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR, UserError, run_command

__all__ = [
    "EXIT_ALL_FAILED",
    "EXIT_INTERRUPTED",
    "EXIT_USER_ERROR",
    "NetworkError",
    "UserError",
    "run_command",
]

EXIT_ALL_FAILED = 3  # a search in which no network could be trained


class NetworkError(UserError):
    """One network cannot be used: its factory raises, or it cannot be traced. Others of the space may be."""
