"""Counts that are affine in the densities of a variant's junctions, and their coefficients.

Shape suffixes: C networks, J junctions. Row 0 of a coefficient array holds the dense network's counts; row
1 + j what a density of junction j adds to them per unit above 1.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.costs.split_costs import SplitCosts

ThinnedOut = Sequence[tuple[Fraction, Sequence[SplitCosts]]]


def coefficients(
    dense: Sequence[SplitCosts],
    thinned_out: ThinnedOut,
    read: Callable[[Sequence[SplitCosts]], Mapping[str, NDArray[Any]]],
    names: Collection[str],
) -> dict[str, NDArray[np.float64]]:
    """Coefficients (1 + J, ...) of counts (...) by name.

    Args:
        dense: Costs of the dense network.
        thinned_out: Of those with one junction alone at a density below 1, with that density.
        read: Gives counts of a network.
        names: Which of them.

    Example:
        >>> counts = {"dense": {"macs": np.array([32, 8])}, "half": {"macs": np.array([16, 8])}}
        >>> coefficients("dense", [(Fraction(1, 2), "half")], counts.get, ["macs"])["macs"].tolist()
        [[32.0, 8.0], [32.0, 0.0]]
    """
    base, others = read(dense), [(float(1 - density), read(own)) for density, own in thinned_out]
    return {
        name: np.stack([base[name], *((base[name] - own[name]) / taken for taken, own in others)]).astype(
            np.float64
        )
        for name in names
    }


def counts_at(densities_CJ: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Counts (C, ...) of networks, whole numbers, from coefficients.

    Example:
        >>> counts_at(np.array([[1.0], [0.25]]), np.array([[32.0, 8.0], [32.0, 0.0]])).tolist()
        [[32.0, 8.0], [8.0, 8.0]]
    """
    above_C1J = np.column_stack([np.ones(len(densities_CJ)), densities_CJ - 1.0])
    return np.asarray(np.rint(above_C1J @ rows))
