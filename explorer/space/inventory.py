"""From a search space to its inventory: every variant built once, its junctions and split points read off."""

import itertools
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any, Literal

import torch
from torch import Tensor, nn

from explorer.backbones import build_backbone
from explorer.core.augmenter import check_augment
from explorer.core.bottleneck import NARROW_POINT, Bottleneck, with_bottleneck
from explorer.core.failures import failure_reason
from explorer.core.graph.dataflow import total_macs
from explorer.core.graph.split_points import SplitPoint
from explorer.core.input_pool import INPUT_POOL, pooled_shape
from explorer.core.network import Network
from explorer.core.sparsity.patterns import PatternName, exact_density, ladder
from explorer.core.sparsity.sparsify import Junction, find_junctions
from explorer.errors import NetworkError, UserError
from explorer.space.choices import BackboneSpec, DensityRange
from explorer.space.density_groups import group_junctions
from explorer.space.pretrained import trained_parameters
from explorer.space.schema import SearchSpace
from explorer.space.training import TrainingSpec
from explorer.space.variants import Inventory, Variant


def build_inventory(space: SearchSpace, input_shape: tuple[int, ...], num_classes: int) -> Inventory:
    """Build every variant once (untrained) and read off junctions and split points.

    A variant whose factory raises, or which cannot be traced, fails alone, see :attr:`Variant.failure`.

    Raises:
        UserError: A factory, a density or a split point of the space does not fit, or all variants fail;
            names the key.

    Example:
        >>> from explorer.space.files import load_space
        >>> inventory = build_inventory(load_space("digits")[0], input_shape=(1, 8, 8), num_classes=10)
        >>> [variant.name for variant in inventory.variants["mlp"]]
        ['mlp(hidden=[24, 16])', 'mlp(hidden=[64, 32])', 'mlp(hidden=[128, 64])']
    """
    variants = {
        name: tuple(
            _build_variant(space, name, arguments, input_pool, bottleneck, input_shape, num_classes)
            for arguments in argument_choices(spec)
            for input_pool in spec.input_pool
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
        where = "training.augment" if spec.training.augment is None else f"backbones.{name}.training.augment"
        check_augment(space.recipe_of(name).augment, input_shape, where)
        if usable := inventory.usable(name):
            _check_groups(name, spec, usable)
        if space.training.dense_first:
            _check_dense(name, usable, space.training)
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


def _check_dense(name: str, variants: Sequence[Variant], training: TrainingSpec) -> None:
    """The dense network of every variant must lie in the space: sparse ones start or learn from it."""
    key = "start" if training.start == "dense" else "teacher"
    for variant in variants:
        for path, choices in variant.densities.items():
            if choices[-1] < 1:
                raise UserError(
                    f"backbones.{name}.densities: must reach 1 at every junction with training.{key}: dense, "
                    f"got {' '.join(map(str, choices))} at {path} of {variant.name}"
                )


def _check_loss_weights(space: SearchSpace, variants: Mapping[str, tuple[Variant, ...]]) -> None:
    """Every name must be a split point with an exit classifier, in some backbone."""
    known = dict.fromkeys(name for own in variants.values() for variant in own for name in variant.exits)
    if unknown := [name for name in space.exits.loss_weights if name not in known]:
        raise UserError(
            f"exits.loss_weights: no exit classifier at {unknown[0]!r}; there are some at: {', '.join(known)}"
        )


def argument_choices(spec: BackboneSpec) -> list[dict[str, Any]]:
    """All combinations of a backbone's arguments, in the order of the file.

    Example:
        >>> spec = BackboneSpec(factory="mine:net", arguments={"width": [8, 16], "deep": [True]})
        >>> argument_choices(spec)
        [{'width': 8, 'deep': True}, {'width': 16, 'deep': True}]
    """
    return [
        dict(zip(spec.arguments, values, strict=True))
        for values in itertools.product(*spec.arguments.values())
    ]


def _build_variant(
    space: SearchSpace,
    name: str,
    arguments: dict[str, Any],
    input_pool: int,
    bottleneck: Bottleneck | None,
    input_shape: tuple[int, ...],
    num_classes: int,
) -> Variant:
    spec, where = space.backbones[name], f"backbones.{name}"
    pattern = space.patterns[0]  # all patterns of one space share their legal densities
    try:
        inner = _pooled(input_shape, input_pool, where)
        how = (spec.factory, arguments, inner, num_classes, space.training.seed)
        module = build_backbone(*how)
        trained = trained_parameters(module, *how)
        network = Network(
            _bottlenecked(module, torch.zeros(1, *inner), bottleneck, where),
            *(torch.zeros(1, *input_shape), num_classes, space.training.exit_features),
            max_crossing_tensors=spec.max_crossing_tensors,
            precision=space.training.precision,
            input_pool=input_pool,
        )
    except (Exception, SystemExit) as error:  # a user's module may raise anything while it is traced
        if isinstance(error, UserError) and not isinstance(error, NetworkError):
            text = str(error)  # the space asks for what there is not
            raise UserError(text if text.startswith(where) else f"{where}: {text}") from error.__cause__
        return Variant.failed(name, arguments, input_pool, bottleneck, failure_reason(error))
    junctions = find_junctions(module, pattern, network.read_directly, trained)
    source, between = network.split_points[0].nodes, network.dataflow.between
    optional = {NARROW_POINT} if any(spec.bottleneck) else set[str]()  # not every variant has them
    optional |= {INPUT_POOL} if max(spec.input_pool) > 1 else set[str]()
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
        spec.initial(any(junction.trained for junction in junctions), space.training.start),
        input_pool,
    )


def _pooled(input_shape: tuple[int, ...], input_pool: int, where: str) -> tuple[int, ...]:
    try:
        return pooled_shape(input_shape, input_pool)
    except UserError as error:
        raise UserError(f"{where}.{error}") from None


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
