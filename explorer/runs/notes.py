"""``notes.json``: what people wrote of a run, and the tags they gave it; kept beside the run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from explorer.runs.sealed import read_sealed, write_sealed

NOTES_FILE = "notes.json"


@dataclass(frozen=True)
class Note:
    """A sentence, and when it was written.

    Example:
        >>> Note("2026-11-23T19:47:00+00:00", "trained before the sensors were changed").text
        'trained before the sensors were changed'
    """

    created: str
    text: str


@dataclass(frozen=True)
class RunNotes:
    """Notes of a run, oldest first, and its tags in order.

    Example:
        >>> RunNotes(tags=("board-2",)).text
        'board-2'
    """

    notes: tuple[Note, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Everything that a search for words may find."""
        return " ".join([*self.tags, *(note.text for note in self.notes)])


def read_notes(folder: Path) -> RunNotes:
    """The notes of a run; none where nobody wrote any.

    Raises:
        UserError: The file is not what was written.

    Example:
        >>> read_notes(Path("nowhere"))
        RunNotes(notes=(), tags=())
    """
    path = folder / NOTES_FILE
    if not path.exists():
        return RunNotes()
    content = read_sealed(path, "remove it, and write the notes anew")
    return RunNotes(tuple(Note(**note) for note in content["notes"]), tuple(content["tags"]))


def add_notes(folder: Path, text: str = "", tags: Sequence[str] = (), untag: Sequence[str] = ()) -> RunNotes:
    """Write a note and tags into a run folder, and take tags away.

    Args:
        folder: Of the run.
        text: The note; empty for none.
        tags: New ones; one that is there already stays as it is.
        untag: Tags that the run no longer has.

    Example:
        >>> _ = add_notes(Path(), "wrong link", tags=["old"])
        >>> found = add_notes(Path(), tags=["board-2"], untag=["old"])
        >>> [note.text for note in found.notes], found.tags
        (['wrong link'], ('board-2',))
    """
    before = read_notes(folder)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    notes = before.notes + ((Note(now, text),) if text else ())
    kept = [tag for tag in dict.fromkeys([*before.tags, *tags]) if tag not in untag]
    after = RunNotes(notes, tuple(kept))
    write_sealed(folder / NOTES_FILE, {"notes": [asdict(note) for note in notes], "tags": kept})
    return after
