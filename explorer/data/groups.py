"""Groups of samples that belong together: people, devices, recordings.

Neighbouring windows of one recording, or pictures by one camera, are alike: a network that has trained on
some knows the others. So validation on the same people or devices says nothing of new ones, and groups stay
whole.
"""

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

from explorer.data.claims import check_regular
from explorer.errors import UserError

GROUPS_FILE = "groups.csv"  # in a folder of images
_ATTEMPTS = 200  # to find groups without which the others still have every class


def whole_groups(
    labels: npt.NDArray[np.int64], groups: npt.NDArray[np.generic], size: int, seed: int
) -> npt.NDArray[np.bool_] | None:
    """Which samples (N,) lie in groups drawn at random until these hold ``size`` samples.

    None where no such choice was found that leaves every class to the others.

    Args:
        labels: Shape (N,).
        groups: Which each belongs to, shape (N,).
        size: Samples wanted.
        seed: 0 .. 2**32 - 1.

    Example:
        >>> labels, groups = np.array([0, 1, 0, 1]), np.array(["ann", "ann", "bob", "bob"])
        >>> sorted(whole_groups(labels, groups, size=1, seed=0).tolist())
        [False, False, True, True]
    """
    names, owner_N = np.unique(groups, return_inverse=True)
    sizes, generator = np.bincount(owner_N), np.random.RandomState(seed)
    for _ in range(_ATTEMPTS):
        order = generator.permutation(len(names))
        count = int(np.searchsorted(np.cumsum(sizes[order]), size)) + 1
        chosen_N = np.isin(owner_N, order[:count])
        if chosen_N.sum() >= size and len(np.unique(labels[~chosen_N])) == len(np.unique(labels)):
            return np.asarray(chosen_N)
    return None


def read_groups(folder: Path) -> dict[str, str] | None:
    r"""The group of each file in a folder of images, by its path there; None without ``groups.csv``.

    Raises:
        UserError: The file is no table with the columns ``file`` and ``group``, has a row without them, or
            puts a file into two groups.

    Example:
        >>> _ = Path("groups.csv").write_text("file,group\ncat/1.png,camera 3\n")
        >>> read_groups(Path())
        {'cat/1.png': 'camera 3'}
    """
    path = folder / GROUPS_FILE
    if not path.exists():
        return None
    check_regular(path)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if not {"file", "group"} <= set(reader.fieldnames or ()):
                raise UserError(f"{path}: must have the columns file and group, got {reader.fieldnames}")
            rows = list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: must be a table in UTF-8, got: {error}") from None
    if short := [number for number, row in enumerate(rows, 2) if None in (row["file"], row["group"])]:
        raise UserError(f"{path}: line {short[0]} must hold a file and a group")
    groups: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        if groups.setdefault(row["file"], row["group"]) != row["group"]:
            both = f"{groups[row['file']]!r} and {row['group']!r}"
            rule = "each file must be in one group"
            raise UserError(f"{path}: line {number}: {rule}, {row['file']} is in {both}")
    return groups
