"""Networks of a space that need not be trained yet, by their place in it: plain numbers, quickly changed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from explorer.core.sparsity.patterns import PatternName
from explorer.core.training import TrainingFailedError
from explorer.costs.variant_costs import VariantCosts, variant_costs
from explorer.space.candidate import NetworkSpec
from explorer.space.density_groups import assignments
from explorer.space.schema import SearchSpace
from explorer.space.variants import Inventory, Variant

MakeSpec = Callable[[Variant, PatternName, Mapping[str, Fraction]], NetworkSpec]
_REACH = 2  # choices of a density that a neighbour may be away


@dataclass(frozen=True)
class Architecture:
    """A network by its place in the space.

    Attributes:
        variant: Number of its variant.
        pattern: Number of its pattern; 0 for a network without any sparse junction.
        places: Of each density group, which of its choices, sparsest first.

    Example:
        >>> Architecture(variant=0, pattern=0, places=(1, 7, 0)).places
        (1, 7, 0)
    """

    variant: int
    pattern: int
    places: tuple[int, ...]


class _Choices:
    """The density groups of a variant as arrays, group by group."""

    def __init__(self, variant: Variant) -> None:
        junctions = list(variant.densities)
        self.groups = list(variant.groups)
        self.assignments = [assignments(members, variant.densities) for members in variant.groups.values()]
        self.counts = [len(own) for own in self.assignments]
        self.columns = [[junctions.index(path) for path in members] for members in variant.groups.values()]
        self.densities = [
            np.array([[float(density) for density in choice.values()] for choice in own])
            for own in self.assignments
        ]
        self.logs = [np.log(own).mean(axis=1) for own in self.densities]
        self.numbers = [
            {tuple(choice.values()): place for place, choice in enumerate(own)} for own in self.assignments
        ]
        dense = all(density == 1 for own in self.assignments for density in own[-1].values())
        self.dense_places = tuple(count - 1 for count in self.counts) if dense else None

    def nearest(self, group: int, log_density: float) -> int:
        """The choice of a group whose mean log density is nearest."""
        return int(np.abs(self.logs[group] - log_density).argmin())


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
        >>> networks.densities(0, [Architecture(0, 0, (1, 7, 0))])
        array([[0.25, 1.  , 0.5 ]])
    """

    def __init__(self, inventory: Inventory, make_spec: MakeSpec) -> None:
        self.inventory, self._make_spec = inventory, make_spec
        self.space: SearchSpace = inventory.space
        self.patterns = inventory.space.patterns
        self.variants = [v for name in inventory.variants for v in inventory.usable(name)]
        self._choices = [_Choices(variant) for variant in self.variants]
        self._numbers = {
            _variant_of(make_spec(v, self.patterns[0], v.densest)): number
            for number, v in enumerate(self.variants)
        }
        self._costs: dict[int, VariantCosts] = {}

    def backbone(self, one: Architecture) -> str:
        """Name of its backbone."""
        return self.variants[one.variant].backbone

    def spec(self, one: Architecture) -> NetworkSpec:
        """What to train."""
        return self._make_spec(*self.choice(one))

    def choice(self, one: Architecture) -> tuple[Variant, PatternName, dict[str, Fraction]]:
        """Its variant, pattern and densities."""
        variant, choices = self.variants[one.variant], self._choices[one.variant]
        merged: dict[str, Fraction] = {}
        for own, place in zip(choices.assignments, one.places, strict=True):
            merged |= own[place]
        return variant, self.patterns[one.pattern], {path: merged[path] for path in variant.densities}

    def of(self, spec: NetworkSpec) -> Architecture | None:
        """Where a network of the space stands; None for one that cannot be used."""
        number = self._numbers.get(_variant_of(spec))
        if number is None:
            return None
        given, choices = dict(spec.densities), self._choices[number]
        members = self.variants[number].groups.values()
        places = [
            known.get(tuple(given[path] for path in own))
            for own, known in zip(members, choices.numbers, strict=True)
        ]
        found = tuple(place for place in places if place is not None)
        if len(found) < len(places):
            return None
        return self._canonical(number, self.patterns.index(spec.pattern), found)

    def _canonical(self, variant: int, pattern: int, places: tuple[int, ...]) -> Architecture:
        return Architecture(variant, 0 if places == self._choices[variant].dense_places else pattern, places)

    def every(self) -> Iterator[Architecture]:
        """Each network of the space once."""
        for number in self.countable:
            for places in product(*map(range, self._choices[number].counts)):
                dense = places == self._choices[number].dense_places
                for pattern in range(1 if dense else len(self.patterns)):
                    yield Architecture(number, pattern, places)

    def numbers(self, backbone: str) -> list[int]:
        """Countable variants of a backbone."""
        return [number for number in self.countable if self.variants[number].backbone == backbone]

    def draw(self, rng: np.random.Generator, backbone: str | None = None) -> Architecture:
        """A network at random, of one backbone or any: each variant as likely, each density of a group."""
        numbers = self.countable if backbone is None else self.numbers(backbone)
        number = numbers[int(rng.integers(len(numbers)))]
        places = tuple(rng.integers(self._choices[number].counts).tolist())
        return self._canonical(number, int(rng.integers(len(self.patterns))), places)

    def neighbour(self, one: Architecture, rng: np.random.Generator) -> Architecture:
        """A network one step away: another density of one group, another pattern, or another variant."""
        counts = self._choices[one.variant].counts
        free = [group for group, count in enumerate(counts) if count > 1]
        step = int(rng.integers(len(free) + 2))
        if step < len(free):
            group = free[step]
            low, high = max(one.places[group] - _REACH, 0), min(one.places[group] + _REACH, counts[group] - 1)
            moved = (*one.places[:group], int(rng.integers(low, high + 1)), *one.places[group + 1 :])
            return self._canonical(one.variant, one.pattern, moved)
        if step == len(free) and len(self.patterns) > 1:
            return self._canonical(one.variant, int(rng.integers(len(self.patterns))), one.places)
        siblings = self.numbers(self.backbone(one))
        number = siblings[int(rng.integers(len(siblings)))]
        return self._canonical(number, one.pattern, self._snapped(number, one))

    def redrawn(self, one: Architecture, rng: np.random.Generator) -> dict[str, Architecture]:
        """The network with one of its choices drawn anew, by the name of the choice."""
        choices, found = self._choices[one.variant], dict[str, Architecture]()
        for group, (name, count) in enumerate(zip(choices.groups, choices.counts, strict=True)):
            if count > 1:
                moved = (*one.places[:group], int(rng.integers(count)), *one.places[group + 1 :])
                found[f"density of {name}"] = self._canonical(one.variant, one.pattern, moved)
        variant = self.variants[one.variant]
        for choice, offered in self.space.backbones[variant.backbone].choices.items():
            if len(offered) > 1:
                siblings = self._siblings(variant, choice)
                number = siblings[int(rng.integers(len(siblings)))]
                name = f"argument {choice}" if choice.isidentifier() else choice.replace("-", " ")
                found[name] = self._canonical(number, one.pattern, self._snapped(number, one))
        if len(self.patterns) > 1:
            pattern = int(rng.integers(len(self.patterns)))
            found["pattern"] = self._canonical(one.variant, pattern, one.places)
        return found

    def _siblings(self, variant: Variant, choice: str) -> list[int]:
        """Variants that differ from one by a single choice, and itself."""
        fixed = {name: value for name, value in variant.choices.items() if name != choice}
        return [
            number
            for number in self.numbers(variant.backbone)
            if fixed.items() <= self.variants[number].choices.items()
        ]

    def _snapped(self, number: int, one: Architecture) -> tuple[int, ...]:
        """Places in another variant of the backbone with densities as near as can be, group by group."""
        own, other = self._choices[one.variant], self._choices[number]
        known = {name: own.logs[g][one.places[g]] for g, name in enumerate(own.groups)}
        return tuple(
            other.nearest(group, known[name]) if name in known else other.counts[group] - 1
            for group, name in enumerate(other.groups)
        )

    def ladder(self, number: int) -> list[Architecture]:
        """Networks of a variant with all junctions near to one common density, sparsest first."""
        own = self._choices[number]
        targets = sorted({log for logs in own.logs for log in logs.tolist()})
        found = [tuple(own.nearest(group, log) for group in range(len(own.groups))) for log in targets]
        return [self._canonical(number, 0, places) for places in dict.fromkeys(found)]

    def densities(self, number: int, some: Sequence[Architecture]) -> NDArray[np.float64]:
        """Of the junctions of some networks of a variant (C, J)."""
        choices, places = self._choices[number], np.array([one.places for one in some])
        found = np.empty((len(some), len(self.variants[number].densities)))
        for group, columns in enumerate(choices.columns):
            found[:, columns] = choices.densities[group][places[:, group]]
        return found

    def log_densities(self, number: int, some: Sequence[Architecture]) -> dict[str, NDArray[np.float64]]:
        """Mean log density of each density group of some networks of a variant (C,)."""
        choices, places = self._choices[number], np.array([one.places for one in some])
        return {name: choices.logs[group][places[:, group]] for group, name in enumerate(choices.groups)}

    def costs(self, number: int) -> VariantCosts:
        """Of all networks of a variant; counted when they are asked for.

        Raises:
            TrainingFailedError: Its dense network cannot be built, though it could when the search began.
        """
        if number not in self._costs:
            variant, shape = self.variants[number], self.inventory.input_shape
            dense = dict.fromkeys(variant.densities, Fraction(1))
            sparsest = {path: own[0] for path, own in variant.densities.items()}
            spec = self._make_spec(variant, self.patterns[0], dense)
            ranges, classes = self.space.payload.ranges, self.inventory.num_classes
            self._costs[number] = variant_costs(spec, variant.junctions, sparsest, shape, classes, ranges)
        return self._costs[number]

    @cached_property
    def countable(self) -> list[int]:
        """Numbers of the variants whose costs can be counted; others are not proposed."""
        return [number for number in range(len(self.variants)) if self.is_countable(number)]

    def is_countable(self, number: int) -> bool:
        """Whether the costs of a variant can be counted."""
        try:
            self.costs(number)
        except TrainingFailedError:
            return False
        return True


def _variant_of(spec: NetworkSpec) -> tuple[object, ...]:
    """What tells the variants of a space apart."""
    return spec.backbone, spec.arguments, spec.input_pool, spec.bottleneck
