"""What became of each class at a chosen point, as `explorer.pick` shows it on a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from explorer.space.texts import share_text
from explorer.utils.tables import make_table

ALL_SHOWN = 20  # classes; of more the worst are shown
MATRIX_SHOWN = 12  # classes up to which a confusion matrix fits a terminal
_UNBOUNDED = 10_000  # characters; wider than any matrix


def print_classes(subsets: Mapping[str, Mapping[str, Any]], names: Sequence[str], console: Console) -> None:
    """Samples and recall of each class, macro F1, and a small confusion matrix, of each subset.

    Args:
        subsets: By name, what :meth:`explorer.core.confusion.ByClass.to_json` says; the worst classes are
            those of the first.
        names: Of the classes.
        console: Where it is printed.

    Example:
        >>> from explorer.core.confusion import ByClass
        >>> own = ByClass.of(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), num_classes=2)
        >>> print_classes({"validation": own.to_json()}, ["fine", "faulty"], Console(width=60))
        class   validation samples   recall
        fine                     3  66.67 %
        faulty                   1 100.00 %
        macro F1: validation 73.33 %
        validation: class, answered fine faulty
        fine                           2      1
        faulty                         0      1
    """
    first = next(iter(subsets.values()))
    shown = _shown(first["recall"])
    headings = [heading for subset in subsets for heading in (f"{subset} samples", "recall")]
    table = make_table("class", *headings, right=headings)
    for label in shown:
        cells = [
            cell
            for own in subsets.values()
            for cell in (str(own["samples"][label]), _number(own["recall"][label]))
        ]
        table.add_row(names[label], *cells)
    console.print(table)
    if left_out := len(names) - len(shown):
        console.print(
            f"{left_out} classes with higher recall are not shown; pick.json has all", highlight=False
        )
    known = [f"{name} {_number(own['macro_f1'])}" for name, own in subsets.items()]
    console.print(f"macro F1: {', '.join(known)}", highlight=False)
    for subset, own in subsets.items():
        if own["confusion"] is not None and len(names) <= MATRIX_SHOWN:
            matrix = _matrix(subset, names, names, own["confusion"])
            unbounded = console.options.update(max_width=_UNBOUNDED)
            if console.measure(matrix, options=unbounded).maximum > console.width:
                numbers = [str(number) for number in range(len(names))]
                numbered = [f"{number} {name}" for number, name in zip(numbers, names, strict=True)]
                matrix = _matrix(subset, numbered, numbers, own["confusion"])
            console.print(matrix, markup=False)


def _matrix(
    subset: str, names: Sequence[str], headings: Sequence[str], confusion: Sequence[Sequence[int]]
) -> Table:
    matrix = make_table(f"{subset}: class, answered", *headings, right=headings)
    for name, row in zip(names, confusion, strict=True):
        matrix.add_row(name, *map(str, row))
    return matrix


def _shown(recalls: Sequence[float | None]) -> list[int]:
    """All classes in order, or the worst."""
    if len(recalls) <= ALL_SHOWN:
        return list(range(len(recalls)))
    known = np.array([np.inf if recall is None else recall for recall in recalls])
    return [int(label) for label in np.argsort(known, kind="stable")[:ALL_SHOWN]]


def _number(value: float | None) -> str:
    return "-" if value is None else share_text(value)
