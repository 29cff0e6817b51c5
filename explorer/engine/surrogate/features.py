"""Networks as points of a feature space, one for each backbone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from explorer.engine.surrogate.architectures import Architecture, Architectures

_SAMPLE = 256  # networks that say how far features spread
Floats = NDArray[np.float64]


class Features:
    """Features of the networks of one backbone, standardised over the space.

    Logarithms of MACs, of stored bytes and of each density group's mean density; choices of arguments and of
    the pattern one-hot.

    Args:
        architectures: Of the space.
        backbone: Its name.

    Attributes:
        names: One for each feature.

    Example:
        >>> from explorer.engine.proposals import Proposer
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> inventory = build_inventory(load_space("digits")[0], (1, 8, 8), 10)
        >>> features = Features(Architectures(inventory, Proposer(inventory, {}).network), "mlp")
        >>> features.names[:4], features.of([Architecture(0, 0, (7, 7, 1))]).shape
        (['MACs', 'bytes', 'density of fc1', 'density of fc2'], (1, 8))
    """

    def __init__(self, architectures: Architectures, backbone: str) -> None:
        self._architectures, self._backbone = architectures, backbone
        self._groups = architectures.inventory.free_groups(backbone)
        offered = [
            (argument, choice)
            for argument, choices in architectures.space.backbones[backbone].choices.items()
            if len(choices) > 1
            for choice in choices
        ]
        self._one_hots = {
            number: [float(variant.choices[argument] == choice) for argument, choice in offered]
            for number, variant in enumerate(architectures.variants)
            if variant.backbone == backbone
        }
        patterns = architectures.patterns if len(architectures.patterns) > 1 else []
        self.names = ["MACs", "bytes", *(f"density of {name}" for name in self._groups)]
        self.names += [f"{argument} = {choice}" for argument, choice in offered]
        self.names += [f"pattern {name}" for name in patterns]
        self._known: dict[Architecture, Floats] = {}
        raw = self._raw(self._sample())
        sd = raw.std(axis=0)
        self._mean, self._sd = raw.mean(axis=0), np.where(sd > 1e-9, sd, 1.0)

    def _sample(self) -> list[Architecture]:
        rng = np.random.default_rng(0)
        return [self._architectures.draw(rng, self._backbone) for _ in range(_SAMPLE)]

    def of(self, some: Sequence[Architecture]) -> Floats:
        """Features of some networks (N, D)."""
        return np.asarray((self._raw(some) - self._mean) / self._sd)

    def of_trained(self, some: Sequence[Architecture]) -> Floats:
        """The same, kept for the next time: trained networks are asked for again and again."""
        new = [one for one in dict.fromkeys(some) if one not in self._known]
        if new:
            self._known |= dict(zip(new, self.of(new), strict=True))
        return np.array([self._known[one] for one in some]).reshape(len(some), len(self.names))

    def _raw(self, some: Sequence[Architecture]) -> Floats:
        rows = np.empty((len(some), len(self.names)))
        for number in {one.variant for one in some}:
            places = [place for place, one in enumerate(some) if one.variant == number]
            rows[places] = self._of_variant(number, [some[place] for place in places])
        return rows

    def _of_variant(self, number: int, some: Sequence[Architecture]) -> Floats:
        known = self._architectures
        counts = known.costs(number).totals(known.densities(number, some))
        logs = known.log_densities(number, some)
        nothing = np.zeros(len(some))
        means = [logs.get(name, nothing) for name in self._groups]
        columns = [np.log1p(counts), *means, np.tile(self._one_hots[number], (len(some), 1))]
        if len(known.patterns) > 1:
            columns.append(np.eye(len(known.patterns))[[one.pattern for one in some]])
        return np.column_stack(columns)
