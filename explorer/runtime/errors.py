"""What a user did wrong, said in one line, with exit code 2 and no traceback."""

import sys
from collections.abc import Callable

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


class UserError(ValueError):
    """Bad input: the message names the file or option, the key, the rule and the value received."""


class BundleError(UserError):
    """A bundle that cannot be used: the message names the file."""


def run_command(main: Callable[[], int]) -> int:
    """Run a command's ``main`` and turn what a user can mend into one line on stderr.

    Args:
        main: The command; returns its exit code.

    Returns:
        The command's exit code; 2 for :class:`UserError` and for a failing file system (missing
        file, no permission, disk full); 130 when interrupted. Anything else is a defect of the
        program and keeps its traceback.

    Example:
        >>> from contextlib import redirect_stderr
        >>> with redirect_stderr(sys.stdout):
        ...     run_command(lambda: len(open("space.yaml").read()))
        error: No such file or directory (space.yaml)
        2
    """
    try:
        return main()
    except UserError as error:
        message = " ".join(str(error).split())
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        message = f"{error.strerror or error}{where}"
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    print(f"error: {message}", file=sys.stderr)
    return EXIT_USER_ERROR
