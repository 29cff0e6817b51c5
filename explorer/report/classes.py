"""What became of each class at the points of the front, as the page shows it."""

from typing import Any

import numpy as np

from explorer.core.confusion import ByClass, by_class
from explorer.core.run_point import RunPoint
from explorer.report.numbers import typed_column
from explorer.runs.results import RunResults
from explorer.runs.store import Store

LARGEST_MATRIX = 20  # classes up to which the page holds and shows confusion matrices


def embedded_classes(results: RunResults) -> dict[str, Any]:
    """Names and sizes of the classes, and right answers by class of the front's points, as plain data.

    Returns:
        ``names``; ``samples`` of the validation subset; ``rows`` of the points whose networks are there;
        ``right`` (rows x classes, laid end to end); ``macroF1`` (NaN where answers were not kept);
        ``confusion`` (rows x classes x classes), None for more than :data:`LARGEST_MATRIX` classes or where
        answers were not kept.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="classes", workers=1, energy=False, progress=False)
        >>> content = embedded_classes(run.results)
        >>> content["names"][:2], sum(content["samples"]), len(content["rows"]) == len(run.front)
        (['0', '1'], 400, True)
    """
    data, points = results.record.data, results.points
    on_front = points[points["on_front"]] if len(points) else points
    rows: list[int] = []
    found: list[ByClass] = []
    for key, own in on_front.groupby("network_key", sort=False) if len(on_front) else ():
        if not (results.path / "networks" / str(key)).is_dir():
            continue
        evidence = Store(results.path).read_evidence(str(key))
        rows += points.index.get_indexer(own.index).tolist()
        run_points = [RunPoint.from_row(row) for row in own.to_dict("records")]
        found += [by_class(evidence, point, data.num_classes) for point in run_points]
    known = [own.confusion_CC for own in found if own.confusion_CC is not None]
    matrices = known if data.num_classes <= LARGEST_MATRIX and len(known) == len(found) else []
    return {
        "names": data.class_names or [str(label) for label in range(data.num_classes)],
        "samples": found[0].samples_C.tolist() if found else [],
        "rows": rows,
        "right": typed_column(np.concatenate([own.right_C for own in found]) if found else []),
        "macroF1": typed_column([own.macro_f1 for own in found]),
        "confusion": typed_column(np.concatenate(matrices, axis=None)) if matrices else None,
    }
