"""Junctions tied to one density: forty free densities cannot be searched in 200 trials.

A group has one parameter. Each of its junctions takes the legal density nearest to it.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from itertools import groupby, pairwise
from math import sqrt
from typing import Literal

from explorer.core.sparsity.patterns import snap_density
from explorer.errors import UserError

DensityGroups = Literal["junction", "stage", "all"] | list[str]
Choices = Mapping[str, tuple[Fraction, ...]]


def group_junctions(paths: Sequence[str], groups: DensityGroups, where: str) -> dict[str, tuple[str, ...]]:
    """Junction paths per group, in definition order.

    Args:
        paths: Of all junctions of a variant.
        groups: ``junction``: each alone; ``stage``: by the first part of the path; ``all``: one group;
            patterns such as ``stage3.*``: one group each, other junctions alone.
        where: Key that messages name.

    Raises:
        UserError: Two patterns name the same junction.

    Example:
        >>> group_junctions(["stage1.conv1", "stage1.conv2", "fc"], "stage", "density_groups")
        {'stage1': ('stage1.conv1', 'stage1.conv2'), 'fc': ('fc',)}
        >>> group_junctions(["stage1.conv1", "stage1.conv2", "fc"], ["*.conv2"], "density_groups")
        {'stage1.conv1': ('stage1.conv1',), '*.conv2': ('stage1.conv2',), 'fc': ('fc',)}
    """
    grouped: dict[str, list[str]] = {}
    for path in paths:
        if isinstance(groups, list):
            names = [pattern for pattern in groups if fnmatchcase(path, pattern)] or [path]
            if len(names) > 1:
                raise UserError(
                    f"{where}: each junction must be in one group, got {path!r} in {', '.join(names)}"
                )
        else:
            names = [{"junction": path, "stage": path.partition(".")[0], "all": "all"}[groups]]
        grouped.setdefault(names[0], []).append(path)
    return {name: tuple(members) for name, members in grouped.items()}


def snap_group(proposed: float, members: Sequence[str], choices: Choices) -> dict[str, Fraction]:
    """The legal density of each member that is nearest to ``proposed`` by ratio.

    Example:
        >>> choices = {"fc1": (Fraction(1, 4), Fraction(1)), "fc2": (Fraction(1, 8), Fraction(1))}
        >>> snap_group(0.4, ["fc1", "fc2"], choices)
        {'fc1': Fraction(1, 4), 'fc2': Fraction(1, 1)}
    """
    return {path: snap_density(proposed, choices[path]) for path in members}


def proposal_for(densities: Mapping[str, Fraction], members: Sequence[str], choices: Choices) -> float:
    """The proposal that :func:`snap_group` turns into ``densities``; a single junction's own density.

    Per junction, every value between the midpoints to the neighbouring choices snaps to its density; the
    middle of what all members have in common snaps to all of theirs.

    Example:
        >>> choices = {"fc1": (Fraction(1, 4), Fraction(1)), "fc2": (Fraction(1, 8), Fraction(1))}
        >>> proposed = proposal_for({"fc1": Fraction(1, 4), "fc2": Fraction(1)}, ["fc1", "fc2"], choices)
        >>> round(proposed, 3), snap_group(proposed, ["fc1", "fc2"], choices)
        (0.42, {'fc1': Fraction(1, 4), 'fc2': Fraction(1, 1)})
    """
    if len({densities[path] for path in members}) == 1:
        return float(densities[members[0]])
    low, high = (
        float(min(choices[path][0] for path in members)),
        float(max(choices[path][-1] for path in members)),
    )
    for path in members:
        for below, above in pairwise(choices[path]):
            middle = sqrt(below * above)
            if above <= densities[path]:
                low = max(low, middle)
            elif below >= densities[path]:
                high = min(high, middle)
    return sqrt(low * high)


def assignments(members: Sequence[str], choices: Choices) -> list[dict[str, Fraction]]:
    """Every distinct choice of densities that one parameter can give to the members, sparsest first.

    Example:
        >>> choices = {"fc1": (Fraction(1, 4), Fraction(1)), "fc2": (Fraction(1, 8), Fraction(1))}
        >>> [tuple(map(str, own.values())) for own in assignments(["fc1", "fc2"], choices)]
        [('1/4', '1/8'), ('1/4', '1'), ('1', '1')]
    """
    least = {path: choices[path][0] for path in members}
    steps = sorted(
        (below * above, path, above) for path in members for below, above in pairwise(choices[path])
    )
    found = [least]
    for _, together in groupby(steps, key=lambda step: step[0]):  # all that rise at the same proposal
        found.append(found[-1] | {path: density for _, path, density in together})
    return found


def count_assignments(members: Sequence[str], choices: Choices) -> int:
    """Distinct densities that one parameter can give to the members.

    Example:
        >>> choices = {"fc1": (Fraction(1, 4), Fraction(1)), "fc2": (Fraction(1, 8), Fraction(1))}
        >>> count_assignments(["fc1", "fc2"], choices)
        3
    """
    steps = {below * above for path in members for below, above in pairwise(choices[path])}
    return 1 + len(steps)
