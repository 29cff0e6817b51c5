"""Functions that a user names in a file, ``package.module:function``."""

import importlib
import sys
from pathlib import Path
from typing import Any

from explorer.errors import UserError


def import_function(target: str, what: str) -> Any:
    """Import a function, found on the path or from the working directory.

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
        module = importlib.import_module(module_name)
    except Exception as error:  # a user's file may raise anything when it is read
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{what} {target!r}: cannot import {module_name!r}: {reason}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise UserError(f"{what} {target!r}: module {module_name!r} has no function {function_name!r}")
    return function
