"""What became of each class at one operating point: recall, confusion, macro F1.

Shape suffixes: C classes, N samples.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.evidence import Evidence
from explorer.core.graph.split_points import OUTPUT
from explorer.core.run_point import RunPoint
from explorer.core.sweep import right_and_exits

Counts = NDArray[np.int64]
LARGEST_MATRIX = 100  # classes up to which a confusion matrix is written into files


@dataclass(frozen=True)
class ByClass:
    """Answers to the samples of a subset, by class.

    Attributes:
        samples_C: Of each class.
        right_C: Those answered right.
        confusion_CC: Samples by class (row) and answer (column); None where answers were not kept.

    Example:
        >>> own = ByClass.of(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), num_classes=2)
        >>> own.confusion_CC.tolist(), own.recalls.round(2).tolist(), round(own.macro_f1, 2)
        ([[2, 1], [0, 1]], [0.67, 1.0], 0.73)
    """

    samples_C: Counts
    right_C: Counts
    confusion_CC: Counts | None = None

    @classmethod
    def of(cls, label_N: Counts, answer_N: NDArray[Any], num_classes: int) -> "ByClass":
        """From labels and answers."""
        cells = np.bincount(label_N * num_classes + answer_N.astype(np.int64), minlength=num_classes**2)
        confusion_CC = cells.reshape(num_classes, num_classes)
        return cls(confusion_CC.sum(axis=1), confusion_CC.diagonal().copy(), confusion_CC)

    @property
    def recalls(self) -> NDArray[np.float64]:
        """Share of each class that is answered right; NaN where a class has no sample."""
        is_there = self.samples_C > 0
        return np.where(is_there, self.right_C / np.where(is_there, self.samples_C, 1), np.nan)

    @property
    def macro_f1(self) -> float:
        """Mean over classes of F1 = 2 right / (samples + answers); NaN where answers were not kept.

        Classes that neither a sample nor an answer has are left out, as ``sklearn.metrics.f1_score`` does.
        """
        if self.confusion_CC is None:
            return float("nan")
        either_C = self.samples_C + self.confusion_CC.sum(axis=0)
        return float((2 * self.right_C[either_C > 0] / either_C[either_C > 0]).mean())

    def to_json(self) -> dict[str, Any]:
        """Plain data; None for what is not known, and for a matrix beyond :data:`LARGEST_MATRIX`."""
        recalls, macro_f1 = self.recalls.tolist(), self.macro_f1
        small = self.confusion_CC is not None and len(self.samples_C) <= LARGEST_MATRIX
        return {
            "samples": self.samples_C.tolist(),
            "right": self.right_C.tolist(),
            "recall": [None if np.isnan(own) else own for own in recalls],
            "macro_f1": None if np.isnan(macro_f1) else macro_f1,
            "confusion": self.confusion_CC.tolist() if small and self.confusion_CC is not None else None,
        }


def by_class(evidence: Evidence, point: RunPoint, num_classes: int) -> ByClass:
    """What became of each class of the samples that evidence was collected on.

    Example:
        >>> right, sure = np.array([[True, True, False]]), np.array([[0.9, 0.7, 0.4]], np.float32)
        >>> sizes, labels = np.array([[[12]]], np.int32), np.array([0, 1, 1])
        >>> evidence = Evidence(("conv1",), (8,), sure, right, ~right[None], right[0], sizes, labels)
        >>> own = by_class(evidence, RunPoint.at_output(), num_classes=2)
        >>> own.right_C.tolist(), own.recalls.tolist(), own.confusion_CC is None
        ([1, 1], [1.0, 0.5], True)
    """
    label_N = evidence.label_N
    answer_N = _answers(evidence, point)
    if answer_N is not None:
        return ByClass.of(label_N, answer_N, num_classes)
    right_N, _ = right_and_exits(evidence, point)
    found = [np.bincount(own, minlength=num_classes) for own in (label_N, label_N[right_N])]
    return ByClass(*found)


def _answers(evidence: Evidence, point: RunPoint) -> NDArray[Any] | None:
    answers = evidence.answers
    if answers is None or point.split_point == OUTPUT:
        return None if answers is None else answers.output_N
    assert point.payload_bits is not None
    split = evidence.split_points.index(point.split_point)
    _, exits_N = right_and_exits(evidence, point)
    server_N = answers.server_SBN[split, evidence.payload_bits.index(point.payload_bits)]
    return np.asarray(np.where(exits_N, answers.exit_SN[split], server_N))
