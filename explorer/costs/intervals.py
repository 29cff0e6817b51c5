"""Intervals that cover what they say."""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray


def wilson_interval(
    correct: NDArray[np.float64], samples: NDArray[np.int64] | int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % score interval of a share (Wilson, J. Am. Stat. Assoc. 1927); returns (low, high).

    Example:
        >>> low, high = wilson_interval(np.array([90.0]), 100)
        >>> low.round(3), high.round(3)
        (array([0.826]), array([0.945]))
    """
    z = NormalDist().inv_cdf(0.975)
    share = correct / samples
    centre = (share + z**2 / (2 * samples)) / (1 + z**2 / samples)
    half = z / (1 + z**2 / samples) * np.sqrt(share * (1 - share) / samples + z**2 / (4 * samples**2))
    return centre - half, centre + half
