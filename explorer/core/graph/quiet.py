"""Trials of graphs that may fail: torch reports them on stderr, while one sentence says what comes of it."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO


@contextmanager
def quiet() -> Iterator[None]:
    """Without what is written meanwhile to stdout and stderr: prints, warnings, logs.

    Generated code that raises is reported by torch.fx, and operators that fail on fake tensors are logged.

    Example:
        >>> with quiet():
        ...     print("failed while attempting to run meta for aten.mm.default")
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
