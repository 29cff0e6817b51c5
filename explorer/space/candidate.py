"""One choice out of the search space, and the network it asks for."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from explorer.core.bottleneck import Bottleneck
from explorer.core.exits import ExitKind
from explorer.core.graph.split_points import OUTPUT
from explorer.core.recipe import Recipe
from explorer.core.run_point import RunPoint
from explorer.core.sparsity.layers import DRAWN, InitialWeights
from explorer.core.sparsity.patterns import PatternName

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


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
        dense_epochs: Joint epochs of the trained dense network that it starts from or learns from, see
            :attr:`dense`; None where it needs none.
        input_pool: Extent of the average pooling before the backbone, see :mod:`explorer.core.input_pool`.

    Example:
        >>> from explorer.space.files import load_space
        >>> how = ("explorer.backbones:mlp", '{"hidden": [8]}', "block", (("fc1", Fraction(1, 4)),), 64)
        >>> spec = NetworkSpec("mlp", *how, load_space("digits")[0].recipe, '{"source": "digits"}')
        >>> spec.key, spec.is_sparse, NetworkSpec.from_json(spec.to_json()) == spec
        ('mlp-...', True, True)
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
    dense_epochs: int | None = None
    input_pool: int = 1

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
        """Whether any junction keeps less than all its connections."""
        return any(density < 1 for _, density in self.densities)

    @property
    def dense(self) -> "NetworkSpec | None":
        """The dense network it starts or learns from, which needs no other; None where it needs none."""
        if self.dense_epochs is None:
            return None
        densities = tuple((path, Fraction(1)) for path, _ in self.densities)
        recipe = replace(self.recipe, epochs=self.dense_epochs, teacher=None)
        return replace(self, densities=densities, recipe=recipe, initial=DRAWN, dense_epochs=None)

    @property
    def starts_from_dense(self) -> bool:
        """Whether it takes over the weights of :attr:`dense`."""
        return self.dense_epochs is not None and self.initial.source == "dense"

    def to_json(self) -> dict[str, Any]:
        """Plain data; inverse of :meth:`from_json`.

        What is at its default is left out: a field that is added later leaves the keys of others as they are.
        """
        content = _without_defaults(self) | {"recipe": _without_defaults(self.recipe)}
        content["arguments"], content["data"] = json.loads(self.arguments), json.loads(self.data)
        content["densities"] = {path: str(density) for path, density in self.densities}
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "NetworkSpec":
        """Rebuild a spec; ``content`` as :meth:`to_json` gives it."""
        densities = tuple((path, Fraction(text)) for path, text in content["densities"].items())
        texts = {key: json.dumps(content[key], sort_keys=True) for key in ("arguments", "data")}
        recipe = Recipe.from_json(content["recipe"])
        exits_at = None if content.get("exits_at") is None else tuple(content["exits_at"])
        bottleneck = Bottleneck(**content["bottleneck"]) if content.get("bottleneck") else None
        typed = {"densities": densities, "recipe": recipe, "exits_at": exits_at, "bottleneck": bottleneck}
        typed["initial"] = InitialWeights(**content.get("initial", {}))
        return cls(**(content | texts | typed))


def _without_defaults(spec: "DataclassInstance") -> dict[str, Any]:
    content = asdict(spec)
    return {f.name: content[f.name] for f in fields(spec) if getattr(spec, f.name) != f.default}


@dataclass(frozen=True)
class Candidate:
    """What Optuna proposes: a network to train, or reuse, and how it is run.

    Example:
        >>> from explorer.space.files import load_space
        >>> how = ("explorer.backbones:mlp", '{"hidden": [8]}', "block", (), 64)
        >>> spec = NetworkSpec("mlp", *how, load_space("digits")[0].recipe, '{"source": "digits"}')
        >>> Candidate.canonical(spec, RunPoint("output", confidence_threshold=0.7, payload_bits=8)).point
        RunPoint(split_point='output', confidence_threshold=0.0, payload_bits=None, edge_weight_bits=32)
    """

    network: NetworkSpec
    point: RunPoint

    @classmethod
    def canonical(cls, network: NetworkSpec, point: RunPoint) -> Self:
        """Fold choices that mean the same into one.

        Nothing is sent at ``output``; from a threshold of 1 on the exit classifier is left out, and a split
        point may have none.
        """
        if point.split_point == OUTPUT:
            return cls(network, RunPoint.at_output(point.edge_weight_bits))
        threshold = point.confidence_threshold
        has_exit = network.exits_at is None or point.split_point in network.exits_at
        if not has_exit or (threshold is not None and threshold >= 1):
            threshold = None
        return cls(network, replace(point, confidence_threshold=threshold))
