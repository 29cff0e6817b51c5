"""``reports/index.html``: every run with a picture of its front, and chosen fronts in one plot."""

from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from explorer.errors import UserError
from explorer.report.embedded import metric_record
from explorer.report.html import asset_text, bundle, content_security_policy, render, script_json
from explorer.report.summary import moment_text
from explorer.runs.notes import RunNotes, read_notes
from explorer.runs.record import RUN_FILE, RunRecord
from explorer.runs.summaries import TRIALS_FILE, read_rows, read_summary
from explorer.space.metrics import METRICS
from explorer.space.texts import metric_text
from explorer.utils.files import write_text
from explorer.utils.units import PREFIXES


class IndexRow(NamedTuple):
    """One run as the index shows it.

    Attributes:
        name: Of the run.
        created: When it began.
        space: Name of its search space.
        trials: How many finished, as text.
        front: Size of the front, as text.
        accuracy: Best on the front, as text.
        hypervolume: Of the front in the end, as text.
        link: Address of the report relative to the index; "" where there is none yet.
        folder: Name of the run folder.
        columns: Values of the front's points by metric, None where a point has none; empty where unfinished.
        reference: Reference point per objective.
        thumbnail: Places of the front's points in a picture of 120 x 50.
        notes: What people wrote of it, and its tags.

    Example:
        >>> texts = ("tiny", "2026-11-23", "digits", "2", "57", "95.3 %", "0.612", "tiny/report.html", "tiny")
        >>> row = IndexRow(*texts, columns={}, reference={}, thumbnail=())
        >>> row.accuracy, row.link
        ('95.3 %', 'tiny/report.html')
    """

    name: str
    created: str
    space: str
    trials: str
    front: str
    accuracy: str
    hypervolume: str
    link: str
    folder: str
    columns: dict[str, list[float | None]]
    reference: dict[str, float]
    thumbnail: tuple[tuple[float, float], ...]
    notes: RunNotes = RunNotes()


class IndexInfo(NamedTuple):
    """Plain data of the index.

    Attributes:
        rows: Readable runs, newest first.
        unreadable: Folder name and reason of the others.

    Example:
        >>> IndexInfo(rows=[], unreadable=[("old", "run.json is missing")]).unreadable[0]
        ('old', 'run.json is missing')
    """

    rows: list[IndexRow]
    unreadable: list[tuple[str, str]]

    @property
    def tags(self) -> list[str]:
        """Those of all runs, each once."""
        return sorted({tag for row in self.rows for tag in row.notes.tags})


def write_index(reports_dir: Path) -> Path:
    """Write ``index.html`` over the run folders in ``reports_dir``.

    Returns:
        The file written. Folders that cannot be read are listed with the reason.

    Example:
        >>> Path("reports").mkdir()
        >>> path = write_index(Path("reports"))
        >>> path.as_posix(), path.stat().st_size > 10_000
        ('reports/index.html', True)
    """
    path = reports_dir / "index.html"
    info = index_info(reports_dir)
    script = bundle("overview")
    text = render(
        "index.html.j2",
        csp=content_security_policy(script),
        css=Markup(asset_text("page.css")),
        data=Markup(script_json(_page_data(info))),
        script=Markup(script),
        info=info,
    )
    write_text(path, text)
    return path


def _page_data(info: IndexInfo) -> dict[str, Any]:
    runs = [
        {"folder": row.folder, "name": row.name, "columns": row.columns, "reference": row.reference}
        for row in info.rows
        if row.columns
    ]
    return {
        "runs": runs,
        "metrics": [metric_record(metric) for metric in METRICS.values()],
        "prefixes": PREFIXES,
    }


def index_info(reports_dir: Path) -> IndexInfo:
    """Data of the index, from the small files of each folder; a run under way is left alone.

    Example:
        >>> Path("runs/broken").mkdir(parents=True)
        >>> info = index_info(Path("runs"))
        >>> len(info.rows), info.unreadable
        (0, [('broken', 'runs/broken/run.json: no such file; is this a run folder?')])
    """
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
    record = RunRecord.read(folder)
    finished = (folder / TRIALS_FILE).is_file() and (folder / "front.json").is_file()
    trials = read_rows(folder / TRIALS_FILE) if finished else []
    content = read_summary(folder / "front.json") if finished else {"points": []}
    front = content["points"]
    return IndexRow(
        name=record.name,
        created=record.created,
        space=record.space_name,
        trials=f"{len(trials):,}" if finished else "not finished",
        front=f"{len(front):,}" if finished else "",
        accuracy=metric_text("accuracy", max(point["accuracy"] for point in front)) if front else "",
        hypervolume=f"{record.hypervolume:.3f}" if record.hypervolume is not None else "",
        link=f"{quote(folder.name)}/report.html" if (folder / "report.html").is_file() else "",
        folder=folder.name,
        columns={name: [point.get(name) for point in front] for name in METRICS} if front else {},
        reference=dict(content.get("reference_point", {})),
        notes=read_notes(folder),
        thumbnail=_thumbnail(front, [name for name in content.get("objectives", {}) if name != "accuracy"]),
    )


def _thumbnail(front: list[dict[str, Any]], costs: list[str]) -> tuple[tuple[float, float], ...]:
    """Accuracy upwards, the first cost to the right by rank, so that decades do not hide points."""
    if not front or not costs:
        return ()
    known = [point for point in front if point.get(costs[0]) is not None]
    ranks = {value: place for place, value in enumerate(sorted({point[costs[0]] for point in known}))}
    accuracies = [point["accuracy"] for point in known]
    low, span = min(accuracies), (max(accuracies) - min(accuracies)) or 1.0
    return tuple(
        (
            round(6 + 108 * ranks[point[costs[0]]] / max(len(ranks) - 1, 1), 1),
            round(44 - 38 * (point["accuracy"] - low) / span, 1),
        )
        for point in known
    )
