"""What became of classes and samples at points of the front and references, as the page compares them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.core.confusion import ByClass, by_class
from explorer.core.evidence import Evidence
from explorer.core.run_point import RunPoint
from explorer.core.sweep import is_deployable, right_and_exits
from explorer.report.numbers import typed_column
from explorer.runs.results import RunResults
from explorer.runs.store import Store

LARGEST_MATRIX = 20  # classes up to which the page holds and shows confusion matrices
LARGEST_ANSWERS = 4_000_000  # bytes of right answers, one bit a sample, up to which the page holds them


def embedded_classes(results: RunResults) -> dict[str, Any]:
    """Names and sizes of the classes, and right answers of front points and references, as plain data.

    Returns:
        ``names``; ``samples`` of the validation subset; ``rows`` of the points whose networks are there;
        ``right`` (rows x classes, laid end to end); ``macroF1`` (NaN where answers were not kept);
        ``confusion`` (rows x classes x classes), None for more than :data:`LARGEST_MATRIX` classes or where
        answers were not kept; ``answers``, which samples were answered right (a bit each, rows filled up to
        whole bytes), None beyond :data:`LARGEST_ANSWERS`, or where classes weigh differently: whether points
        then differ is told by draws, which the page does not make.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="classes", workers=1, energy=False, progress=False)
        >>> content = embedded_classes(run.results)
        >>> content["names"][:2], sum(content["samples"]), len(content["rows"]) >= len(run.front)
        (['0', '1'], 400, True)
    """
    data = results.record.data
    rows: list[int] = []
    found: list[ByClass] = []
    right: list[NDArray[np.bool_]] = []
    for evidence, places, own in _with_evidence(results):
        rows += places
        run_points = [RunPoint.from_row(row) for row in own.to_dict("records")]
        found += [by_class(evidence, point, data.num_classes) for point in run_points]
        right += [right_and_exits(evidence, point)[0] for point in run_points]
    known = [own.confusion_CC for own in found if own.confusion_CC is not None]
    matrices = known if data.num_classes <= LARGEST_MATRIX and len(known) == len(found) else []
    return {
        "names": data.class_names or [str(label) for label in range(data.num_classes)],
        "samples": found[0].samples_C.tolist() if found else [],
        "rows": rows,
        "right": typed_column(np.concatenate([own.right_C for own in found]) if found else []),
        "macroF1": typed_column([own.macro_f1 for own in found]),
        "confusion": typed_column(np.concatenate(matrices, axis=None)) if matrices else None,
        "answers": _packed(right) if results.record.quality.is_plain else None,
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


def _packed(right: list[NDArray[np.bool_]]) -> dict[str, str] | None:
    if not right or len(right) * -(-len(right[0]) // 8) > LARGEST_ANSWERS:
        return None
    return typed_column(np.packbits(np.array(right), axis=1).ravel())
