"""How a trained network is run: where it is cut, when the edge answers alone, and how payloads are sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import pandas as pd

from explorer.core.graph.split_points import OUTPUT

FLOAT32, INT8 = 32, 8  # bits of the weights of an edge part


@dataclass(frozen=True)
class RunPoint:
    """One way to run a trained network.

    Attributes:
        split_point: Where it is cut; ``output`` runs all of it on the edge.
        confidence_threshold: The edge answers alone from this confidence on; None leaves the exit classifier
            out. It is 0 at ``output``, where the edge always answers.
        payload_bits: Bits per transmitted value; None where no tensor is sent.
        edge_weight_bits: 32, or 8 for an edge part in integers; see
            :mod:`explorer.microcontroller.int8_edge`.

    Example:
        >>> RunPoint.from_row({"split_point": "conv1", "confidence_threshold": 0.9, "payload_bits": 8})
        RunPoint(split_point='conv1', confidence_threshold=0.9, payload_bits=8, edge_weight_bits=32)
    """

    split_point: str
    confidence_threshold: float | None
    payload_bits: int | None
    edge_weight_bits: int = FLOAT32

    @classmethod
    def at_output(cls, edge_weight_bits: int = FLOAT32) -> Self:
        """The whole network on the edge."""
        return cls(OUTPUT, 0.0, None, edge_weight_bits)

    @classmethod
    def from_row(cls, row: "Mapping[Any, Any] | pd.Series[Any]") -> Self:
        """Read a row of a table of operating points, in which what does not apply is missing."""
        threshold, bits = row["confidence_threshold"], row["payload_bits"]
        return cls(
            str(row["split_point"]),
            None if pd.isna(threshold) else float(threshold),
            None if pd.isna(bits) else int(bits),
            int(row.get("edge_weight_bits", FLOAT32)),
        )

    def to_row(self) -> dict[str, Any]:
        """Inverse of :meth:`from_row`; what does not apply is None."""
        return dict(vars(self))
