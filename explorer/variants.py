"""What a search space contains once its backbones are built: variants, junctions, split points.

A *variant* is a backbone with its arguments chosen; its junctions and split points are known before any
training. Optuna's parameters are the same for all variants of a backbone (their value space must not
change within a study): densities and split point are proposed on a continuous scale and snapped.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor, nn

from explorer.backbones import build_backbone
from explorer.core.bottleneck import NARROW_POINT, Bottleneck, with_bottleneck
from explorer.core.layers import DRAWN, InitialWeights
from explorer.core.network import Network
from explorer.core.patterns import PatternName, exact_density, ladder
from explorer.core.sparsify import Junction, find_junctions
from explorer.core.split_points import SplitPoint
from explorer.core.values import total_macs
from explorer.density_groups import count_assignments, group_junctions
from explorer.errors import NetworkError, UserError
from explorer.failures import failure_reason
from explorer.pretrained import trained_parameters
from explorer.rebuilt import Signature, signature
from explorer.space import SearchSpace
from explorer.space_choices import BOTTLENECK_CHOICE, BackboneSpec, DensityRange


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
        failure: Why it cannot be used, else empty; it then has no junctions and no split points.
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
    failure: str = ""

    @classmethod
    def failed(
        cls, backbone: str, arguments: Mapping[str, Any], bottleneck: Bottleneck | None, failure: str
    ) -> "Variant":
        """One that cannot be used."""
        return cls(backbone, arguments, (), {}, {}, (), (), bottleneck, (), failure=failure)

    @property
    def name(self) -> str:
        """What a person calls it."""
        chosen = self.arguments if self.bottleneck is None else self.choices
        return f"{self.backbone}({', '.join(f'{name}={value}' for name, value in chosen.items())})"

    @property
    def choices(self) -> dict[str, Any]:
        """What tells it from the backbone's other variants, see :attr:`BackboneSpec.choices`."""
        return {**self.arguments, BOTTLENECK_CHOICE: self.bottleneck and vars(self.bottleneck)}

    def num_weights(self, densities: Mapping[str, Fraction]) -> int:
        """Weights of all junctions at the given densities; junctions not named are dense."""
        return sum(int(j.num_weights * densities.get(j.path, Fraction(1))) for j in self.junctions)

    @property
    def densest(self) -> dict[str, Fraction]:
        """The largest density of every junction, in definition order."""
        return {path: choices[-1] for path, choices in self.densities.items()}

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
        variants: Per backbone name, in the order of their arguments, then bottlenecks.
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
    def signatures(self) -> dict[tuple[str, str], Signature]:
        """What tells each dense variant from what other code would build, by factory and arguments."""
        shape, classes, seed = self.input_shape, self.num_classes, self.space.training.seed
        asked = {
            (self.space.backbones[name].factory, json.dumps(variant.arguments, sort_keys=True))
            for name in self.variants
            for variant in self.usable(name)
        }
        return {which: signature(*which, shape, classes, seed) for which in sorted(asked)}

    def density_range(self, backbone: str, group: str) -> tuple[float, float]:
        """Smallest and largest density any variant offers for a junction of a group."""
        choices = [v.densities[path] for v in self.variants[backbone] for path in v.groups.get(group, ())]
        return float(min(c[0] for c in choices)), float(max(c[-1] for c in choices))

    def free_groups(self, backbone: str) -> list[str]:
        """Density groups for which some variant offers more than one density, in definition order."""
        names = dict.fromkeys(name for variant in self.variants[backbone] for name in variant.groups)
        return [name for name in names if len(set(self.density_range(backbone, name))) > 1]


def build_inventory(space: SearchSpace, input_shape: tuple[int, ...], num_classes: int) -> Inventory:
    """Build every variant once (untrained) and read off junctions and split points.

    A variant whose factory raises, or which cannot be traced, fails alone, see :attr:`Variant.failure`.

    Raises:
        UserError: A factory, a density or a split point of the space does not fit, or all variants fail;
            names the key.
    """
    variants = {
        name: tuple(
            _build_variant(space, name, spec, arguments, bottleneck, input_shape, num_classes)
            for arguments in argument_choices(spec)
            for bottleneck in _bottleneck_choices(spec)
        )
        for name, spec in space.backbones.items()
    }
    inventory = Inventory(space, input_shape, num_classes, variants)
    every = [variant for own in variants.values() for variant in own]
    if len(inventory.failures) == len(every):
        also = f" (and {len(every) - 1} more variants fail)" if len(every) > 1 else ""
        raise UserError(f"backbones.{every[0].backbone}: {every[0].failure}{also}")
    for name, spec in space.backbones.items():
        if usable := inventory.usable(name):
            _check_groups(name, spec, usable)
    _check_loss_weights(space, variants)
    return inventory


def _bottleneck_choices(spec: BackboneSpec) -> list[Bottleneck | None]:
    return [Bottleneck(own.at, own.channels) if own is not None else None for own in spec.bottleneck]


def _check_groups(name: str, spec: BackboneSpec, variants: Sequence[Variant]) -> None:
    """Every pattern must fit a junction of some variant."""
    if isinstance(spec.density_groups, list):
        known = {group for variant in variants for group in variant.groups}
        if unknown := [pattern for pattern in spec.density_groups if pattern not in known]:
            where, paths = (
                f"backbones.{name}.density_groups",
                ", ".join(j.path for j in variants[-1].junctions),
            )
            raise UserError(f"{where}: no junction fits {unknown[0]!r}; this backbone has: {paths}")


