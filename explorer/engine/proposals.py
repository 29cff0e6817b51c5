"""Candidates out of the sampler's choices."""

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from optuna.trial import BaseTrial

from explorer.core.run_point import RunPoint
from explorer.core.sparsity.patterns import PatternName
from explorer.engine.encodings import ENCODINGS, ParamChoice
from explorer.space.candidate import Candidate, NetworkSpec
from explorer.space.variants import Inventory, Variant


class Proposer:
    """Turns Optuna trials into candidates for one inventory and data set.

    Args:
        inventory: Variants of the space.
        data_identity: Plain data that identifies the training subset; part of every network's key.
        encoding: One of :data:`explorer.engine.encodings.ENCODINGS`.

    Example:
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> proposer = Proposer(build_inventory(load_space("digits")[0], (1, 8, 8), 10), {"source": "digits"})
        >>> small = proposer.inventory.variants["mlp"][0]
        >>> from optuna.trial import FixedTrial
        >>> trial = FixedTrial(proposer.params(small, small.densest, "relu1", 0.9))
        >>> proposer.suggest(trial).point
        RunPoint(split_point='relu1', confidence_threshold=0.9, payload_bits=8, edge_weight_bits=32)
    """

    def __init__(
        self, inventory: Inventory, data_identity: Mapping[str, Any], encoding: str = "conditional"
    ) -> None:
        self.inventory = inventory
        self.encoding = ENCODINGS[encoding](inventory)
        self.space = inventory.space
        self._data = json.dumps(data_identity, sort_keys=True)
        self._recipes = {name: self.space.recipe_of(name) for name in self.space.backbones}
        self._sparse_recipes = {name: self.space.sparse_recipe_of(name) for name in self.space.backbones}
        self._dense_first = self.space.training.dense_first

    def suggest(self, trial: BaseTrial) -> Candidate:
        """Ask the sampler for every parameter and make the candidate they mean."""
        choice = self.encoding.suggest(trial)
        network = self.network(choice.variant, choice.pattern, choice.densities)
        return Candidate.canonical(network, choice.point)

    def network(
        self, variant: Variant, pattern: PatternName, densities: Mapping[str, Fraction]
    ) -> NetworkSpec:
        """The network of a variant at the given densities."""
        spec = self.space.backbones[variant.backbone]
        waits = self._dense_first and any(density < 1 for density in densities.values())
        recipes = self._sparse_recipes if waits else self._recipes
        return NetworkSpec(
            backbone=variant.backbone,
            factory=spec.factory,
            arguments=json.dumps(variant.arguments, sort_keys=True),
            pattern=pattern,
            densities=tuple(densities.items()),
            exit_features=self.space.training.exit_features,
            recipe=recipes[variant.backbone],
            data=self._data,
            exit_kind=self.space.exits.kind,
            bottleneck=variant.bottleneck,
            exits_at=None if spec.exits == "all" else tuple(spec.exits),
            max_crossing_tensors=spec.max_crossing_tensors,
            initial=variant.initial,
            dense_epochs=self.space.training.epochs if waits else None,
            input_pool=variant.input_pool,
        )

    def failures(self) -> dict[str, str]:
        """Why networks of variants that cannot be used fail, by key."""
        pattern = self.space.patterns[0]
        return {
            self.network(variant, pattern, {}).key: variant.failure for variant in self.inventory.failures
        }

    def params(
        self, variant: Variant, densities: Mapping[str, Fraction], split_point: str, threshold: float
    ) -> dict[str, Any]:
        """Parameters that :meth:`suggest` turns into this choice, with the fewest payload bits."""
        point = RunPoint(split_point, threshold, min(self.space.payload_bits))
        return self.encoding.params(ParamChoice(variant, self.space.patterns[0], densities, point))
