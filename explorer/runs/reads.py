"""``test_reads.txt``: for which operating points the test subset was read, one id a line.

A file of its own, which is only ever added to: a search that writes the run's record loses none, and several
readers may count at a time.
"""

import os
from pathlib import Path

from explorer.utils.files import naming_file

READS_FILE = "test_reads.txt"


def read_points(folder: Path) -> list[str]:
    r"""Ids of the points that the test subset was read for, in the order of their first reads.

    Example:
        >>> _ = Path(READS_FILE).write_text("a\nb\na\n")
        >>> read_points(Path())
        ['a', 'b']
    """
    try:
        lines = (folder / READS_FILE).read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return list(dict.fromkeys(line for line in lines if line))


def counted_read(folder: Path, point_id: str) -> int:
    """Note that a point's answers on the test subset are known; returns for how many points they are.

    Example:
        >>> Path("counted").mkdir()
        >>> [counted_read(Path("counted"), point_id) for point_id in ("a", "b", "a")]
        [1, 2, 2]
    """
    path, flags = folder / READS_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    if point_id not in read_points(folder):
        with naming_file(path):
            descriptor = os.open(path, flags, 0o644)
            try:
                os.write(descriptor, f"{point_id}\n".encode())  # one write: lines of others stay whole
            finally:
                os.close(descriptor)
    return len(read_points(folder))
