"""Candidates out of the sampler's choices, and the reference networks that every search starts with."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import log
from typing import Any

import optuna

from explorer.candidate import Candidate, NetworkSpec
from explorer.core.patterns import PatternName, snap_density
from explorer.core.split_points import INPUT, OUTPUT
from explorer.core.training import TrainingFailedError
from explorer.core.values import total_macs
from explorer.engine.encodings import ENCODINGS, Choice
from explorer.evaluate import build_network
from explorer.failures import failing_alone
from explorer.variants import Inventory, Variant

_MUCH_MORE = 1.2


@dataclass(frozen=True)
class Reference:
    """A known network enqueued before the search proposes anything.

    Attributes:
        name: ``dense``, ``all_edge``, ``all_server``, ``large_sparse`` or ``small_dense``.
        params: Optuna parameters of the candidate.
    """

    name: str
    params: dict[str, Any]


class Proposer:
    """Turns Optuna trials into candidates for one inventory and data set.

    Args:
        inventory: Variants of the space.
        data_identity: Plain data that identifies the training subset; part of every network's key.
        encoding: One of :data:`explorer.engine.encodings.ENCODINGS`.
    """

    def __init__(
        self, inventory: Inventory, data_identity: Mapping[str, Any], encoding: str = "conditional"
    ) -> None:
        self.inventory = inventory
        self.encoding = ENCODINGS[encoding](inventory)
        self.space = inventory.space
        self._data = json.dumps(data_identity, sort_keys=True)
        self._recipe = self.space.recipe

    def suggest(self, trial: optuna.Trial) -> Candidate:
        """Ask the sampler for every parameter and make the candidate they mean."""
        choice = self.encoding.suggest(trial)
        network = self.network(choice.variant, choice.pattern, choice.densities)
        return Candidate.canonical(
            network, choice.split_point, choice.confidence_threshold, choice.payload_bits
        )

    def network(
        self, variant: Variant, pattern: PatternName, densities: Mapping[str, Fraction]
    ) -> NetworkSpec:
        """The network of a variant at the given densities."""
        spec = self.space.backbones[variant.backbone]
        return NetworkSpec(
            backbone=variant.backbone,
            factory=spec.factory,
            arguments=json.dumps(variant.arguments, sort_keys=True),
            pattern=pattern,
            densities=tuple(densities.items()),
            exit_features=self.space.training.exit_features,
            recipe=self._recipe,
            data=self._data,
            exit_kind=self.space.exits.kind,
            bottleneck=variant.bottleneck,
            exits_at=None if spec.exits == "all" else tuple(spec.exits),
            max_crossing_tensors=spec.max_crossing_tensors,
            initial=variant.initial,
        )

    def failures(self) -> dict[str, str]:
        """Why networks of variants that cannot be used fail, by key."""
        pattern = self.space.patterns[0]
        return {
            self.network(variant, pattern, {}).key: variant.failure for variant in self.inventory.failures
        }

    def references(self) -> list[Reference]:
        """Reference candidates of every backbone that the space contains, those that train fastest first."""
        return [ref for backbone in self.space.backbones for ref in self._backbone_references(backbone)]

    def _backbone_references(self, backbone: str) -> Iterator[Reference]:
        if not (usable := self.inventory.usable(backbone)):
            return
        first, *others = usable
        variants = [first, *(v for v in others if v.bottleneck == first.bottleneck)]
        by_size = sorted(variants, key=lambda v: v.num_weights(v.densest))
        small, large = by_size[0], by_size[-1]
        names = [point.name for point in large.split_points]
        low, high = self.space.confidence_thresholds.low, self.space.confidence_thresholds.high
        dense = large.densest
        middle = names[len(names) // 2]
        if OUTPUT in names and small is not large:
            target = small.num_weights(small.densest)
            sparse = min(_uniform_densities(large), key=lambda d: abs(log(large.num_weights(d) / target)))
            pair = [
                Reference("large_sparse", self._params(large, sparse, OUTPUT, low)),
                Reference("small_dense", self._params(small, small.densest, OUTPUT, low)),
            ]
            # equal in weights, not in MACs where convolutions are: the first front shall be known soon
            slower = self._macs(large, sparse) > _MUCH_MORE * self._macs(small, small.densest)
            yield from reversed(pair) if slower else pair
        yield Reference("dense", self._params(large, dense, middle, (low + high) / 2))
        if OUTPUT in names:
            yield Reference("all_edge", self._params(large, dense, OUTPUT, low))
        if INPUT in names and high >= 1.0:
            yield Reference("all_server", self._params(large, dense, INPUT, 1.0))

    def _macs(self, variant: Variant, densities: Mapping[str, Fraction]) -> int:
        """Kept multiply-accumulates of a whole network; 0 for one that fails, which takes no time."""
        spec = self.network(variant, self.space.patterns[0], densities)
        try:
            with failing_alone():
                shape, classes = self.inventory.input_shape, self.inventory.num_classes
                network = build_network(spec, shape, classes, probe=False)
        except TrainingFailedError:
            return 0
        first, *_, last = network.split_points
        return total_macs(network.dataflow.between(first.nodes, last.nodes))

    def _params(
        self, variant: Variant, densities: Mapping[str, Fraction], split_point: str, threshold: float
    ) -> dict[str, Any]:
        """Parameters that :meth:`suggest` turns into this choice."""
        pattern, bits = self.space.patterns[0], min(self.space.payload_bits)
        return self.encoding.params(Choice(variant, pattern, densities, split_point, threshold, bits))

    def point_params(
        self, network: NetworkSpec, split_point: str, threshold: float | None, bits: int | None
    ) -> dict[str, Any]:
        """Optuna parameters of how a network is run, the threshold on the grid of steps.

        Args:
            network: Of this inventory.
            split_point: One that the space allows.
            threshold: None leaves the exit classifier out.
            bits: Payload bits; None at ``output``, where any will do.
        """
        variants = self.inventory.variants[network.backbone]
        wanted = (network.argument_values, network.bottleneck)
        variant = next(v for v in variants if (v.arguments, v.bottleneck) == wanted)
        payload_bits = min(self.space.payload_bits) if bits is None else bits
        return self.encoding.point_params(
            variant, split_point, 1.0 if threshold is None else threshold, payload_bits
        )


def _uniform_densities(variant: Variant) -> Iterator[dict[str, Fraction]]:
    """Assignments in which every junction is as near as it can be to one common density."""
    for target in sorted({choice for choices in variant.densities.values() for choice in choices}):
        yield {path: snap_density(float(target), choices) for path, choices in variant.densities.items()}
