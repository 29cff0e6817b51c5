"""Garbage collection of short commands."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def rarely_collected(allocations: int = 100_000) -> Iterator[None]:
    """Look for garbage after so many allocations instead of hundreds, then as before.

    Importing makes objects that live as long as the process. Looking through them again and again takes a
    tenth of the processor time of a command that mostly imports.

    Example:
        >>> before = gc.get_threshold()
        >>> with rarely_collected():
        ...     print(gc.get_threshold()[0])
        100000
        >>> gc.get_threshold() == before
        True
    """
    before = gc.get_threshold()
    gc.set_threshold(allocations, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
