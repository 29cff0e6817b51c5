"""Between Optuna's parameters and what the inventory offers: two encodings of one choice.

``conditional`` has one parameter per backbone and density group (a junction, or several tied). ``fixed`` has
the same few parameters in every trial, so that samplers which model only what all trials share (GP, NSGA) see
all of the space: the variant by its rank in size, the densities as groups by depth. What it cannot express
are different densities in one group.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import sqrt
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import BaseTrial

from explorer.core.run_point import RunPoint
from explorer.core.sparsity.patterns import PatternName, snap_density
from explorer.space.density_groups import proposal_for, snap_group
from explorer.space.variants import Inventory, Variant

DENSITY_GROUPS = 3


@dataclass(frozen=True)
class ParamChoice:
    """What the parameters of a trial mean.

    Attributes:
        variant: Backbone and arguments.
        pattern: Places the kept connections.
        densities: Legal density of every junction, in definition order.
        point: At a split point that the variant allows (``output`` for one that cannot be used), with a
            threshold on the grid of steps and payload bits that the space allows.

    Example:
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> variant = build_inventory(load_space("digits")[0], (1, 8, 8), 10).variants["mlp"][0]
        >>> choice = ParamChoice(variant, "block", variant.densest, RunPoint("relu1", 0.9, 8))
        >>> choice.variant.name, {path: str(density) for path, density in choice.densities.items()}
        ('mlp(hidden=[24, 16])', {'fc1': '1', 'fc2': '1', 'classifier': '1'})
    """

    variant: Variant
    pattern: PatternName
    densities: Mapping[str, Fraction]
    point: RunPoint


class Encoding(ABC):
    """Turns parameters of trials into choices, and choices into parameters.

    Args:
        inventory: Variants of the space.

    Example:
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> encoding = ENCODINGS["fixed"](build_inventory(load_space("digits")[0], (1, 8, 8), 10))
        >>> sizes = {"backbone": "mlp", "size": 0.1, "density.1": 0.3, "density.2": 0.3, "density.3": 0.3}
        >>> runs = {"split_point": 0.5, "confidence_threshold": 0.9, "payload_bits": 8}
        >>> encoding.suggest(optuna.trial.FixedTrial(sizes | runs)).point
        RunPoint(split_point='relu2', confidence_threshold=0.9, payload_bits=8, edge_weight_bits=32)
    """

    def __init__(self, inventory: Inventory) -> None:
        self._inventory, self._space = inventory, inventory.space

    def suggest(self, trial: BaseTrial) -> ParamChoice:
        """Ask the sampler for every parameter and snap to what is legal for the chosen variant."""
        variant = self._suggest_variant(trial)
        pattern = self._space.patterns[0]
        if variant.failure:
            return ParamChoice(variant, pattern, {}, RunPoint.at_output())
        if len(self._space.patterns) > 1:
            pattern = trial.suggest_categorical("pattern", self._space.patterns)
        densities = self._suggest_densities(trial, variant)
        depth = trial.suggest_float(self._split_parameter(variant), 0.0, 1.0)
        split_point = variant.split_points[_place(depth, len(variant.split_points))].name
        thresholds = self._space.confidence_thresholds
        threshold = trial.suggest_float(
            "confidence_threshold", thresholds.low, thresholds.high, step=thresholds.step
        )
        bits = trial.suggest_categorical("payload_bits", self._space.payload_bits)
        weight_bits: int = self._space.edge_weight_bits[0]
        if len(self._space.edge_weight_bits) > 1:
            weight_bits = trial.suggest_categorical("edge_weight_bits", self._space.edge_weight_bits)
        point = RunPoint(split_point, round(threshold, 9), bits, weight_bits)
        return ParamChoice(variant, pattern, densities, point)

    def params(self, choice: ParamChoice) -> dict[str, Any]:
        """Parameters that :meth:`suggest` turns into ``choice``; the threshold goes down to its grid.

        With ``fixed``, densities that differ inside a group become one between them.
        """
        params = self._variant_params(choice.variant)
        if len(self._space.patterns) > 1:
            params["pattern"] = choice.pattern
        params |= self._density_params(choice.variant, choice.densities)
        names = [point.name for point in choice.variant.split_points]
        threshold, bits = choice.point.confidence_threshold, choice.point.payload_bits
        if len(self._space.edge_weight_bits) > 1:
            params["edge_weight_bits"] = choice.point.edge_weight_bits
        return params | {
            self._split_parameter(choice.variant): _middle(names.index(choice.point.split_point), len(names)),
            "confidence_threshold": self._proposable(1.0 if threshold is None else threshold),
            "payload_bits": min(self._space.payload_bits) if bits is None else bits,
        }

    def distributions(self) -> dict[str, BaseDistribution]:
        """Every parameter that :meth:`suggest` may ask for, whatever the variant."""
        found: dict[str, BaseDistribution] = {}
        for variant in chain.from_iterable(map(self._inventory.usable, self._inventory.variants)):
            first = RunPoint(variant.split_points[0].name, None, None)
            params = self.params(ParamChoice(variant, self._space.patterns[0], variant.densest, first))
            trial = optuna.trial.FixedTrial(params)
            self.suggest(trial)
            found |= trial.distributions
        return found

    def _proposable(self, threshold: float) -> float:
        """The largest confidence threshold up to ``threshold`` that lies on the grid of steps."""
        thresholds = self._space.confidence_thresholds
        steps = int((threshold - thresholds.low) / thresholds.step + 1e-9)
        return min(thresholds.low + steps * thresholds.step, thresholds.high)

    @abstractmethod
    def _suggest_variant(self, trial: BaseTrial) -> Variant:
        """Ask for backbone and arguments."""

    @abstractmethod
    def _variant_params(self, variant: Variant) -> dict[str, Any]:
        """Parameters that :meth:`_suggest_variant` turns into ``variant``."""

    @abstractmethod
    def _suggest_densities(self, trial: BaseTrial, variant: Variant) -> dict[str, Fraction]:
        """Ask for the densities of all junctions, in definition order."""

    @abstractmethod
    def _density_params(self, variant: Variant, densities: Mapping[str, Fraction]) -> dict[str, Any]:
        """Parameters that :meth:`_suggest_densities` turns into ``densities``, or the nearest there are."""

    @abstractmethod
    def _split_parameter(self, variant: Variant) -> str:
        """Name of the parameter that holds the relative depth of the split point."""


class ConditionalEncoding(Encoding):
    """``BACKBONE.ARGUMENT``, ``BACKBONE.density.JUNCTION``, ``BACKBONE.split_point``.

    Example:
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> inventory = build_inventory(load_space("digits")[0], (1, 8, 8), 10)
        >>> small = inventory.variants["mlp"][0]
        >>> choice = ParamChoice(small, "block", small.densest, RunPoint("relu1", 0.9, 8))
        >>> list(ConditionalEncoding(inventory).params(choice))
        ['backbone', 'mlp.hidden', 'mlp.density.fc1', 'mlp.density.fc2', 'mlp.density.classifier',
         'mlp.split_point', 'confidence_threshold', 'payload_bits']
    """

    def _suggest_variant(self, trial: BaseTrial) -> Variant:
        backbone = trial.suggest_categorical("backbone", list(self._space.backbones))
        chosen: dict[str, Any] = {}
        for argument, choices in self._space.backbones[backbone].choices.items():
            chosen[argument] = choices[0]
            if len(choices) > 1:
                texts = [json.dumps(choice) for choice in choices]
                chosen[argument] = json.loads(trial.suggest_categorical(f"{backbone}.{argument}", texts))
        return next(v for v in self._inventory.variants[backbone] if v.choices == chosen)

    def _variant_params(self, variant: Variant) -> dict[str, Any]:
        backbone = variant.backbone
        return {"backbone": backbone} | {
            f"{backbone}.{argument}": json.dumps(variant.choices[argument])
            for argument, choices in self._space.backbones[backbone].choices.items()
            if len(choices) > 1
        }

    def _suggest_densities(self, trial: BaseTrial, variant: Variant) -> dict[str, Fraction]:
        densities = variant.densest
        for group in self._asked(variant):
            low, high = self._inventory.density_range(variant.backbone, group)
            proposed = trial.suggest_float(f"{variant.backbone}.density.{group}", low, high, log=True)
            densities |= snap_group(proposed, variant.groups[group], variant.densities)
        return densities

    def _density_params(self, variant: Variant, densities: Mapping[str, Fraction]) -> dict[str, Any]:
        return {
            f"{variant.backbone}.density.{group}": proposal_for(
                densities, variant.groups[group], variant.densities
            )
            for group in self._asked(variant)
        }

    def _split_parameter(self, variant: Variant) -> str:
        return f"{variant.backbone}.split_point"

    def _asked(self, variant: Variant) -> list[str]:
        own = set(_free(variant))
        return [group for group in self._inventory.free_groups(variant.backbone) if group in own]


class FixedEncoding(Encoding):
    """``backbone``, ``size``, ``density.1`` .. ``density.k``, ``split_point``: the same in every trial.

    ``size`` is absent where no backbone has two variants, densities where no junction has two.

    Example:
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> inventory = build_inventory(load_space("digits")[0], (1, 8, 8), 10)
        >>> small = inventory.variants["mlp"][0]
        >>> choice = ParamChoice(small, "block", small.densest, RunPoint("relu1", 0.9, 8))
        >>> list(FixedEncoding(inventory).params(choice))
        ['backbone', 'size', 'density.1', 'density.2', 'density.3',
         'split_point', 'confidence_threshold', 'payload_bits']
    """

    def __init__(self, inventory: Inventory) -> None:
        super().__init__(inventory)
        self._by_size = {
            backbone: sorted(variants, key=lambda v: v.num_weights(v.densest))
            for backbone, variants in inventory.variants.items()
        }
        self._sized = any(len(variants) > 1 for variants in self._by_size.values())
        variants = [variant for own in inventory.variants.values() for variant in own]
        every = [choices for variant in variants for choices in variant.densities.values()]
        free = [choices for choices in every if len(choices) > 1]
        self._low = float(min((choices[0] for choices in free), default=Fraction(1)))
        self._high = float(max((choices[-1] for choices in free), default=Fraction(1)))
        most = max(len(_free(variant)) for variant in variants)
        self._groups = [f"density.{number + 1}" for number in range(min(DENSITY_GROUPS, most))]

    def _suggest_variant(self, trial: BaseTrial) -> Variant:
        backbone = trial.suggest_categorical("backbone", list(self._by_size))
        size, variants = (
            trial.suggest_float("size", 0.0, 1.0) if self._sized else 0.0,
            self._by_size[backbone],
        )
        return variants[_place(size, len(variants))]

    def _variant_params(self, variant: Variant) -> dict[str, Any]:
        variants = self._by_size[variant.backbone]
        params: dict[str, Any] = {"backbone": variant.backbone}
        if self._sized:
            params["size"] = _middle(variants.index(variant), len(variants))
        return params

    def _suggest_densities(self, trial: BaseTrial, variant: Variant) -> dict[str, Fraction]:
        proposed = {name: trial.suggest_float(name, self._low, self._high, log=True) for name in self._groups}
        chosen = {
            path: snap_density(proposed[group], variant.densities[path])
            for path, group in self._group_of(variant).items()
        }
        return variant.densest | chosen

    def _density_params(self, variant: Variant, densities: Mapping[str, Fraction]) -> dict[str, Any]:
        params = dict.fromkeys(self._groups, sqrt(self._low * self._high))
        for group in self._groups:
            if members := [path for path, own in self._group_of(variant).items() if own == group]:
                params[group] = proposal_for(densities, members, variant.densities)
        return params

    def _split_parameter(self, variant: Variant) -> str:
        return "split_point"

    def _group_of(self, variant: Variant) -> dict[str, str]:
        """Parameter of each junction, by the relative depth of the density group it is tied to."""
        free = _free(variant)
        return {
            path: self._groups[_place(_middle(number, len(free)), len(self._groups))]
            for number, group in enumerate(free)
            for path in variant.groups[group]
        }


ENCODINGS: dict[str, type[Encoding]] = {"conditional": ConditionalEncoding, "fixed": FixedEncoding}


def _free(variant: Variant) -> list[str]:
    """Density groups of a variant that have a choice."""
    return [
        group
        for group, members in variant.groups.items()
        if any(len(variant.densities[path]) > 1 for path in members)
    ]


def _place(relative: float, count: int) -> int:
    """Which of ``count`` equal parts of [0, 1] a number lies in."""
    return min(int(relative * count), count - 1)


def _middle(place: int, count: int) -> float:
    """The middle of a part of [0, 1]; inverse of :func:`_place`."""
    return (place + 0.5) / count
