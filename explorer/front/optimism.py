"""How much better points of a front look than they are, since the samples that show it also chose them.

Every threshold, and every point of the front, is the best of many on the validation samples, and part of
being best is luck. :mod:`explorer.front.estimators` estimates how much.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from explorer.core.intervals import wilson_interval
from explorer.core.quality import QualityName

Floats = NDArray[np.float64]
Method = Literal["cross_fitting", "bootstrap"]


@dataclass(frozen=True)
class Optimism:
    """By how much accuracies of front points are too high.

    Attributes:
        method: How it was estimated.
        repeats: How often samples were divided or drawn.
        accuracies: Of the front, at some places along it, rising.
        amounts: What is to be subtracted there, at least 0; between them in a straight line.
        column: Whose values they are: accuracy, or the run's quality where that is another.

    Example:
        >>> optimism = Optimism("cross_fitting", repeats=8, accuracies=(0.8, 0.9), amounts=(0.02, 0.01))
        >>> optimism.at(np.array([0.7, 0.85, 0.9])).round(3).tolist()
        [0.02, 0.015, 0.01]
    """

    method: Method
    repeats: int
    accuracies: tuple[float, ...]
    amounts: tuple[float, ...]
    column: QualityName = "accuracy"

    def at(self, accuracy_R: Floats) -> Floats:
        """What is to be subtracted from accuracies (R,)."""
        return np.asarray(np.interp(accuracy_R, self.accuracies, self.amounts))

    def columns(
        self,
        accuracy_R: Floats,
        samples_R: NDArray[np.int64] | int,
        margins: Sequence[Floats] = (),
    ) -> dict[str, Floats]:
        """Corrected accuracy, and the ends of its 95 % interval, by column.

        The interval is Wilson's about the corrected accuracy; that of another quality keeps its width. A
        point off the front is corrected as if it lay on it, which is too much rather than too little.

        Args:
            accuracy_R: Accuracies (R,) on the validation subset, or values of the quality.
            samples_R: Of that subset.
            margins: Of a quality that is not plain accuracy, below and above it, (R,) each.

        Example:
            >>> optimism = Optimism("cross_fitting", repeats=8, accuracies=(0.8, 0.9), amounts=(0.02, 0.01))
            >>> for name, own in optimism.columns(np.array([0.9]), 400).items():
            ...     print(name, own.round(3))
            accuracy_corrected [0.89]
            accuracy_corrected_ci95_low [0.856]
            accuracy_corrected_ci95_high [0.917]
        """
        corrected = np.clip(accuracy_R - self.at(accuracy_R), 0.0, 1.0)
        if margins:
            low, high = np.clip([corrected - margins[0], corrected + margins[1]], 0.0, 1.0)
        else:
            low, high = wilson_interval(corrected * samples_R, samples_R)
        ends = {"": corrected, "_ci95_low": low, "_ci95_high": high}
        return {f"{self.column}_corrected{end}": values for end, values in ends.items()}
