"""The search a user would write: Optuna proposes, a masked dense network trains, one point comes back.

It shares with the explorer what keeps the comparison fair: the legal densities, the positions of kept
weights, the exit classifier, the training loop (fused AdamW, half a cosine, channels last) and the payload's
encoding.
"""

import time
import zlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from math import prod, sqrt
from typing import Any

import numpy as np
import optuna
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from benchmarks.search_efficiency.curves import Sample
from explorer.backbones import build_backbone
from explorer.core.exits import ExitClassifier
from explorer.core.graph.same_training import laid_out
from explorer.core.graph.split_points import INPUT, OUTPUT, SplitPoint
from explorer.core.payload import Codec, encoded_bytes, roundtrip
from explorer.core.sparsity.patterns import PatternName, adjacency, snap_density
from explorer.core.training import TrainingFailedError, train
from explorer.data.dataset import DataSet, Subset
from explorer.front.pareto import non_dominated
from explorer.space.inventory import build_inventory
from explorer.space.schema import SearchSpace
from explorer.space.variants import Inventory, Variant


class Mask(nn.Module):
    """Zeroes the weights of absent connections in every forward pass."""

    kept: Tensor

    def __init__(self, kept: Tensor) -> None:
        super().__init__()
        self.register_buffer("kept", kept)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.kept


