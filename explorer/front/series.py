"""Operating points of somebody else, read from a CSV file: a reference that no search of ours has made."""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from explorer.errors import UserError
from explorer.space.metrics import ALL_METRICS
from explorer.utils.numbers import shown

LABEL = "point_id"  # column that names a point; it may be missing
MOST_POINTS = 10_000


@dataclass(frozen=True)
class Series:
    """Points with a name, by columns called as in ``front.csv``.

    Attributes:
        name: Of the series.
        labels: Of its points; empty where they have none.
        columns: Values by metric in SI units; None where a point has none.

    Example:
        >>> Series("theirs", ("a", ""), {"accuracy": (0.9, None)}).num_points
        2
    """

    name: str
    labels: tuple[str, ...]
    columns: dict[str, tuple[float | None, ...]]

    @property
    def num_points(self) -> int:
        """How many points there are."""
        return len(self.labels)


def read_series(path: Path) -> Series:
    r"""Read a CSV file of operating points, such as a ``front.csv``.

    Columns that are metrics are kept, in SI units, shares as fractions; those of ``front.csv`` that are none
    are passed over, and ``point_id`` names the points. A cell may be empty.

    Args:
        path: The file, in UTF-8, its first line naming the columns.

    Raises:
        UserError: It cannot be read, has fewer than two metrics or no point, or a cell is no such number.

    Example:
        >>> _ = Path("theirs.csv").write_text("point_id,accuracy,edge_macs\nsmall,0.91,50000\n")
        >>> read_series(Path("theirs.csv"))
        Series(name='theirs', labels=('small',), columns={'accuracy': (0.91,), 'edge_macs': (50000.0,)})
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return _series(path, csv.reader(file))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as CSV in UTF-8: {error}") from None


def _series(path: Path, lines: Iterable[list[str]]) -> Series:
    reader = iter(lines)
    heading = [name.strip() for name in next(reader, [])]
    known = {place: name for place, name in enumerate(heading) if name in ALL_METRICS}
    if len(set(known.values())) < 2 or len(known) != len(set(known.values())):
        raise UserError(
            f"{path}: the first line must name at least two numeric columns of front.csv, each once, "
            f"such as accuracy,edge_macs; got {shown(','.join(heading))}"
        )
    labels = list[str]()
    columns: dict[str, list[float | None]] = {name: [] for name in known.values()}
    for number, cells in enumerate(reader, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(heading):
            raise UserError(f"{path}: line {number}: must have {len(heading)} cells, got {len(cells)}")
        if len(labels) == MOST_POINTS:
            raise UserError(f"{path}: must have at most {MOST_POINTS:,} points")
        labels.append(cells[heading.index(LABEL)].strip() if LABEL in heading else "")
        for place, name in known.items():
            columns[name].append(_value(cells[place].strip(), name, f"{path}: line {number}: {name}"))
    if not labels:
        raise UserError(f"{path}: must have a line for each point, got none")
    return Series(path.stem, tuple(labels), {name: tuple(values) for name, values in columns.items()})


def _value(text: str, name: str, where: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    most = 1.0 if ALL_METRICS[name].is_share else math.inf
    if not (math.isfinite(value) and 0 <= value <= most):
        rule = "a share from 0 to 1" if most == 1 else "a finite number of at least 0"
        raise UserError(f"{where}: must be {rule}, or empty, got {shown(text)}")
    return value
