"""Networks of a space that need not be trained yet, as points of a feature space."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import log

import numpy as np
from numpy.typing import NDArray

from explorer.core.sparsity.patterns import PatternName, snap_density
from explorer.core.training import TrainingFailedError
from explorer.costs.variant_costs import VariantCosts, variant_costs
from explorer.space.candidate import NetworkSpec
from explorer.space.density_groups import assignments
from explorer.space.schema import SearchSpace
from explorer.space.variants import Inventory, Variant

_SAMPLE = 256  # networks that say how far features spread
Features = NDArray[np.float64]
MakeSpec = Callable[[Variant, PatternName, Mapping[str, Fraction]], NetworkSpec]


@dataclass(frozen=True)
class Architecture:
    """A network by its place in the space.

    Attributes:
        variant: Number of its variant.
        pattern: Number of its pattern; 0 for a network without any sparse junction.
        densities: Of all junctions, in definition order.

    Example:
        >>> Architecture(variant=0, pattern=0, densities=(Fraction(1, 4), Fraction(1))).pattern
        0
    """

    variant: int
    pattern: int
    densities: tuple[Fraction, ...]


class Architectures:
    """All networks of one inventory that can be used.

    Args:
        inventory: Variants of the space.
        make_spec: Makes a network of a variant, a pattern and densities.

    Example:
        >>> from explorer.engine.proposals import Proposer
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> inventory = build_inventory(load_space("digits")[0], (1, 8, 8), 10)
        >>> networks = Architectures(inventory, Proposer(inventory, {}).network)
        >>> drawn = networks.draw(np.random.default_rng(0))
        >>> networks.of(networks.spec(drawn)) == drawn
        True
        >>> networks.features("mlp", [Architecture(0, 0, (Fraction(1),) * 3)]).shape
        (1, 8)
    """

    def __init__(self, inventory: Inventory, make_spec: MakeSpec) -> None:
        self._inventory, self._make_spec = inventory, make_spec
        self.space: SearchSpace = inventory.space
        self.patterns = inventory.space.patterns
        self.variants = [v for name in self._inventory.variants for v in self._inventory.usable(name)]
        self._numbers = {
            (v.backbone, make_spec(v, self.patterns[0], v.densest).arguments, v.bottleneck): number
            for number, v in enumerate(self.variants)
        }
        self._costs: dict[int, VariantCosts] = {}
        self._scales: dict[str, tuple[Features, Features]] = {}
        self._choices = [[assignments(own, v.densities) for own in v.groups.values()] for v in self.variants]

    def backbone(self, one: Architecture) -> str:
        """Name of its backbone."""
        return self.variants[one.variant].backbone

    def spec(self, one: Architecture) -> NetworkSpec:
        """What to train."""
        return self._make_spec(*self.choice(one))

    def choice(self, one: Architecture) -> tuple[Variant, PatternName, dict[str, Fraction]]:
        """Its variant, pattern and densities."""
        variant = self.variants[one.variant]
        densities = dict(zip(variant.densities, one.densities, strict=True))
        return variant, self.patterns[one.pattern], densities

    def of(self, spec: NetworkSpec) -> Architecture | None:
        """Where a network of the space stands; None for one that cannot be used."""
        number = self._numbers.get((spec.backbone, spec.arguments, spec.bottleneck))
        if number is None:
            return None
        densities = tuple(density for _, density in spec.densities)
        return self._canonical(number, self.patterns.index(spec.pattern), densities)

    def _canonical(self, variant: int, pattern: int, densities: tuple[Fraction, ...]) -> Architecture:
        dense = all(density == 1 for density in densities)
        return Architecture(variant, 0 if dense else pattern, densities)

    def every(self) -> Iterator[Architecture]:
        """Each network of the space once."""
        for number in self.countable:
            for densities in self.variants[number].assignments():
                own = tuple(densities.values())
                dense = all(density == 1 for density in own)
                for pattern in range(1 if dense else len(self.patterns)):
                    yield Architecture(number, pattern, own)

    def draw(self, rng: np.random.Generator) -> Architecture:
        """A network at random: each variant as likely as any other, and each density of a group."""
        number = self.countable[rng.integers(len(self.countable))]
        chosen = [own[rng.integers(len(own))] for own in self._choices[number]]
        return self._canonical(number, int(rng.integers(len(self.patterns))), self._in_order(number, chosen))

    def neighbour(self, one: Architecture, rng: np.random.Generator) -> Architecture:
        """A network one step away: another density of one group, another pattern, or another variant."""
        free = [place for place, own in enumerate(self._choices[one.variant]) if len(own) > 1]
        step = int(rng.integers(len(free) + 2))
        if step < len(free):
            return self._other_density(one, free[step], rng)
        if step == len(free) and len(self.patterns) > 1:
            return self._canonical(one.variant, int(rng.integers(len(self.patterns))), one.densities)
        siblings = [n for n in self.countable if self.variants[n].backbone == self.backbone(one)]
        number = siblings[rng.integers(len(siblings))]
        return self._canonical(number, one.pattern, self._snapped(number, one))

    def _other_density(self, one: Architecture, place: int, rng: np.random.Generator) -> Architecture:
        variant, choices = self.variants[one.variant], self._choices[one.variant][place]
        own = dict(zip(variant.densities, one.densities, strict=True))
        now = next((n for n, choice in enumerate(choices) if choice.items() <= own.items()), 0)
        near = [n for n in range(now - 2, now + 3) if n != now and 0 <= n < len(choices)]
        merged = own | choices[near[rng.integers(len(near))]]
        return self._canonical(one.variant, one.pattern, tuple(merged.values()))

    def _snapped(self, number: int, one: Architecture) -> tuple[Fraction, ...]:
        """Densities of another variant of the backbone, as near as they can be, group by group."""
        variant, own = self.variants[number], self.variants[one.variant]
        known = dict(zip(own.densities, one.densities, strict=True))
        chosen = []
        for members, choices in zip(variant.groups.values(), self._choices[number], strict=True):
            shared = [path for path in members if path in known]
            if not shared:
                chosen.append(choices[-1])
                continue
            wanted = {p: snap_density(float(known[p]), variant.densities[p]) for p in shared}
            chosen.append(max(choices, key=lambda c: sum(c[p] == d for p, d in wanted.items())))
        return self._in_order(number, chosen)

    def _in_order(self, number: int, chosen: Sequence[dict[str, Fraction]]) -> tuple[Fraction, ...]:
        merged = {path: density for own in chosen for path, density in own.items()}
        return tuple(merged[path] for path in self.variants[number].densities)

    def ladder(self, number: int) -> list[Architecture]:
        """Networks of a variant with all junctions near to one common density, sparsest first."""
        variant = self.variants[number]
        targets = sorted({choice for own in variant.densities.values() for choice in own})
        found = [
            self._in_order(number, [_nearest(own, float(target)) for own in self._choices[number]])
            for target in targets
        ]
        return [self._canonical(number, 0, own) for own in dict.fromkeys(found)]

    def costs(self, number: int) -> VariantCosts:
        """Of all networks of a variant; counted when they are asked for.

        Raises:
            TrainingFailedError: Its dense network cannot be built, though it could when the search began.
        """
        if number not in self._costs:
            variant = self.variants[number]
            dense = dict.fromkeys(variant.densities, Fraction(1))
            sparsest = {path: own[0] for path, own in variant.densities.items()}
            spec = self._make_spec(variant, self.patterns[0], dense)
            shape, classes = self._inventory.input_shape, self._inventory.num_classes
            ranges = self.space.payload.ranges
            self._costs[number] = variant_costs(spec, sparsest, shape, classes, ranges)
        return self._costs[number]

    @cached_property
    def countable(self) -> list[int]:
        """Numbers of the variants whose costs can be counted; others are not proposed."""
        return [number for number in range(len(self.variants)) if self._is_countable(number)]

    def _is_countable(self, number: int) -> bool:
        try:
            self.costs(number)
        except TrainingFailedError:
            return False
        return True

    def features(self, backbone: str, some: Sequence[Architecture]) -> Features:
        """Of networks of one backbone, standardised over the space (N, D).

        Logarithms of MACs, of stored bytes and of each group's mean density; choices and patterns one-hot.
        """
        mean, sd = self._scale(backbone)
        return (self._raw_features(backbone, some) - mean) / sd

    def _scale(self, backbone: str) -> tuple[Features, Features]:
        if backbone not in self._scales:
            rng, drawn = np.random.default_rng(0), list[Architecture]()
            numbers = [n for n in self.countable if self.variants[n].backbone == backbone]
            while len(drawn) < _SAMPLE:
                number = numbers[len(drawn) % len(numbers)]
                chosen = [own[rng.integers(len(own))] for own in self._choices[number]]
                pattern = int(rng.integers(len(self.patterns)))
                drawn.append(Architecture(number, pattern, self._in_order(number, chosen)))
            raw = self._raw_features(backbone, drawn)
            sd = raw.std(axis=0)
            self._scales[backbone] = raw.mean(axis=0), np.where(sd > 1e-9, sd, 1.0)
        return self._scales[backbone]

    def _raw_features(self, backbone: str, some: Sequence[Architecture]) -> Features:
        rows = np.empty((len(some), self._width(backbone)))
        for number in {one.variant for one in some}:
            places = [place for place, one in enumerate(some) if one.variant == number]
            rows[places] = self._of_variant(backbone, number, [some[place] for place in places])
        return rows

    def _of_variant(self, backbone: str, number: int, some: Sequence[Architecture]) -> Features:
        variant, groups = self.variants[number], self._inventory.free_groups(backbone)
        densities = np.array([[float(d) for d in one.densities] for one in some])
        counts = self.costs(number).totals(densities)
        paths = list(variant.densities)
        means = np.zeros((len(some), len(groups)))
        for place, group in enumerate(groups):
            if members := [paths.index(path) for path in variant.groups.get(group, ())]:
                means[:, place] = np.log(densities[:, members]).mean(axis=1)
        chosen = np.tile(self._one_hots(backbone)[number], (len(some), 1))
        patterns = np.eye(len(self.patterns))[[one.pattern for one in some]]
        return np.column_stack([np.log1p(counts), means, chosen, patterns])

    def _width(self, backbone: str) -> int:
        one_hots = next(iter(self._one_hots(backbone).values()))
        return 2 + len(self._inventory.free_groups(backbone)) + len(one_hots) + len(self.patterns)

    def _one_hots(self, backbone: str) -> dict[int, list[float]]:
        return self._all_one_hots[backbone]

    @cached_property
    def _all_one_hots(self) -> dict[str, dict[int, list[float]]]:
        """Choices of each variant by backbone: one number per choice of an argument that has several."""
        found: dict[str, dict[int, list[float]]] = {}
        for backbone, spec in self.space.backbones.items():
            offered = [
                (argument, choice)
                for argument, choices in spec.choices.items()
                if len(choices) > 1
                for choice in choices
            ]
            found[backbone] = {
                number: [float(variant.choices[argument] == choice) for argument, choice in offered]
                for number, variant in enumerate(self.variants)
                if variant.backbone == backbone
            }
        return found


def _nearest(choices: Sequence[dict[str, Fraction]], target: float) -> dict[str, Fraction]:
    """The choice of a group whose densities are nearest to a common one."""

    def distance(choice: dict[str, Fraction]) -> float:
        return sum(abs(log(density / target)) for density in choice.values())

    return min(choices, key=distance)
