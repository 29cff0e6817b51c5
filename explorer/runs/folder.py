"""Run folders: names, where they are, and ``run.json``."""

import re
from datetime import datetime
from pathlib import Path

from explorer.errors import UserError

REPORTS = Path("reports")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def new_run_folder(reports: Path, name: str | None, space: str) -> Path:
    """Where a new run goes; ``<space>-<date>-<time>`` unless named.

    Raises:
        UserError: The name is no plain folder name, or is taken.
    """
    name = name or f"{space}-{datetime.now():%Y%m%d-%H%M%S}"
    folder = reports / checked_name(name, "--run")
    if folder.exists():
        raise UserError(
            f"--run {name!r}: {folder} exists; add --resume to go on with it, or choose another name"
        )
    return folder


def checked_name(name: str, option: str) -> str:
    """The name that an option gave, if it is safe as a folder name.

    Raises:
        UserError: It could be a path, or is empty or too long.
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"{option}: must be letters, digits, '.', '_' and '-' (at most 100), got {name!r}")
    return name


def find_run(text: str, reports: Path = REPORTS) -> Path:
    """The run folder called ``text``: a path to it, or a name under ``reports``.

    Raises:
        UserError: There is none.
    """
    for folder in (Path(text), reports / text):
        if (folder / "run.json").is_file():
            return folder
    known = ", ".join(folder.name for folder in list_runs(reports)) or "none"
    raise UserError(f"{text!r}: no such run; runs under {reports}/: {known}")


def list_runs(reports: Path) -> list[Path]:
    """Run folders under ``reports``, newest first."""
    if not reports.is_dir():
        return []
    folders = [path.parent for path in reports.glob("*/run.json")]
    return sorted(folders, key=lambda folder: (folder / "run.json").stat().st_mtime, reverse=True)
