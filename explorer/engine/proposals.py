"""Between Optuna's parameters and candidates, and the reference networks that every search starts with."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import log
from typing import Any, cast

import optuna

from explorer.candidate import Candidate, NetworkSpec
from explorer.core.patterns import PatternName, snap_density
from explorer.core.split_points import INPUT, OUTPUT
from explorer.core.training import Recipe
from explorer.variants import Inventory, Variant


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
    """

    def __init__(self, inventory: Inventory, data_identity: Mapping[str, Any]) -> None:
        self.inventory = inventory
        self.space = inventory.space
        self._data = json.dumps(data_identity, sort_keys=True)
        content = self.space.training.model_dump(exclude={"exit_features"})
        self._recipe = Recipe(**content)

    def suggest(self, trial: optuna.Trial) -> Candidate:
        """Ask the sampler for every parameter and snap to what is legal for the chosen variant."""
        backbone = trial.suggest_categorical("backbone", list(self.space.backbones))
        variant = self._suggest_variant(trial, backbone)
        pattern = self.space.patterns[0]
        if len(self.space.patterns) > 1:
            pattern = cast(PatternName, trial.suggest_categorical("pattern", self.space.patterns))
        densities = {path: choices[-1] for path, choices in variant.densities.items()}
        for path in self.inventory.free_junctions(backbone):
            if len(variant.densities.get(path, ())) > 1:
                low, high = self.inventory.density_range(backbone, path)
                proposed = trial.suggest_float(f"{backbone}.density.{path}", low, high, log=True)
                densities[path] = snap_density(proposed, variant.densities[path])
        depth = trial.suggest_float(f"{backbone}.split_point", 0.0, 1.0)
        points = variant.split_points
        split_point = points[min(int(depth * len(points)), len(points) - 1)].name
        thresholds = self.space.confidence_thresholds
        threshold = trial.suggest_float(
            "confidence_threshold", thresholds.low, thresholds.high, step=thresholds.step
        )
        bits = trial.suggest_categorical("payload_bits", self.space.payload_bits)
        network = self.network(variant, pattern, densities)
        return Candidate.canonical(network, split_point, round(threshold, 9), bits)

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
        )

    def _suggest_variant(self, trial: optuna.Trial, backbone: str) -> Variant:
        chosen: dict[str, Any] = {}
        for argument, choices in self.space.backbones[backbone].arguments.items():
            chosen[argument] = choices[0]
            if len(choices) > 1:
                texts = [json.dumps(choice) for choice in choices]
                chosen[argument] = json.loads(trial.suggest_categorical(f"{backbone}.{argument}", texts))
        return next(v for v in self.inventory.variants[backbone] if v.arguments == chosen)

    def references(self) -> list[Reference]:
        """Reference candidates of every backbone that the space contains, those that train fastest first."""
        return [ref for backbone in self.space.backbones for ref in self._backbone_references(backbone)]

    def _backbone_references(self, backbone: str) -> Iterator[Reference]:
        variants = self.inventory.variants[backbone]
        by_size = sorted(variants, key=lambda v: v.num_weights(_densest(v)))
        small, large = by_size[0], by_size[-1]
        names = [point.name for point in large.split_points]
        low, high = self.space.confidence_thresholds.low, self.space.confidence_thresholds.high
        dense = _densest(large)
        middle = names[len(names) // 2]
        if OUTPUT in names and small is not large:
            target = small.num_weights(_densest(small))
            sparse = min(_uniform_densities(large), key=lambda d: abs(log(large.num_weights(d) / target)))
            yield Reference("large_sparse", self._params(large, sparse, OUTPUT, low))
            yield Reference("small_dense", self._params(small, _densest(small), OUTPUT, low))
        yield Reference("dense", self._params(large, dense, middle, (low + high) / 2))
        if OUTPUT in names:
            yield Reference("all_edge", self._params(large, dense, OUTPUT, low))
        if INPUT in names and high >= 1.0:
            yield Reference("all_server", self._params(large, dense, INPUT, 1.0))

    def _params(
        self, variant: Variant, densities: Mapping[str, Fraction], split_point: str, threshold: float
    ) -> dict[str, Any]:
        """Optuna parameters that :meth:`suggest` turns into this choice."""
        backbone = variant.backbone
        params: dict[str, Any] = {"backbone": backbone, "payload_bits": min(self.space.payload_bits)}
        for argument, choices in self.space.backbones[backbone].arguments.items():
            if len(choices) > 1:
                params[f"{backbone}.{argument}"] = json.dumps(variant.arguments[argument])
        if len(self.space.patterns) > 1:
            params["pattern"] = self.space.patterns[0]
        for path in self.inventory.free_junctions(backbone):
            if len(variant.densities.get(path, ())) > 1:
                params[f"{backbone}.density.{path}"] = float(densities[path])
        return params | self._how_to_run(variant, split_point, threshold)

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
        variant = next(v for v in variants if v.arguments == network.argument_values)
        payload_bits = min(self.space.payload_bits) if bits is None else bits
        params = self._how_to_run(variant, split_point, 1.0 if threshold is None else threshold)
        return params | {"payload_bits": payload_bits}

    def _how_to_run(self, variant: Variant, split_point: str, threshold: float) -> dict[str, Any]:
        names = [point.name for point in variant.split_points]
        return {
            f"{variant.backbone}.split_point": (names.index(split_point) + 0.5) / len(names),
            "confidence_threshold": self._proposable(threshold),
        }

    def _proposable(self, threshold: float) -> float:
        """The largest confidence threshold up to ``threshold`` that lies on the grid of steps."""
        thresholds = self.space.confidence_thresholds
        steps = int((threshold - thresholds.low) / thresholds.step + 1e-9)
        return min(thresholds.low + steps * thresholds.step, thresholds.high)


def _densest(variant: Variant) -> dict[str, Fraction]:
    return {path: choices[-1] for path, choices in variant.densities.items()}


def _uniform_densities(variant: Variant) -> Iterator[dict[str, Fraction]]:
    """Assignments in which every junction is as near as it can be to one common density."""
    for target in sorted({choice for choices in variant.densities.values() for choice in choices}):
        yield {path: snap_density(float(target), choices) for path, choices in variant.densities.items()}
