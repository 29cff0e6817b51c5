"""A network that fails, fails alone: whatever a user's code raises becomes the reason of one failure."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from explorer.core.graph.fx_trace import UntraceableError, where_in_user_code
from explorer.core.payload import PayloadError
from explorer.core.training import TrainingFailedError
from explorer.errors import UserError
from explorer.utils.imports import said


@contextmanager
def failing_alone() -> Iterator[None]:
    """What goes wrong with one network is that network's failure, with its reason, and ends nothing else.

    Raises:
        TrainingFailedError: Anything was raised, ``sys.exit`` included; a module and a factory may raise
            whatever they like. An interrupt stays an interrupt.

    Example:
        >>> with failing_alone():
        ...     raise SystemExit("no weights found")
        Traceback (most recent call last):
            ...
        explorer.core.training.TrainingFailedError: it called sys.exit('no weights found')
    """
    try:
        yield
    except TrainingFailedError:
        raise
    except (Exception, SystemExit) as error:
        raise TrainingFailedError(failure_reason(error)) from error


def failure_reason(error: BaseException) -> str:
    """One line: what was raised, its first line, and the line of the user's code that raised it.

    Example:
        >>> failure_reason(KeyError("weights")), failure_reason(MemoryError("cannot allocate 8 GiB"))
        ("KeyError: 'weights'", 'out of memory: cannot allocate 8 GiB')
    """
    if isinstance(error, PayloadError):
        return f"diverged: {error}"
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return f"out of memory: {error}"
    text = " ".join(str(error).split()) if isinstance(error, UserError) else _first_line(said(error))
    where = where_in_user_code(_raised(error))
    return f"{text} ({where})" if where and where not in text else text


def _raised(error: BaseException) -> BaseException:
    """What a user's code raised: our refusals name it as their cause."""
    while isinstance(error, UserError | UntraceableError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