class SplitNetwork(nn.Module):
    """A sequential backbone cut in two, with at most one exit classifier at the cut."""

    def __init__(
        self, edge: nn.Sequential, server: nn.Sequential, exit_: ExitClassifier | None, num_classes: int
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.edge, self.server, self.exit = edge, server, exit_
        self.exit_names = [] if exit_ is None else ["cut"]

    def laid_out(self, data: Subset) -> AbstractContextManager[Subset]:
        """As :meth:`Network.laid_out`: its backbones train the same in either format."""
        return laid_out(self, data, data.samples.dim() == 4)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Logits of the exit, where there is one, then of the server part."""
        crossing = self.edge(x)
        return ([] if self.exit is None else [self.exit(crossing)]) + [self.server(crossing)]


@dataclass(frozen=True)
class Choice:
    """What one trial proposes; a confidence threshold of 1 leaves the exit classifier out."""

    variant: Variant
    densities: Mapping[str, Fraction]
    split_point: SplitPoint
    confidence_threshold: float
    payload_bits: int

    @property
    def has_exit(self) -> bool:
        return self.split_point.name != OUTPUT and self.confidence_threshold < 1


def suggest(trial: optuna.Trial, inventory: Inventory) -> Choice:
    """Ask for every parameter; densities are snapped to what the variant allows."""
    space = inventory.space
    ((backbone, spec),) = space.backbones.items()
    wanted = {
        name: options[trial.suggest_categorical(name, list(range(len(options))))]
        for name, options in spec.arguments.items()
    }
    variant = next(v for v in inventory.variants[backbone] if v.arguments == wanted)
    densities: dict[str, Fraction] = {}
    for path in inventory.free_groups(backbone):
        proposed = trial.suggest_float(f"density.{path}", *inventory.density_range(backbone, path), log=True)
        densities[path] = snap_density(proposed, variant.densities[path])
    points = {point.name: point for point in variant.split_points}
    point = points[trial.suggest_categorical("split_point", list(points))]
    threshold = trial.suggest_float("confidence_threshold", 0.0, 1.0, step=0.01)
    return Choice(
        variant, densities, point, threshold, trial.suggest_categorical("payload_bits", space.payload_bits)
    )


def build(choice: Choice, inventory: Inventory) -> SplitNetwork:
    """The masked dense network of a choice, with the explorer's positions and scale of initial weights."""
    space, seed = inventory.space, inventory.space.training.seed
    spec = space.backbones[choice.variant.backbone]
    layers = build_backbone(
        spec.factory, choice.variant.arguments, inventory.input_shape, inventory.num_classes, seed
    )
    assert isinstance(layers, nn.Sequential)
    sparse = [j.path for j in choice.variant.junctions if choice.densities.get(j.path, 1) < 1]
    for place, path in enumerate(sparse):
        _mask(layers.get_submodule(path), path, choice.densities[path], space.patterns[0], seed, place > 0)
    names = [name for name, _ in layers.named_children()]
    point = choice.split_point
    ends = {INPUT: 0, OUTPUT: len(names)}
    end = ends[point.name] if point.name in ends else names.index(point.name) + 1
    exit_ = None
    if choice.has_exit:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            exit_ = ExitClassifier(point.shape, inventory.num_classes, space.training.exit_features)
    edge, server = layers[:end], layers[end:]
    assert isinstance(edge, nn.Sequential)
    assert isinstance(server, nn.Sequential)
    return SplitNetwork(edge, server, exit_, inventory.num_classes)


def _mask(layer: nn.Module, path: str, density: Fraction, pattern: Any, seed: int, interleaved: bool) -> None:
    weight = layer.weight
    assert isinstance(weight, nn.Parameter)
    outputs, inputs = weight.shape[:2]
    placement_seed = zlib.crc32(f"{seed}/{path}".encode())
    chosen: PatternName = pattern
    kept = torch.from_numpy(adjacency(chosen, inputs, outputs, density, placement_seed, interleaved))
    with torch.no_grad():
        weight.div_(sqrt(density))  # uniform in +-1/sqrt(real fan-in)
    parametrize.register_parametrization(
        layer, "weight", Mask(kept.float().view(outputs, inputs, *[1] * (weight.dim() - 2))), unsafe=True
    )


@torch.inference_mode()
def edge_macs(network: SplitNetwork, densities: Mapping[str, Fraction], sample: Tensor) -> int:
    """Multiply-accumulates of kept weights on the edge, exit classifier included, for a batch of one."""
    macs = Fraction(0)
    for path, layer in network.edge.named_children():
        sample = layer(sample)
        if isinstance(layer, nn.Linear | nn.Conv2d):
            positions = sample.numel() // layer.weight.shape[0]
            macs += densities.get(path, 1) * layer.weight.numel() * positions
    exit_ = network.exit
    return int(macs) + (sum(step.macs for step in exit_.steps) if exit_ is not None else 0)


@torch.inference_mode()
def answers(network: SplitNetwork, data: Subset, choice: Choice) -> tuple[float, float]:
    """Accuracy on ``data``, and the share of samples that crosses the link."""
    at_output = choice.split_point.name == OUTPUT
    correct = offloaded = 0
    for inputs, labels in zip(data.inputs.split(512), data.labels.split(512), strict=True):
        crossing = network.edge(inputs)
        if at_output:
            correct += int((crossing.argmax(-1) == labels).sum())
            continue
        sent = torch.ones(len(labels), dtype=torch.bool)
        if network.exit is not None:
            confidence, predicted = network.exit(crossing).softmax(-1).max(-1)
            sent = confidence < choice.confidence_threshold
            correct += int((predicted == labels)[~sent].sum())
        if sent.any():
            received = roundtrip(crossing[sent], Codec(choice.payload_bits))
            correct += int((network.server(received).argmax(-1) == labels[sent]).sum())
            offloaded += int(sent.sum())
    return correct / len(data), offloaded / len(data)


def run_plain(
    space: SearchSpace, data: DataSet, seed: int, budget_s: float, trials: int | None = None
) -> list[Sample]:
    """Train a network per trial until the budget is spent; returns where the search stood after each.

    Args:
        space: One backbone, sequential; objectives accuracy, edge MACs, payload bytes.
        data: Its data.
        seed: Of the sampler.
        budget_s: No trial starts after it.
        trials: At most so many.
    """
    start = time.perf_counter()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    inventory = build_inventory(space, data.input_shape, data.num_classes)
    recipe = space.recipe
    samples: list[Sample] = []

    def objective(trial: optuna.Trial) -> tuple[float, float, float]:
        choice = suggest(trial, inventory)
        network = build(choice, inventory)
        macs = edge_macs(network.eval(), choice.densities, data.validation.inputs[:1])
        train(network, data.train, recipe)  # type: ignore[arg-type]
        accuracy, offload_rate = answers(network, data.validation, choice)
        sent_bytes = encoded_bytes(prod(choice.split_point.shape), choice.payload_bits)
        return accuracy, float(macs), offload_rate * sent_bytes

    def record(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        front = samples[-1].losses if samples else np.empty((0, 3))
        if trial.state == optuna.trial.TrialState.COMPLETE:
            accuracy, macs, payload = trial.values
            front = np.vstack([front, [-accuracy, macs, payload]])
            front = front[non_dominated(front)]
        samples.append(Sample(time.perf_counter() - start, trial.number + 1, front))

    study = optuna.create_study(
        directions=["maximize", "minimize", "minimize"], sampler=optuna.samplers.TPESampler(seed=seed)
    )
    left_s = budget_s - (time.perf_counter() - start)
    study.optimize(
        objective, n_trials=trials, timeout=left_s, callbacks=[record], catch=(TrainingFailedError,)
    )
    return samples
