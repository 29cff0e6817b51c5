"""What became of classes and samples at points of the front and references, as the page compares them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from explorer.core.confusion import ByClass, by_class
from explorer.core.evidence import Evidence
from explorer.core.run_point import RunPoint
from explorer.core.sweep import is_deployable, right_and_exits
from explorer.front.paired import Right, compared
from explorer.report.numbers import typed_column
from explorer.runs.results import RunResults
from explorer.runs.store import Store

LARGEST_MATRIX = 20  # classes up to which the page holds and shows confusion matrices
LARGEST_ANSWERS = 4_000_000  # bytes of right answers, one bit a sample, up to which the page holds them


@dataclass(frozen=True)
class ClassOutcomes:
    """What became of classes and samples at points of the front and references.

    Attributes:
        rows: Places of the points whose networks are there, in ``results.points``.
        found: What became of each class, by point.
        right: Which samples (N,) each point answered right; None beyond :data:`LARGEST_ANSWERS`, or where
            classes weigh differently: whether points then differ is told by draws, which the page does not
            make.

    Example:
        >>> right = [np.arange(10) < 9, np.arange(10) < 8]
        >>> ClassOutcomes([3, 5], [], right).alike(3, 5), ClassOutcomes([3, 5], [], right).alike(3, 4)
        (True, None)
    """

    rows: list[int]
    found: list[ByClass]
    right: list[Right] | None

    def alike(self, first: int, second: int) -> bool | None:
        """Whether two points do not differ by the paired test; None where the answers of one are not here."""
        if self.right is None or first not in self._places or second not in self._places:
            return None
        own, other = (self.right[self._places[row]] for row in (first, second))
        return not compared(own, other).differ

    @cached_property
    def _places(self) -> dict[int, int]:
        return {row: place for place, row in enumerate(self.rows)}


def class_outcomes(results: RunResults) -> ClassOutcomes:
    """Read the evidence of every network on the front and of references.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="outcomes", workers=1, energy=False, progress=False)
        >>> outcomes = class_outcomes(run.results)
        >>> len(outcomes.rows) == len(outcomes.found) == len(outcomes.right)
        True
    """
    rows, found, right = list[int](), list[ByClass](), list[Right]()
    for evidence, places, own in _with_evidence(results):
        rows += places
        run_points = [RunPoint.from_row(row) for row in own.to_dict("records")]
        found += [by_class(evidence, point, results.record.data.num_classes) for point in run_points]
        right += [right_and_exits(evidence, point)[0] for point in run_points]
    is_small = sum(-(-len(own) // 8) for own in right) <= LARGEST_ANSWERS
    return ClassOutcomes(rows, found, right if is_small and results.record.quality.is_plain else None)


def embedded_classes(results: RunResults, outcomes: ClassOutcomes) -> dict[str, Any]:
    """Names and sizes of the classes, and right answers of front points and references, as plain data.

    Returns:
        ``names``; ``samples`` of the validation subset; ``rows`` of the points whose networks are there;
        ``right`` (rows x classes, laid end to end); ``macroF1`` (NaN where answers were not kept);
        ``confusion`` (rows x classes x classes), None for more than :data:`LARGEST_MATRIX` classes or where
        answers were not kept; ``answers``, which samples were answered right (a bit each, rows filled up to
        whole bytes), None where :class:`ClassOutcomes` has none.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="classes", workers=1, energy=False, progress=False)
        >>> content = embedded_classes(run.results, class_outcomes(run.results))
        >>> content["names"][:2], sum(content["samples"]), len(content["rows"]) >= len(run.front)
        (['0', '1'], 400, True)
    """
    data, found = results.record.data, outcomes.found
    known = [own.confusion_CC for own in found if own.confusion_CC is not None]
    matrices = known if data.num_classes <= LARGEST_MATRIX and len(known) == len(found) else []
    answers = np.packbits(np.array(outcomes.right), axis=1).ravel() if outcomes.right else None
    return {
        "names": data.class_names or [str(label) for label in range(data.num_classes)],
        "samples": found[0].samples_C.tolist() if found else [],
        "rows": outcomes.rows,
        "right": typed_column(np.concatenate([own.right_C for own in found]) if found else []),
        "macroF1": typed_column([own.macro_f1 for own in found]),
        "confusion": typed_column(np.concatenate(matrices, axis=None)) if matrices else None,
        "answers": None if answers is None else typed_column(answers),
    }


def _with_evidence(results: RunResults) -> Iterator[tuple[Evidence, list[int], pd.DataFrame]]:
    """Evidence of each network that is there, and the rows compared of it, by place and as a table."""
    points = results.points
    if points.empty:
        return
    compared = points[(points["on_front"] | (points["reference"] != "")) & is_deployable(points)]
    by_network: Any = compared.groupby(["network_key", "edge_weight_bits"], sort=False)
    for (key, weight_bits), own in by_network:
        if not (results.path / "networks" / str(key)).is_dir():
            continue
        evidence = Store(results.path).read_evidence(str(key), edge_weight_bits=int(weight_bits))
        yield evidence, points.index.get_indexer(own.index).tolist(), own
