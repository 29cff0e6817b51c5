"""Text and JSON files, written whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any

from explorer.errors import UserError


def write_text(path: Path, text: str) -> None:
    """Write a file whole: to a temporary name beside it, then renamed.

    Example:
        >>> write_text(Path("note.txt"), "written whole")
        >>> Path("note.txt").read_text()
        'written whole'
    """
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


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
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid JSON: {error}") from None
