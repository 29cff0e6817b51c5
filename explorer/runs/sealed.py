"""Files that say whether they are still what was written: JSON with a checksum of itself, and checked bytes.

A checksum tells damage (a flipped bit, a cut file, a figure mended by hand), not malice.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explorer.errors import UserError
from explorer.utils.files import read_json, write_json

SEAL = "sha256"


class DamagedError(UserError):
    """A stored file is missing, cut or changed.

    Args:
        what: The file, and what is wrong with it.
        remedy: What to do about it.

    Example:
        >>> str(DamagedError("run.json: no such file", "search anew"))
        'run.json: no such file; search anew'
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
        self.what = what


def checksum(content: bytes) -> str:
    """SHA-256 of a file's content, in hexadecimal.

    Example:
        >>> checksum(b"weights")[:12]
        '9a129038d9a0'
    """
    return hashlib.sha256(content).hexdigest()


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON whole, with the checksum of what it says as its last key.

    Example:
        >>> write_sealed(Path("sealed.json"), {"correct": 380})
        >>> list(read_sealed(Path("sealed.json"), "search anew"))
        ['correct']
    """
    write_json(path, {**content, SEAL: _seal(content)})


def read_sealed(path: Path, remedy: str) -> dict[str, Any]:
    """Read what :func:`write_sealed` wrote, without its checksum.

    Args:
        path: The file.
        remedy: What to do about a damaged one; ends the message.

    Raises:
        DamagedError: Missing, no JSON, or something else than what was written.

    Example:
        >>> write_sealed(Path("changed.json"), {"correct": 380})
        >>> text = Path("changed.json").read_text().replace("380", "880")
        >>> _ = Path("changed.json").write_text(text)
        >>> read_sealed(Path("changed.json"), "search anew")
        Traceback (most recent call last):
            ...
        explorer.runs.sealed.DamagedError: changed.json: is not what was written (its checksum differs); ...
    """
    try:
        content = read_json(path)
    except UserError as error:
        raise DamagedError(str(error), remedy) from None
    return unsealed(content, path, remedy)


def unsealed(content: Any, path: Path, remedy: str) -> dict[str, Any]:
    """What a sealed file says, read already; see :func:`read_sealed`.

    Raises:
        DamagedError: Something else than what was written.

    Example:
        >>> unsealed({"correct": 380}, Path("plain.json"), "search anew")
        Traceback (most recent call last):
            ...
        explorer.runs.sealed.DamagedError: plain.json: is not what was written (its checksum differs); ...
    """
    own = (
        {name: value for name, value in content.items() if name != SEAL} if isinstance(content, dict) else {}
    )
    if not isinstance(content, dict) or content.get(SEAL) != _seal(own):
        raise DamagedError(f"{path}: is not what was written (its checksum differs)", remedy)
    return own


def read_checked(path: Path, expected: str | None, remedy: str) -> bytes:
    """Read a file whose checksum is known.

    Raises:
        DamagedError: Missing, or something else than what was written.

    Example:
        >>> _ = Path("kept.bin").write_bytes(b"weights")
        >>> read_checked(Path("kept.bin"), checksum(b"weights"), "search anew")
        b'weights'
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DamagedError(f"{path}: cannot be read: no such file", remedy) from None
    if checksum(content) != expected:
        raise DamagedError(
            f"{path}: cannot be read: it is not what was written (its checksum differs)", remedy
        )
    return content


def _seal(content: Mapping[str, Any]) -> str:
    """Of the content and not of the text, so that a reader may format the file anew."""
    return checksum(json.dumps(content).encode())
