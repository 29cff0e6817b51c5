"""One choice out of the search space, and the network it asks for."""

import hashlib
import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from explorer.core.bottleneck import Bottleneck
from explorer.core.exits import ExitKind
from explorer.core.layers import DRAWN, InitialWeights
from explorer.core.patterns import PatternName
from explorer.core.split_points import OUTPUT
from explorer.core.training import Recipe

_LATER: dict[str, Any] = {
    "initial": asdict(DRAWN),
    "exit_kind": "pooled",
    "exits_at": None,
    "bottleneck": None,
    "max_crossing_tensors": 1,
}
_LATER_IN_RECIPE: dict[str, Any] = {
    "exit_training": "joint",
    "exit_loss_weights": (),
    "exit_epochs": 0,
    "backbone": "train",
}


@dataclass(frozen=True)
class NetworkSpec:
    """All that determines a trained network.

    Attributes:
        backbone: Its name in the search space.
        factory: ``package.module:function``.
        arguments: Chosen arguments of the factory, as JSON text (so that a spec can be hashed).
        pattern: Places the kept connections.
        densities: Legal density per junction path, in definition order; 1 everywhere is the dense network.
        exit_features: Largest input of the exit classifiers.
        recipe: Training recipe.
        data: Identity of the training subset, as JSON text.
        exit_kind: Of the exit classifiers.
        exits_at: Split points that have one; None for all.
        bottleneck: The learned bottleneck; None for none.
        max_crossing_tensors: How many tensors a split point may send together.
        initial: What sparse layers start from.
    """

    backbone: str
    factory: str
    arguments: str
    pattern: PatternName
    densities: tuple[tuple[str, Fraction], ...]
    exit_features: int
    recipe: Recipe
    data: str
    exit_kind: ExitKind = "pooled"
    exits_at: tuple[str, ...] | None = None
    bottleneck: Bottleneck | None = None
    max_crossing_tensors: int = 1
    initial: InitialWeights = DRAWN

    @cached_property
    def key(self) -> str:
        """Canonical key: equal for networks that train to the same weights, safe as a folder name.

        The pattern of a network without any sparse junction places nothing and is left out, and so is what
        sparse layers start from.
        """
        content = self.to_json() | {"pattern": self.pattern if self.is_sparse else None}
        content.pop("backbone")
        if not self.is_sparse:
            content.pop("initial", None)
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return f"{self.backbone}-{digest[:12]}"

    @property
    def argument_values(self) -> dict[str, Any]:
        """Chosen arguments of the factory."""
        values: dict[str, Any] = json.loads(self.arguments)
        return values

    @property
    def is_sparse(self) -> bool:
        return any(density < 1 for _, density in self.densities)

    def to_json(self) -> dict[str, Any]:
        """Plain data; inverse of :meth:`from_json`.

        What came later than the first runs is left out where it is at its default: their keys stay.
        """
        content = asdict(self)
        for owner, defaults in ((content, _LATER), (content["recipe"], _LATER_IN_RECIPE)):
            for name, default in defaults.items():
                if owner[name] == default:
                    del owner[name]
        content["arguments"], content["data"] = json.loads(self.arguments), json.loads(self.data)
        content["densities"] = {path: str(density) for path, density in self.densities}
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "NetworkSpec":
        """Rebuild a spec; ``content`` as :meth:`to_json` gives it."""
        densities = tuple((path, Fraction(text)) for path, text in content["densities"].items())
        texts = {key: json.dumps(content[key], sort_keys=True) for key in ("arguments", "data")}
        weights = tuple((name, weight) for name, weight in content["recipe"].get("exit_loss_weights", ()))
        recipe = Recipe(**(content["recipe"] | {"exit_loss_weights": weights}))
        exits_at = None if content.get("exits_at") is None else tuple(content["exits_at"])
        bottleneck = Bottleneck(**content["bottleneck"]) if content.get("bottleneck") else None
        typed = {"densities": densities, "recipe": recipe, "exits_at": exits_at, "bottleneck": bottleneck}
        typed["initial"] = InitialWeights(**content.get("initial", {}))
        return cls(**(content | texts | typed))


@dataclass(frozen=True)
class Candidate:
    """What Optuna proposes: a network and how it is run.

    Attributes:
        network: The network to train, or reuse.
        split_point: Where it is cut.
        confidence_threshold: The edge answers alone from here on; None leaves the exit classifier out. At
            ``output`` the edge always answers.
        payload_bits: Bits per payload value; None at ``output``, where nothing is sent.
    """

    network: NetworkSpec
    split_point: str
    confidence_threshold: float | None
    payload_bits: int | None

    @classmethod
    def canonical(
        cls, network: NetworkSpec, split_point: str, confidence_threshold: float, payload_bits: int
    ) -> "Candidate":
        """Fold choices that mean the same into one.

        Nothing is sent at ``output``; from a threshold of 1.0 on the exit classifier is left out, and a split
        point may have none.
        """
        if split_point == OUTPUT:
            return cls(network, OUTPUT, 0.0, None)
        has_exit = network.exits_at is None or split_point in network.exits_at
        threshold = confidence_threshold if has_exit and confidence_threshold < 1 else None
        return cls(network, split_point, threshold, payload_bits)
