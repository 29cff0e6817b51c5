"""Parts of many networks, as a bundle holds them, with the operators that the cost model sees in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import nn

from explorer import backbones
from explorer.core.calibration import uncalibrated
from explorer.core.chain import (
    DeployedChain,
    Normalise,
    confidence_name,
    crossing_name,
    exit_name,
)
from explorer.core.graph.split_points import OUTPUT
from explorer.core.network import Network
from explorer.core.sparsity.patterns import snap_density
from explorer.core.sparsity.sparsify import find_junctions, sparsify
from explorer.costs.dense_macs import DenseCounts
from explorer.costs.split_costs import SplitCosts, split_costs
from explorer.deploy.onnx_files import export_chain, sliced
from explorer.devices.operators import Operator
from explorer.runtime.stages import INPUT, LOGITS

CLASSES, EXIT_FEATURES, CUTS = 10, 64, 2
DENSITIES = (Fraction(1), Fraction(1, 2), Fraction(1, 4), Fraction(1, 8), Fraction(1, 16))


@dataclass(frozen=True)
class Architecture:
    """A network to be cut: its factory, input and arguments; ``mlp`` or ``cnn`` is its family."""

    name: str
    family: str
    factory: str
    shape: tuple[int, ...]
    arguments: dict[str, Any]

    def build(self, density: Fraction) -> nn.Module:
        """With every junction but the last at the legal density nearest to ``density``."""
        torch.manual_seed(0)
        make = getattr(backbones, self.factory)
        module: nn.Module = make(input_shape=self.shape, num_classes=CLASSES, **self.arguments)
        junctions = find_junctions(module, "block")[:-1]
        densities = {own.path: snap_density(float(density), own.legal) for own in junctions}
        sparsify(module, densities, "block", seed=0)
        return module


ARCHITECTURES = (
    Architecture("mlp 64-32-16", "mlp", "mlp", (64,), {"hidden": [32, 16]}),
    Architecture("mlp 64-128-64", "mlp", "mlp", (64,), {"hidden": [128, 64]}),
    Architecture("mlp 784-256-128", "mlp", "mlp", (784,), {"hidden": [256, 128]}),
    Architecture("mlp 784-800-800", "mlp", "mlp", (784,), {"hidden": [800, 800]}),
    Architecture("cnn 8x8", "cnn", "cnn", (1, 8, 8), {"channels": [16, 32], "hidden": 32}),
    Architecture("cnn 28x28", "cnn", "cnn", (1, 28, 28), {"channels": [8, 16], "hidden": 32}),
    Architecture("cnn 32x32", "cnn", "cnn", (3, 32, 32), {"channels": [16, 32, 64], "hidden": 64}),
    Architecture("lenet5", "cnn", "lenet5", (1, 28, 28), {}),
    Architecture("ds_cnn", "cnn", "ds_cnn", (1, 28, 28), {"width": 32, "blocks": 2}),
    Architecture("resnet8", "cnn", "resnet", (3, 32, 32), {"depth": 8}),
    Architecture("cnn1d", "cnn", "cnn1d", (6, 64), {"channels": [16, 32]}),
)


@dataclass(frozen=True, eq=False)
class Part:
    """One half of a network, cut somewhere.

    Attributes:
        architecture: Its network.
        density: Of its junctions, about.
        half: ``edge`` or ``server``.
        place: Of the cut.
        operators: As the cost model lists them.
        model: ONNX.
        shape: Of its input, without batch.
    """

    architecture: Architecture
    density: Fraction
    half: str
    place: int
    operators: tuple[Operator, ...]
    model: bytes
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        """Unlike that of any other part."""
        return f"{self.architecture.name} {self.density} {self.half} {self.place}"


def parts_of(architecture: Architecture, density: Fraction) -> Iterator[Part]:
    """Both halves of a network at up to :data:`CUTS` split points, spread over its depth."""
    shape = architecture.shape
    network = Network(architecture.build(density), torch.zeros(1, *shape), CLASSES, EXIT_FEATURES).eval()
    none = {point.name: 0 for point in network.split_points}
    costs = split_costs(network, DenseCounts(none, none, {}))
    inner = [point for point in network.split_points if point.name not in ("input", OUTPUT)]
    step = max(len(inner) // CUTS, 1)
    cuts = inner[step - 1 :: step][:CUTS]
    names = [point.name for point in cuts]
    normalise = Normalise([0.0], [1.0], shape, "float32")
    chain = DeployedChain(network, cuts, set(names), uncalibrated(names, (8,)), normalise)
    model = export_chain(chain, shape)
    for place, point in enumerate(cuts):
        wanted = (crossing_name(place), exit_name(place), confidence_name(place))
        outputs = {name: name for name in wanted if name in chain.names}
        at = [own.name for own in costs].index(point.name)
        yield Part(
            *(architecture, density, "edge", place, _edge_operators(costs, at)),
            sliced(model, INPUT, outputs, chain.shapes),
            shape,
        )
        after = tuple(own for split in costs[at + 1 :] for own in split.operators)
        file = sliced(model, wanted[0], {LOGITS: LOGITS}, chain.shapes)
        yield Part(architecture, density, "server", place, after, file, point.shape)


def _edge_operators(costs: tuple[SplitCosts, ...], at: int) -> tuple[Operator, ...]:
    before = [own for split in costs[: at + 1] for own in split.operators]
    return (*before, *costs[at].exit_operators)
