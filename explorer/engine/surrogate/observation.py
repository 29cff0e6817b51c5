"""What the surrogate remembers of a trained network: accuracy of each exit and the output, and its front."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.core.credits import CREDITS, worths
from explorer.core.evidence import Evidence
from explorer.core.graph.split_points import OUTPUT
from explorer.core.quality import CREDIT_OF, MARGINS
from explorer.engine.surrogate.architectures import Architecture
from explorer.front.pareto import non_dominated
from explorer.space.metrics import Metric, loss_values

Target = tuple[str, str]  # credit and split point
MAX_ROWS = 24  # of a network's front; neighbours on it tell next to nothing more


@dataclass(frozen=True, eq=False)
class Rows:
    """Operating points of one network, as arrays (R,).

    Attributes:
        split_points: Names.
        bits: Of the payload; 0 where nothing is sent.
        thresholds: NaN without exit classifier.
        exited: Share of samples that take the exit; 0 at ``output``.
        sent_bytes: Sum over the samples.
        shares: Mean credit, by column of :func:`explorer.core.credits.worths`.
        margins: Of the quality, where it is not plain accuracy.

    Example:
        >>> one = np.array([1.0])
        >>> Rows(("relu1",), np.array([8]), 0.9 * one, 0.5 * one, 64 * one, {"correct": 0.8 * one}).bits
        array([8])
    """

    split_points: tuple[str, ...]
    bits: NDArray[np.int64]
    thresholds: NDArray[np.float64]
    exited: NDArray[np.float64]
    sent_bytes: NDArray[np.float64]
    shares: Mapping[str, NDArray[np.float64]]
    margins: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @classmethod
    def of(cls, points: pd.DataFrame, num_samples: int) -> "Rows":
        """From swept points."""
        at_output = (points["split_point"] == OUTPUT).to_numpy()
        return cls(
            tuple(points["split_point"]),
            points["payload_bits"].to_numpy(dtype=np.int64, na_value=0),
            points["confidence_threshold"].to_numpy(dtype=np.float64),
            np.where(at_output, 0.0, points["exited"].to_numpy() / num_samples),
            points["sent_bytes"].to_numpy(dtype=np.float64),
            {name: points[name].to_numpy() / num_samples for name in _credits(points)},
            {name: points[name].to_numpy() for name in MARGINS if name in points},
        )

    def at(self, split_points: Collection[str]) -> Self:
        """Those at some split points only."""
        kept = np.array([name in split_points for name in self.split_points], dtype=np.bool_)
        if kept.all():
            return self
        shares = {credit: own[kept] for credit, own in self.shares.items()}
        margins = {name: own[kept] for name, own in self.margins.items()}
        names = tuple(name for name in self.split_points if name in split_points)
        thresholds, exited = self.thresholds[kept], self.exited[kept]
        sent = self.sent_bytes[kept]
        return type(self)(names, self.bits[kept], thresholds, exited, sent, shares, margins)


def _credits(points: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(name for name in (*CREDITS, *CREDIT_OF.values()) if name in points))


@dataclass(frozen=True, eq=False)
class Observation:
    """A trained network.

    Attributes:
        architecture: Where it stands in the space.
        num_samples: Validation samples behind it.
        shares: Mean credit of the output and of each exit alone, by credit and split point.
        rows: Its own front, thinned out.
        seconds: What its training took.

    Example:
        >>> right, sure = np.array([[True, True, False]]), np.array([[0.9, 0.7, 0.4]], np.float32)
        >>> sizes, labels = np.array([[[12]]], np.int32), np.array([0, 1, 1])
        >>> evidence = Evidence(("conv1",), (8,), sure, right, ~right[None], ~right[0], sizes, labels)
        >>> found = shares_alone(evidence)
        >>> {name: round(share, 2) for (_, name), share in found.items()}
        {'output': 0.33, 'conv1': 0.67}
    """

    architecture: Architecture
    num_samples: int
    shares: Mapping[Target, float]
    rows: Rows
    seconds: float

    @cached_property
    def logits(self) -> dict[Target, float]:
        """Of the shares."""
        return {target: float(to_logit(share, self.num_samples)) for target, share in self.shares.items()}

    @classmethod
    def of(
        cls,
        architecture: Architecture,
        evidence: Evidence,
        points: pd.DataFrame,
        metrics: Sequence[Metric],
        seconds: float,
    ) -> "Observation":
        """From a network's evidence and its swept points with all columns of the objectives."""
        losses = loss_values(points, metrics).to_numpy()
        kept = np.flatnonzero(non_dominated(np.nan_to_num(losses, nan=np.inf)))
        if len(kept) > MAX_ROWS:
            kept = kept[np.linspace(0, len(kept) - 1, MAX_ROWS).round().astype(int)]
        rows = Rows.of(points.iloc[kept], evidence.num_samples)
        return cls(architecture, evidence.num_samples, shares_alone(evidence), rows, seconds)


def shares_alone(evidence: Evidence) -> dict[Target, float]:
    """Mean credit, by credit and split point, when every sample is answered by the output, or by one exit.

    Example:
        >>> right, sure = np.array([[True, False]]), np.array([[0.9, 0.6]], dtype=np.float32)
        >>> sizes, labels = np.array([[[74]]], dtype=np.int32), np.array([3, 7])
        >>> own = Evidence(("input",), (8,), sure, right, right[None], right[0], sizes, labels)
        >>> shares_alone(own)["correct", "input"]
        0.5
    """
    answers = {OUTPUT: evidence.output_correct_N} | {
        name: right
        for name, right, sure in zip(
            evidence.split_points, evidence.exit_correct_SN, evidence.exit_confidence_SN, strict=True
        )
        if not np.isnan(sure).any()
    }
    return {
        (credit, name): float((right * worth_N).sum()) / evidence.num_samples
        for name, right in answers.items()
        for credit, worth_N in worths(evidence.label_N, evidence.quality).items()
    }


def to_logit(share: NDArray[np.float64] | float, num_samples: int) -> NDArray[np.float64]:
    """Logarithm of the odds of a share of ``num_samples``, finite at 0 and 1.

    Example:
        >>> float(to_logit(0.5, 100)), round(float(to_logit(1.0, 100)), 2)
        (0.0, 5.3)
    """
    right = np.clip(share, 0.0, 1.0) * num_samples
    return np.asarray(np.log((right + 0.5) / (num_samples - right + 0.5)))


def from_logit(logit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of :func:`to_logit`, but for the half sample that keeps that finite.

    Example:
        >>> float(from_logit(np.array(0.0)))
        0.5
    """
    return np.asarray(1.0 / (1.0 + np.exp(-logit)))
