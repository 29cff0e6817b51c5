"""``others.json``: points of somebody else that a run's report shows beside its own; kept beside the run."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from explorer.errors import UserError
from explorer.front.series import Series
from explorer.runs.sealed import read_sealed, write_sealed

OTHERS_FILE = "others.json"
MOST_OTHERS = 8  # whose marks still look different


def read_others(folder: Path) -> tuple[Series, ...]:
    """The series that are kept beside a run, in the order in which they came; none where there are none.

    Raises:
        UserError: The file is not what was written.

    Example:
        >>> read_others(Path("nowhere"))
        ()
    """
    path = folder / OTHERS_FILE
    if not path.exists():
        return ()
    content = read_sealed(path, "remove it, and give the files to `explorer report --reference` anew")
    return tuple(
        Series(
            own["name"],
            tuple(own["labels"]),
            {name: tuple(values) for name, values in own["columns"].items()},
        )
        for own in content["series"]
    )


def keep_others(folder: Path, new: Sequence[Series] = (), drop: Sequence[str] = ()) -> tuple[Series, ...]:
    """Keep series beside a run, and take others away.

    Args:
        folder: Of the run.
        new: Each replaces the one of its name.
        drop: Names of those that are shown no longer; that goes first.

    Returns:
        All that are kept now.

    Raises:
        UserError: None has such a name, or there would be more than :data:`MOST_OTHERS`.

    Example:
        >>> theirs = Series("theirs", ("a",), {"accuracy": (0.9,), "edge_macs": (50.0,)})
        >>> [own.name for own in keep_others(Path(), [theirs])]
        ['theirs']
        >>> keep_others(Path(), drop=["theirs"])
        ()
    """
    kept = {own.name: own for own in read_others(folder)}
    for name in drop:
        if name not in kept:
            known = ", ".join(kept) or "none"
            raise UserError(f"--drop-reference: no {name!r} is kept; kept: {known}")
        del kept[name]
    kept |= {own.name: own for own in new}
    if len(kept) > MOST_OTHERS:
        raise UserError(
            f"--reference: at most {MOST_OTHERS} series are kept; --drop-reference takes one away, "
            f"such as {next(iter(kept))!r}"
        )
    if new or drop:
        write_sealed(folder / OTHERS_FILE, {"series": [asdict(own) for own in kept.values()]})
    return tuple(kept.values())
