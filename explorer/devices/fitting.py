"""From timed networks to a profile: what operators of each kind take, and what running a part takes.

Every network gives one equation: its seconds are the overhead of a part plus the terms of its operators
(:class:`explorer.devices.profiles.OperatorTimes`). They are solved together by non-negative least squares of
relative errors (Lawson & Hanson, "Solving Least Squares Problems", 1974, ch. 23).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.devices.operators import CODEC_KINDS, KINDS, OTHER, Operator, operator_columns
from explorer.devices.profiles import OperatorTimes

_TERMS = tuple(OperatorTimes.model_fields)
_REWEIGHTED, _OUTLIER = 3, 0.15  # times; relative errors beyond which a network counts less
Operators = Sequence[Operator]


@dataclass(frozen=True)
class FittedTimes:
    """What was fitted.

    Attributes:
        operators: By kind, ``other`` among them: all operators taken as one kind.
        part_overhead_s: Of running a part.

    Example:
        >>> networks = [(Operator(macs, 0, "linear"),) for macs in (100, 200, 400)]
        >>> fitted = fit_times(networks, [1.0, 2.0, 4.0])
        >>> round(fitted.operators["linear"].s_per_mac, 9), round(fitted.part_overhead_s, 9)
        (0.01, 0.0)
    """

    operators: Mapping[str, OperatorTimes]
    part_overhead_s: float

    def predicted_s(self, operators: Operators) -> float:
        """Seconds of a part."""
        times = {kind: own.terms for kind, own in self.operators.items()}
        known = np.array([self.part_overhead_s, *(term for own in times.values() for term in own)])
        return float((_equations([operators], list(times)) @ known)[0])


def fit_times(networks: Sequence[Operators], seconds: Sequence[float]) -> FittedTimes:
    """Fit times of operators to times of networks.

    Args:
        networks: Operators of each.
        seconds: Of each, positive.

    Example:
        >>> fitted = fit_times([(), (Operator(0, 8, "move"),)], [0.5, 0.5])
        >>> round(fitted.part_overhead_s, 9), round(fitted.predicted_s([Operator(0, 8, "move")]), 9)
        (0.5, 0.5)
    """
    kinds = sorted({own.kind for network in networks for own in network}, key=list(KINDS).index)
    targets = np.array(seconds, dtype=np.float64)
    part, terms = _solved(_equations(networks, kinds), targets)
    one_kind = [[own._replace(kind=OTHER) for own in network] for network in networks]
    _, alike = _solved(_equations(one_kind, [OTHER]), targets, part)
    found = {kind: _times(terms[place]) for place, kind in enumerate(kinds)}
    return FittedTimes({OTHER: _times(alike[0])} | found, part)


def _times(terms: NDArray[np.float64]) -> OperatorTimes:
    return OperatorTimes(**dict(zip(_TERMS, terms.tolist(), strict=True)))


def _equations(networks: Sequence[Operators], kinds: Sequence[str]) -> NDArray[np.float64]:
    """One row per network: 1 for the part, then calls, MACs, bytes and groups of each kind."""
    rows = np.zeros((len(networks), 1 + len(_TERMS) * len(kinds)))
    for row, network in zip(rows, networks, strict=True):
        row[0] = any(own.kind not in CODEC_KINDS for own in network) or not network
        columns = operator_columns(network)
        work = np.stack(
            [
                np.ones(len(network)),
                columns["macs"] + columns["added_macs"],
                columns["moved_bytes"] + columns["added_bytes"],
                columns["groups"] * (columns["groups"] > 1),
            ],
            axis=1,
        )
        for place, kind in enumerate(kinds):
            start = 1 + len(_TERMS) * place
            row[start : start + len(_TERMS)] = work[columns["kind"] == kind].sum(axis=0)
    return rows


def _solved(
    equations: NDArray[np.float64], seconds: NDArray[np.float64], part: float | None = None
) -> tuple[float, NDArray[np.float64]]:
    """The part's overhead, and terms (kinds, terms); a known overhead is kept."""
    from scipy.optimize import nnls  # slow to import

    wanted = seconds.copy()
    if part is not None:
        wanted, equations = np.maximum(seconds - part * equations[:, 0], 0.0), equations[:, 1:]
    weights = 1.0 / seconds
    for _ in range(_REWEIGHTED):
        weighted = equations * weights[:, np.newaxis]
        scale = np.maximum(np.abs(weighted).max(axis=0), np.finfo(float).tiny)
        known = nnls(weighted / scale, wanted * weights)[0] / scale
        off = np.abs(equations @ known - wanted) / seconds
        weights = np.minimum(1.0, _OUTLIER / np.maximum(off, 1e-12)) ** 0.5 / seconds
    if part is None:
        return float(known[0]), known[1:].reshape(-1, len(_TERMS))
    return part, known.reshape(-1, len(_TERMS))
