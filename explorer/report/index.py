"""``reports/index.html``: every run in one table, with a link to its report."""

from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from explorer.errors import UserError
from explorer.report.columns import metric_text
from explorer.report.html import asset_text, render
from explorer.report.summary import moment_text, space_name
from explorer.results import RUN_FILE, TRIALS_FILE
from explorer.store import read_json, write_text


class IndexRow(NamedTuple):
    """One run as the index shows it.

    Attributes:
        name: Of the run.
        created: When it began.
        space: Name of its search space.
        trials: How many finished, as text.
        front: Size of the front, as text.
        accuracy: Best on the front, as text.
        hypervolume: After the last trial, as text.
        link: Address of the report relative to the index; "" where there is none yet.
    """

    name: str
    created: str
    space: str
    trials: str
    front: str
    accuracy: str
    hypervolume: str
    link: str


class IndexInfo(NamedTuple):
    """Plain data of the index.

    Attributes:
        rows: Readable runs, newest first.
        unreadable: Folder name and reason of the others.
    """

    rows: list[IndexRow]
    unreadable: list[tuple[str, str]]


def write_index(reports_dir: Path) -> Path:
    """Write ``index.html`` over the run folders in ``reports_dir``.

    Returns:
        The file written. Folders that cannot be read are listed with the reason.
    """
    path = reports_dir / "index.html"
    info = index_info(reports_dir)
    write_text(path, render("index.html.j2", css=Markup(asset_text("page.css")), info=info))
    return path


def index_info(reports_dir: Path) -> IndexInfo:
    """Data of the index, from the small files of each folder; a run under way is left alone."""
    rows, unreadable = [], []
    folders = [path for path in reports_dir.iterdir() if path.is_dir() and not path.name.startswith(".")]
    for folder in sorted(folders):
        try:
            rows.append(_row(folder))
        except (UserError, OSError) as error:
            unreadable.append((folder.name, " ".join(str(error).split())))
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # valid JSON of another form
            unreadable.append((folder.name, f"{RUN_FILE}: {type(error).__name__}: {error}"))
    rows.sort(key=lambda row: row.created, reverse=True)
    return IndexInfo([row._replace(created=moment_text(row.created)) for row in rows], unreadable)


def _row(folder: Path) -> IndexRow:
    run = read_json(folder / RUN_FILE)
    finished = (folder / TRIALS_FILE).is_file() and (folder / "front.json").is_file()
    trials = read_json(folder / TRIALS_FILE) if finished else []
    front = read_json(folder / "front.json")["points"] if finished else []
    hypervolumes = [trial["hypervolume"] for trial in trials if trial["hypervolume"] is not None]
    return IndexRow(
        name=str(run.get("name") or folder.name),
        created=str(run.get("created") or ""),
        space=space_name(run),
        trials=f"{len(trials):,}" if finished else "not finished",
        front=f"{len(front):,}" if finished else "",
        accuracy=metric_text("accuracy", max(point["accuracy"] for point in front)) if front else "",
        hypervolume=f"{hypervolumes[-1]:.3f}" if hypervolumes else "",
        link=f"{quote(folder.name)}/report.html" if (folder / "report.html").is_file() else "",
    )
