"""What the C of an edge part takes of a microcontroller, at each way to run it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.core.graph.split_points import OUTPUT
from explorer.core.run_point import FLOAT32, RunPoint

EDGE_WEIGHT_BITS = "edge_weight_bits"
SIZES = ("code_constant_bytes", "code_flash_bytes", "code_ram_bytes")
CODE_COLUMNS = (EDGE_WEIGHT_BITS, *SIZES)  # of a swept point, in runs that have edge parts in int8


@dataclass(frozen=True, eq=False)
class CodeBytes:
    """Bytes of the C of one network's edge parts; NaN where there is no C.

    Shape suffixes: S split points, E without and with exit classifier, B payload bits, K constants, flash
    (which holds them) and RAM.

    Attributes:
        split_SEBK: At each split point.
        output_K: Of the whole network.
        edge_weight_bits: 32, or 8 in int8.

    Example:
        >>> code = CodeBytes(np.arange(12.0).reshape(1, 2, 2, 3), np.full(3, np.nan), 8)
        >>> code.columns(RunPoint("relu1", 0.9, 8, 8), ["relu1"], [32, 8])
        {'edge_weight_bits': 8, 'code_constant_bytes': 9.0, 'code_flash_bytes': 10.0, 'code_ram_bytes': 11.0}
        >>> code.has_output
        False
    """

    split_SEBK: NDArray[np.float64]
    output_K: NDArray[np.float64]
    edge_weight_bits: int = FLOAT32

    @property
    def has_output(self) -> bool:
        """Whether there is C for the whole network."""
        return not bool(np.isnan(self.output_K).any())

    def columns(
        self, point: RunPoint, split_points: Sequence[str], payload_bits: Sequence[int]
    ) -> dict[str, float]:
        """Columns of a swept point.

        Args:
            point: How the network is run.
            split_points: Names behind the first axis of :attr:`split_SEBK`.
            payload_bits: Behind its third axis.
        """
        own_K = self.output_K
        if point.split_point != OUTPUT:
            assert point.payload_bits is not None
            where = split_points.index(point.split_point), payload_bits.index(point.payload_bits)
            own_K = self.split_SEBK[where[0], int(point.confidence_threshold is not None), where[1]]
        return {EDGE_WEIGHT_BITS: self.edge_weight_bits} | dict(zip(SIZES, own_K.tolist(), strict=True))


def nothing_known(point: RunPoint) -> Mapping[str, float]:
    """The least that the C of a point may take, as far as is known before training.

    Example:
        >>> nothing_known(RunPoint("relu1", 0.9, 8, 8))["code_flash_bytes"]
        0.0
    """
    return {EDGE_WEIGHT_BITS: point.edge_weight_bits} | dict.fromkeys(SIZES, 0.0)
