"""What a pattern makes of one junction: its adjacency, degrees, stored values and index cost."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, log2

import numpy as np
from numpy.typing import NDArray

from explorer.core.clash_free import seed_bits
from explorer.core.patterns import PatternName, adjacency, exact_density


@dataclass(frozen=True, eq=False)
class Placement:
    """One junction under one pattern.

    Attributes:
        pattern: Places the kept weights.
        density: Kept / possible weights, exact.
        adjacency: Which units are joined by at least one weight, shape (outputs, inputs).
        stored_values: Kept weights, biases apart.
        index_bytes: Bytes stored beside the values to find their places: none, a rule or the seed tells.
        explicit_index_bytes: Bytes that a device without the generator needs instead: none for ``block``.
    """

    pattern: PatternName
    density: Fraction
    adjacency: NDArray[np.bool_]
    stored_values: int
    explicit_index_bytes: int
    index_bytes: int = 0

    @property
    def fan_in(self) -> NDArray[np.int64]:
        """Inputs joined to each output, shape (outputs,)."""
        fan_in: NDArray[np.int64] = self.adjacency.sum(axis=1)
        return fan_in

    @property
    def fan_out(self) -> NDArray[np.int64]:
        """Outputs joined to each input, shape (inputs,)."""
        fan_out: NDArray[np.int64] = self.adjacency.sum(axis=0)
        return fan_out


def describe(
    pattern: PatternName, inputs: int, outputs: int, density: Fraction, taps: int, seed: int
) -> Placement:
    """Place a junction as :func:`explorer.core.layers.sparse_layer` does, ``block`` among neighbours.

    Args:
        pattern: Places the kept weights.
        inputs, outputs: Units (channels for convolutions).
        density: A legal one.
        taps: Weights per connection: kernel size, 1 for Linear.
        seed: Places the weights of all patterns but ``block``.

    Raises:
        UserError: ``density`` is not legal for this junction.
    """
    density = exact_density(float(density), inputs, outputs, pattern, pattern, taps)
    if pattern == "periodic":
        joined = np.ones((outputs, inputs), dtype=np.bool_)
    else:
        joined = adjacency(pattern, inputs, outputs, density, seed)
    bits = explicit_index_bits(pattern, inputs, outputs, density, taps)
    return Placement(pattern, density, joined, int(density * inputs * outputs * taps), ceil(bits / 8))


def explicit_index_bits(pattern: PatternName, inputs: int, outputs: int, density: Fraction, taps: int) -> int:
    """Bits of an index that replaces the seed; none where everything is kept.

    ``block`` is a rule and needs none. ``structured`` names the input of every kept connection,
    ceil(log2(inputs)) bits each; ``random`` the fan-in of every output as well. ``clash_free`` states its
    seed vectors, ``periodic`` the taps of its variants.
    """
    if pattern == "block" or density == 1:
        return 0
    if pattern == "clash_free":
        return seed_bits(inputs, outputs, density)
    if pattern == "periodic":
        return density.denominator * int(density * taps) * ceil(log2(taps))
    bits = int(density * inputs * outputs) * ceil(log2(inputs))
    return bits + (outputs * ceil(log2(inputs + 1)) if pattern == "random" else 0)
