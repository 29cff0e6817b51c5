"""Functions that a user names in a file, ``package.module:function``."""

import importlib
import sys
from pathlib import Path
from typing import Any

from explorer.errors import UserError


def said(error: BaseException) -> str:
    """Type and words of what a user's code raised; ``sys.exit()`` has no words of its own."""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({'' if error.code is None else repr(error.code)})"
    return f"{type(error).__name__}: {error}"


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
    except (Exception, SystemExit) as error:  # a user's file may raise anything when it is read
        raise UserError(f"{what} {target!r}: cannot import {module_name!r}: {said(error)}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise UserError(f"{what} {target!r}: module {module_name!r} has no function {function_name!r}")
    return function
