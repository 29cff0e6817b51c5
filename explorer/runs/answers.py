"""Which validation samples operating points answer right, each network's evidence read once."""

from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.core.run_point import RunPoint
from explorer.core.sweep import right_and_exits
from explorer.front.groups import FrontGroup, front_groups
from explorer.front.paired import compared
from explorer.front.select import Pick
from explorer.runs.results import RunResults
from explorer.runs.store import Store


def right_answers(results: RunResults, points: pd.DataFrame) -> NDArray[np.bool_]:
    """Which samples are answered right, (R, N), by rows of ``results.points`` that are no baselines.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="answers", workers=1, energy=False, progress=False)
        >>> right_RN = right_answers(run.results, run.front)
        >>> (right_RN.sum(axis=1) == run.front["correct"]).all()
        np.True_
    """
    store, rows = Store(results.path), points.to_dict("records")
    keys = [(str(row["network_key"]), int(row["edge_weight_bits"])) for row in rows]
    answers: dict[int, NDArray[np.bool_]] = {}
    for key, weight_bits in dict.fromkeys(keys):
        evidence = store.read_evidence(key, edge_weight_bits=weight_bits)
        own = (place for place, other in enumerate(keys) if other == (key, weight_bits))
        answers |= {place: right_and_exits(evidence, RunPoint.from_row(rows[place]))[0] for place in own}
    return np.array([answers[place] for place in range(len(rows))], dtype=np.bool_)


def grouped_front(results: RunResults, pick: Pick) -> list[FrontGroup]:
    """The front of a choice without its staircases; see :func:`explorer.front.groups.front_groups`.

    Returns:
        Groups of places in ``pick.front``, compared by the run's quality, sample by sample.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="grouped", workers=1, energy=False, progress=False)
        >>> pick = run.select()
        >>> groups = grouped_front(run.results, pick)
        >>> sum(group.size for group in groups) == len(pick.front)
        True
    """
    if pick.front.empty:
        return []
    right_RN = right_answers(results, pick.front)
    evidence = Store(results.path).read_evidence(str(pick.front["network_key"].iloc[0]))

    @cache
    def alike(one: int, other: int) -> bool:
        pair = right_RN[one], right_RN[other]
        return not compared(*pair, evidence.label_N, results.record.quality).differ

    return front_groups(pick.front, pick.objectives, results.quality_column, alike)