def _check_loss_weights(space: SearchSpace, variants: Mapping[str, tuple[Variant, ...]]) -> None:
    """Every name must be a split point with an exit classifier, in some backbone."""
    known = dict.fromkeys(name for own in variants.values() for variant in own for name in variant.exits)
    if unknown := [name for name in space.exits.loss_weights if name not in known]:
        raise UserError(
            f"exits.loss_weights: no exit classifier at {unknown[0]!r}; there are some at: {', '.join(known)}"
        )


def argument_choices(spec: BackboneSpec) -> list[dict[str, Any]]:
    """All combinations of a backbone's arguments, in the order of the file."""
    return [
        dict(zip(spec.arguments, values, strict=True))
        for values in itertools.product(*spec.arguments.values())
    ]


def _build_variant(
    space: SearchSpace,
    name: str,
    spec: BackboneSpec,
    arguments: dict[str, Any],
    bottleneck: Bottleneck | None,
    input_shape: tuple[int, ...],
    num_classes: int,
) -> Variant:
    where = f"backbones.{name}"
    pattern = space.patterns[0]  # all patterns of one space share their legal densities
    sample, exit_features = torch.zeros(1, *input_shape), space.training.exit_features
    try:
        how = (spec.factory, arguments, input_shape, num_classes, space.training.seed)
        module = build_backbone(*how)
        trained = trained_parameters(module, *how)
        network = Network(
            _bottlenecked(module, sample, bottleneck, where),
            *(sample, num_classes, exit_features),
            max_crossing_tensors=spec.max_crossing_tensors,
            precision=space.training.precision,
        )
    except (Exception, SystemExit) as error:  # a user's module may raise anything while it is traced
        if isinstance(error, UserError) and not isinstance(error, NetworkError):
            raise  # the space asks for what there is not
        return Variant.failed(name, arguments, bottleneck, failure_reason(error))
    junctions = find_junctions(module, pattern, network.read_directly, trained)
    source, between = network.split_points[0].nodes, network.dataflow.between
    optional = {NARROW_POINT} if any(spec.bottleneck) else set[str]()  # not every variant has it
    points = _named(network.split_points, spec.split_points, optional, f"{where}.split_points")
    if bottleneck is not None:
        points = tuple(p for p in network.split_points if p in points or p.name == NARROW_POINT)
    exits = _named(network.split_points[:-1], spec.exits, optional, f"{where}.exits")
    return Variant(
        name,
        arguments,
        junctions,
        _density_choices(junctions, pattern, spec, f"{where}.densities"),
        group_junctions([j.path for j in junctions], spec.density_groups, f"{where}.density_groups"),
        points,
        tuple(total_macs(between(source, point.nodes)) for point in points),
        bottleneck,
        tuple(point.name for point in exits),
        spec.initial(any(junction.trained for junction in junctions)),
    )


def _bottlenecked(module: nn.Module, sample: Tensor, bottleneck: Bottleneck | None, where: str) -> nn.Module:
    try:
        with torch.random.fork_rng(devices=[]):  # its weights do not matter here
            return with_bottleneck(module, sample, bottleneck)
    except NetworkError:
        raise
    except UserError as error:
        raise UserError(f"{where}.{error}") from None


def _named(
    found: tuple[SplitPoint, ...], wanted: Literal["all"] | list[str], optional: set[str], where: str
) -> tuple[SplitPoint, ...]:
    if wanted == "all":
        return found
    names = [point.name for point in found]
    for name in wanted:
        if name not in names and name not in optional:
            raise UserError(f"{where}: no split point {name!r}; this backbone has: {', '.join(names)}")
    return tuple(point for point in found if point.name in wanted)


def _density_choices(
    junctions: tuple[Junction, ...], pattern: PatternName, spec: BackboneSpec, where: str
) -> dict[str, tuple[Fraction, ...]]:
    if isinstance(spec.densities, dict):
        paths = [junction.path for junction in junctions]
        for key in spec.densities:
            if not any(fnmatchcase(path, key) for path in paths):
                raise UserError(f"{where}: no junction {key!r}; this backbone has: {', '.join(paths)}")
    return {
        junction.path: _choices(junction, pattern, spec, f"{where}.{junction.path}") for junction in junctions
    }


def _choices(
    junction: Junction, pattern: PatternName, spec: BackboneSpec, where: str
) -> tuple[Fraction, ...]:
    if junction.stays_dense:
        return (Fraction(1),)
    choice = spec.density_choice(junction.path)
    if isinstance(choice, DensityRange):
        inside = tuple(d for d in junction.legal if choice.low - 1e-9 <= d <= choice.high + 1e-9)
        if not inside:
            raise UserError(
                f"{where}: no legal density between {choice.low:g} and {choice.high:g}; the densities are "
                f"k / {len(junction.legal)}"
            )
        return ladder(inside, choice.limit)
    exact = {
        exact_density(density, junction.inputs, junction.outputs, where, pattern, junction.taps)
        for density in choice
    }
    return tuple(sorted(exact))
