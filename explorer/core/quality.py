"""What makes answers good: plain accuracy, balanced accuracy, or accuracy with a weight for each class.

Whatever it is, it is a weighted mean over samples: so the sweep stays exact, the same weights enter the loss,
and it is a weighted mean over classes of the share of each that is answered right, which gives its interval.

Shape suffixes: C classes, N samples.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

QualityName = Literal["accuracy", "balanced_accuracy", "weighted_accuracy"]
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

CREDIT_OF: dict[QualityName, str] = {  # column of the sweep that holds what right answers are worth
    "accuracy": "correct",
    "balanced_accuracy": "balanced",
    "weighted_accuracy": "weighted",
}
MARGINS = (
    "margin_below",
    "margin_above",
)  # columns of the sweep: from the quality to the ends of its interval


@dataclass(frozen=True)
class Quality:
    """Which mean of right answers counts.

    Attributes:
        name: ``accuracy``: each sample counts the same; ``balanced_accuracy``: each class does, whatever its
            size; ``weighted_accuracy``: each sample as its class says.
        class_weights: Class and how much each of its samples counts, larger than 0, in the order of the
            classes; 1 where a class is not named.

    Example:
        >>> Quality("balanced_accuracy").class_worths(np.array([97.0, 3.0])).round(2).tolist()
        [0.52, 16.67]
        >>> Quality("weighted_accuracy", ((1, 4.0),)).class_worths(np.array([1.0, 1.0])).tolist()
        [0.4, 1.6]
    """

    name: QualityName = "accuracy"
    class_weights: tuple[tuple[int, float], ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it is plain accuracy."""
        return self.name == "accuracy"

    @property
    def credit(self) -> str:
        """Column of the sweep."""
        return CREDIT_OF[self.name]

    def class_worths(self, count_C: Floats) -> Floats:
        """What a right answer is worth in each class (C,): 1 in the mean over samples; 0 where there is none.

        Args:
            count_C: Samples of each class; fractions may count, too.
        """
        is_there = count_C > 0
        weight_C = np.ones(len(count_C))
        if self.name == "balanced_accuracy":
            weight_C = np.divide(1.0, count_C, out=np.zeros(len(count_C)), where=is_there)
        for label, weight in self.class_weights:
            if label < len(weight_C):
                weight_C[label] = weight
        return np.asarray(np.where(is_there, weight_C, 0.0) * (count_C.sum() / (weight_C @ count_C)))

    def class_shares(self, count_C: Floats) -> Floats:
        """Weight of each class's share of right answers in the quality (C,); they sum to 1."""
        return np.asarray(self.class_worths(count_C) * count_C / count_C.sum())

    def worths(self, label_N: Labels, times_N: Floats) -> Floats:
        """What each right answer is worth (N,), where each sample counts ``times_N`` times."""
        return np.asarray(self.class_worths(counts(label_N, times_N))[label_N] * times_N)


ACCURACY = Quality()


def counts(label_N: Labels, times_N: Floats | None = None) -> Floats:
    """Samples of each class (C,), each counted as often as ``times_N`` says.

    Example:
        >>> counts(np.array([0, 2, 2]), np.array([1.0, 1.0, 0.5])).tolist()
        [1.0, 0.0, 1.5]
    """
    return np.bincount(label_N, times_N).astype(np.float64)
