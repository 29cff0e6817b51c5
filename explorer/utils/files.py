"""Text and JSON files, written whole or not at all."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from explorer.errors import UserError


def write_text(path: Path, text: str) -> None:
    """Write a file whole: to a temporary name beside it, which is new and no link, then renamed.

    Raises:
        OSError: With the name of the file: no space is left, or it may not be written there.

    Example:
        >>> write_text(Path("note.txt"), "written whole")
        >>> Path("note.txt").read_text()
        'written whole'
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with naming_file(path):
        temporary.unlink(missing_ok=True)  # of a process that was killed and had the same number
        try:
            with open(temporary, "x", encoding="utf-8") as file:  # O_EXCL follows no link
                file.write(text)
            os.replace(temporary, path)
        except Exception:
            temporary.unlink(missing_ok=True)
            raise


def remove_temporary(folder: Path) -> None:
    """Remove what writers that were killed left in a folder, which no other process writes to.

    Example:
        >>> Path(".run.json.4711.tmp").touch()
        >>> remove_temporary(Path())
        >>> Path(".run.json.4711.tmp").exists()
        False
    """
    for path in folder.glob(".*.tmp"):
        if is_temporary(path.name):
            path.unlink(missing_ok=True)


def is_temporary(name: str) -> bool:
    """Whether :func:`write_text` makes files of this name, to be renamed.

    Example:
        >>> is_temporary(".run.json.4711.tmp"), is_temporary("run.json")
        (True, False)
    """
    return re.fullmatch(r"\..+\.\d+\.tmp", name) is not None


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Have failures of the file system name the file that was to be written.

    Example:
        >>> with naming_file(Path("run.json")):
        ...     raise OSError(28, "No space left on device")
        Traceback (most recent call last):
            ...
        OSError: [Errno 28] No space left on device: 'run.json'
    """
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole; NaN and infinity are refused, since JSON has none.

    Example:
        >>> write_json(Path("written.json"), {"seed": 3})
        >>> write_json(Path("written.json"), {"loss": float("nan")})
        Traceback (most recent call last):
            ...
        ValueError: Out of range float values are not JSON compliant...
        >>> read_json(Path("written.json"))
        {'seed': 3}
    """
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: Missing, unreadable or no JSON.

    Example:
        >>> read_json(Path("missing.json"))
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: missing.json: no such file; is this a run folder?
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; is this a run folder?") from None
    except (ValueError, RecursionError) as error:  # ValueError: no JSON, no UTF-8, numbers without end
        raise UserError(f"{path}: not valid JSON: {error}") from None
