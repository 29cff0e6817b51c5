"""Functions that a user names in a file, ``package.module:function``."""

import importlib
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from explorer.errors import UserError

_IMPORT_SEED = 0  # a module is imported once per process, for networks of any seed


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Whatever a user's code draws from global generators while this lasts follows from ``seed``.

    These are those of ``random``, ``numpy.random`` and torch (CPU); their states are put back afterwards.
    """
    of_python, of_numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed % 2**32)  # the seeds it takes
        torch.default_generator.manual_seed(seed)  # torch.manual_seed looks for GPUs, which takes its time
        try:
            yield
        finally:
            random.setstate(of_python)
            np.random.set_state(of_numpy)


def said(error: BaseException) -> str:
    """Type and words of what a user's code raised; ``sys.exit()`` has no words of its own."""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({'' if error.code is None else repr(error.code)})"
    return f"{type(error).__name__}: {error}"


def import_function(target: str, what: str) -> Any:
    """Import a function, found on the path or from the working directory.

    What its module draws when it is first imported, a constant say, is the same in every process.

    Args:
        target: ``package.module:function``.
        what: What it stands for, in messages.

    Raises:
        UserError: There is no such module or function, or the module cannot be read.
    """
    module_name, _, function_name = target.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with seeded(_IMPORT_SEED):
            module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a user's file may raise anything when it is read
        raise UserError(f"{what} {target!r}: cannot import {module_name!r}: {said(error)}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise UserError(f"{what} {target!r}: module {module_name!r} has no function {function_name!r}")
    return function
