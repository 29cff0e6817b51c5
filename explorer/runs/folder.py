"""Run folders: names, where they are, and ``run.json``."""

import re
import shlex
from datetime import datetime
from pathlib import Path

from explorer.errors import UserError
from explorer.utils.files import is_temporary

REPORTS = Path("reports")
LOCK_FILE = "search.lock"  # see explorer/runs/owner.py
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def new_run_folder(reports: Path, name: str | None, space: str) -> Path:
    """Where a new run goes; ``<space>-<date>-<time>`` unless named.

    Raises:
        UserError: The name is no plain folder name, or is taken.

    Example:
        >>> new_run_folder(Path("reports"), "first", "digits").as_posix()
        'reports/first'
        >>> new_run_folder(Path("reports"), None, "digits").as_posix()
        'reports/digits-...'
        >>> new_run_folder(Path("reports"), None, "mein großer raum").as_posix()
        'reports/mein-gro-er-raum-...'
    """
    name = name or f"{_plain(space)}-{datetime.now():%Y%m%d-%H%M%S}"
    folder = reports / checked_name(name, "--run")
    if (folder / "run.json").exists():
        raise UserError(
            f"--run {name!r}: {folder} exists; add --resume to go on with it, or choose another name"
        )
    if folder.exists() and not (folder.is_dir() and all(map(_barely_begun, folder.iterdir()))):
        raise UserError(f"--run {name!r}: {folder} exists and holds no run; choose another name")
    return folder


def _plain(space: str) -> str:
    """The name of a space file as the beginning of a folder's: other characters become hyphens."""
    return re.sub("[^A-Za-z0-9._-]+", "-", space).strip("-._")[:60] or "space"


def _barely_begun(path: Path) -> bool:
    """Whether a search that is killed before it has a record leaves such a file."""
    return path.name == LOCK_FILE or is_temporary(path.name)


def checked_name(name: str, option: str) -> str:
    """The name that an option gave, if it is safe as a folder name.

    Raises:
        UserError: It could be a path, or is empty or too long.

    Example:
        >>> checked_name("first.run", "--run")
        'first.run'
        >>> checked_name("../elsewhere", "--run")
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: --run: must be letters, digits, ... got '../elsewhere'
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"{option}: must be letters, digits, '.', '_' and '-' (at most 100), got {name!r}")
    return name


def find_run(text: str, reports: Path = REPORTS) -> Path:
    """The run folder called ``text``: a path to it, or a name under ``reports``.

    Raises:
        UserError: There is none.

    Example:
        >>> Path("found/first").mkdir(parents=True)
        >>> Path("found/first/run.json").touch()
        >>> find_run("first", reports=Path("found")).as_posix()
        'found/first'
    """
    for folder in (Path(text), reports / text):
        if (folder / "run.json").is_file():
            return folder
    known = ", ".join(folder.name for folder in list_runs(reports)) or "none"
    raise UserError(f"{text!r}: no such run; runs under {reports}/: {known}")


def run_argument(folder: Path) -> str:
    """How a command line names a run: its name where it lies under ``reports`` here, else its path.

    Example:
        >>> run_argument(Path("reports/digits-1")), run_argument(Path("elsewhere/my run"))
        ('digits-1', "'elsewhere/my run'")
    """
    is_here = folder.resolve().parent == REPORTS.resolve()
    return shlex.quote(folder.resolve().name if is_here else str(folder))


def resume_command(folder: Path) -> str:
    """What goes on with the search of a run; it works when pasted.

    Example:
        >>> resume_command(Path("reports/first"))
        'python -m explorer.search --run first --resume'
        >>> resume_command(Path("elsewhere/first"))
        'python -m explorer.search --run first --resume --reports elsewhere'
    """
    words = ["python", "-m", "explorer.search", "--run", folder.name, "--resume"]
    if folder.resolve().parent != REPORTS.resolve():
        words += ["--reports", str(folder.parent)]
    return shlex.join(words)


def list_runs(reports: Path) -> list[Path]:
    """Run folders under ``reports``, newest first.

    Example:
        >>> for name in ("first", "no-run"):
        ...     Path("listed", name).mkdir(parents=True)
        >>> Path("listed/first/run.json").touch()
        >>> [folder.name for folder in list_runs(Path("listed"))]
        ['first']
    """
    if not reports.is_dir():
        return []
    folders = [path.parent for path in reports.glob("*/run.json")]
    return sorted(folders, key=lambda folder: (folder / "run.json").stat().st_mtime, reverse=True)
