"""What a search space contains once its backbones are built: variants, junctions, split points.

A *variant* is a backbone with its arguments chosen; its junctions and split points are known before any
training. Optuna's parameters are the same for all variants of a backbone (their value space must not
change within a study): densities and split point are proposed on a continuous scale and snapped.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any

from explorer.core.bottleneck import Bottleneck
from explorer.core.graph.split_points import SplitPoint
from explorer.core.input_pool import pooled_shape
from explorer.core.sparsity.layers import DRAWN, InitialWeights
from explorer.core.sparsity.sparsify import Junction
from explorer.space.choices import BOTTLENECK_CHOICE, INPUT_POOL_CHOICE
from explorer.space.density_groups import assignments, count_assignments
from explorer.space.rebuilt import Built, Signature, signature
from explorer.space.schema import SearchSpace


@dataclass(frozen=True)
class Variant:
    """A backbone with its arguments chosen.

    Attributes:
        backbone: Name in the search space.
        arguments: Chosen arguments of the factory.
        junctions: All junctions, in definition order.
        densities: Density choices per junction path, ascending.
        groups: Junction paths per density group, in definition order.
        split_points: Those the space allows, from ``input`` to ``output``.
        macs: Dense multiply-accumulates up to each split point.
        bottleneck: The learned bottleneck; None for none.
        exits: Split points with an exit classifier.
        initial: What sparse layers start from.
        input_pool: Extent of the average pooling before the backbone; 1 for none.
        failure: Why it cannot be used, else empty; it then has no junctions and no split points.

    Example:
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> variant = build_inventory(load_space("digits")[0], (1, 8, 8), 10).variants["mlp"][0]
        >>> variant.name, [point.name for point in variant.split_points]
        ('mlp(hidden=[24, 16])', ['input', 'relu1', 'relu2', 'output'])
        >>> variant.num_weights({"fc1": Fraction(1, 4)}), variant.num_networks
        (928, 128)
    """

    backbone: str
    arguments: Mapping[str, Any]
    junctions: tuple[Junction, ...]
    densities: Mapping[str, tuple[Fraction, ...]]
    groups: Mapping[str, tuple[str, ...]]
    split_points: tuple[SplitPoint, ...]
    macs: tuple[int, ...]
    bottleneck: Bottleneck | None
    exits: tuple[str, ...]
    initial: InitialWeights = DRAWN
    input_pool: int = 1
    failure: str = ""

    @classmethod
    def failed(
        cls,
        backbone: str,
        arguments: Mapping[str, Any],
        input_pool: int,
        bottleneck: Bottleneck | None,
        failure: str,
    ) -> "Variant":
        """One that cannot be used."""
        return cls(backbone, arguments, (), {}, {}, (), (), bottleneck, (), DRAWN, input_pool, failure)

    @property
    def name(self) -> str:
        """What a person calls it."""
        bottleneck = {} if self.bottleneck is None else {BOTTLENECK_CHOICE: vars(self.bottleneck)}
        chosen = ", ".join(f"{name}={value}" for name, value in {**self.arguments, **bottleneck}.items())
        pooled = f", input pool {self.input_pool}" if self.input_pool > 1 else ""
        return f"{self.backbone}({chosen}){pooled}"

    @property
    def choices(self) -> dict[str, Any]:
        """What tells it from the backbone's other variants.

        See :attr:`explorer.space.choices.BackboneSpec.choices`.
        """
        bottleneck = self.bottleneck and vars(self.bottleneck)
        return {**self.arguments, INPUT_POOL_CHOICE: self.input_pool, BOTTLENECK_CHOICE: bottleneck}

    def num_weights(self, densities: Mapping[str, Fraction]) -> int:
        """Weights of all junctions at the given densities; junctions not named are dense."""
        return sum(int(j.num_weights * densities.get(j.path, Fraction(1))) for j in self.junctions)

    @property
    def densest(self) -> dict[str, Fraction]:
        """The largest density of every junction, in definition order."""
        return {path: choices[-1] for path, choices in self.densities.items()}

    def assignments(self) -> Iterator[dict[str, Fraction]]:
        """Every distinct choice of densities, in definition order; the densest comes last."""
        for chosen in itertools.product(
            *(assignments(members, self.densities) for members in self.groups.values())
        ):
            merged = {path: density for own in chosen for path, density in own.items()}
            yield {path: merged[path] for path in self.densities}

    @property
    def num_networks(self) -> int:
        """Distinct choices of densities, patterns apart."""
        return prod(count_assignments(members, self.densities) for members in self.groups.values())


@dataclass(frozen=True)
class Inventory:
    """The search space with all variants built for one data set.

    Attributes:
        space: The validated space.
        input_shape: Shape of a sample, without batch.
        num_classes: Classes of the data set.
        variants: Per backbone name, in the order of their arguments, then pooling, then bottlenecks.

    Example:
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> inventory = build_inventory(load_space("digits")[0], (1, 8, 8), 10)
        >>> len(inventory.usable("cnn")), inventory.free_groups("mlp"), inventory.failures
        (2, ['fc1', 'fc2', 'classifier'], [])
    """

    space: SearchSpace
    input_shape: tuple[int, ...]
    num_classes: int
    variants: Mapping[str, tuple[Variant, ...]]

    @property
    def failures(self) -> list[Variant]:
        """Variants that cannot be used."""
        return [variant for own in self.variants.values() for variant in own if variant.failure]

    def usable(self, backbone: str) -> list[Variant]:
        """Variants of a backbone that can be used."""
        return [variant for variant in self.variants[backbone] if not variant.failure]

    @cached_property
    def num_networks(self) -> int:
        """Distinct networks; dense ones count once whatever the number of patterns."""
        total = 0
        for variant in itertools.chain.from_iterable(self.variants.values()):
            dense = int(all(choices[-1] == 1 for choices in variant.densities.values()))
            total += dense + (variant.num_networks - dense) * len(self.space.patterns)
        return total

    @cached_property
    def signatures(self) -> dict[Built, Signature]:
        """What tells each dense variant from what other code would build, by what its factory was given."""
        classes, seed = self.num_classes, self.space.training.seed
        asked: set[Built] = {
            (
                self.space.backbones[name].factory,
                json.dumps(variant.arguments, sort_keys=True),
                pooled_shape(self.input_shape, variant.input_pool),
            )
            for name in self.variants
            for variant in self.usable(name)
        }
        return {built: signature(*built, classes, seed) for built in sorted(asked)}

    def density_range(self, backbone: str, group: str) -> tuple[float, float]:
        """Smallest and largest density any variant offers for a junction of a group."""
        choices = [v.densities[path] for v in self.variants[backbone] for path in v.groups.get(group, ())]
        return float(min(c[0] for c in choices)), float(max(c[-1] for c in choices))

    def free_groups(self, backbone: str) -> list[str]:
        """Density groups for which some variant offers more than one density, in definition order."""
        names = dict.fromkeys(name for variant in self.variants[backbone] for name in variant.groups)
        return [name for name in names if len(set(self.density_range(backbone, name))) > 1]
