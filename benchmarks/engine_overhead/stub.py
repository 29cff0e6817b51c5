"""Trainings made up in a fraction of a millisecond, with all the data a real one on digits leaves behind."""

import time
import zlib
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explorer.core.calibration import uncalibrated
from explorer.core.evidence import Evidence
from explorer.core.payload import encoded_bytes
from explorer.core.training_record import TrainingRecord
from explorer.costs.build import build_network
from explorer.costs.dense_macs import dense_counts
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask
from explorer.costs.split_costs import SplitCosts, split_costs
from explorer.engine.proposals import Proposer
from explorer.space.candidate import NetworkSpec
from explorer.space.rebuilt import SAMPLES, sample_logits
from explorer.space.variants import Inventory

_COUNTED = ("edge_macs", "server_macs", "edge_param_bytes", "server_param_bytes")


@dataclass(frozen=True)
class Prototype:
    """A dense network of the space, built and probed, never trained.

    Attributes:
        splits: Its costs.
        weights: Its initial weights.
        uncounted: Operators that fvcore does not count.
        logits: What it gives for zeros.
    """

    splits: tuple[SplitCosts, ...]
    weights: dict[str, Tensor]
    uncounted: dict[str, int]
    logits: Tensor


class Stub:
    """Stands for training: follows from the network's spec alone, and knows how long it took.

    Costs and weights are those of the dense network times the mean density; evidence is drawn.

    Args:
        inventory: Variants of the space.
        sleep_s: Seconds that each training lasts beyond making it up.
    """

    def __init__(self, inventory: Inventory, sleep_s: float = 0.0) -> None:
        space = inventory.space
        self.sleep_s, self.seconds = sleep_s, 0.0
        self._bits, self._samples = tuple(space.payload_bits), int(space.data.validation_samples)
        proposer = Proposer(inventory, {})
        self._prototypes: dict[tuple[str, str], Prototype] = {}
        for variant in (v for variants in inventory.variants.values() for v in variants):
            densities = {path: Fraction(1) for path in variant.densities}
            spec = proposer.network(variant, space.patterns[0], densities)
            self._prototypes[spec.factory, spec.arguments] = _prototype(spec, inventory)

    def __call__(self, task: TrainingTask) -> EvaluatedNetwork:
        """Make up a whole training; what it takes is added to ``seconds``."""
        start = time.perf_counter()
        network = self._fabricate(task.spec)
        if self.sleep_s:
            time.sleep(self.sleep_s)
        self.seconds += time.perf_counter() - start
        return network

    def _fabricate(self, spec: NetworkSpec) -> EvaluatedNetwork:
        prototype = self._prototypes[spec.factory, spec.arguments]
        share = fmean([float(density) for _, density in spec.densities] or [1.0])
        splits = tuple(_thinned(split, share) for split in prototype.splits)
        rng = np.random.default_rng(zlib.crc32(spec.key.encode()))
        names = tuple(split.name for split in splits[:-1])
        record = TrainingRecord(spec.recipe.epochs, 0, 0.25, self.sleep_s)
        weights = {name: kept(tensor, share) for name, tensor in prototype.weights.items()}
        evidence = self._evidence(splits[:-1], share, rng)
        rest = (dict(prototype.uncounted), uncalibrated(names, self._bits), prototype.logits)
        return EvaluatedNetwork(spec, splits, evidence, record, weights, 0, *rest)

    def _evidence(self, splits: tuple[SplitCosts, ...], share: float, rng: np.random.Generator) -> Evidence:
        """Samples differ in difficulty; deeper exits and denser networks manage harder ones."""
        samples, best = self._samples, 0.85 + 0.13 * share
        names = tuple(split.name for split in splits)
        lengths = [[[encoded_bytes(split.payload_elements, b)] for b in self._bits] for split in splits]
        difficulty_N = rng.random(samples)
        skill_S1 = best * np.linspace(0.93, 0.99, len(names))[:, None]
        margin_SN = skill_S1 - difficulty_N + rng.normal(0.0, 0.02, (len(names), samples))
        confidence_SN = 0.1 + 0.9 / (1.0 + np.exp(-12.0 * (margin_SN + rng.normal(0.0, 0.02, samples))))
        output_N = difficulty_N < best
        flipped_SBN = rng.random((len(names), len(self._bits), samples)) < 0.005
        return Evidence(
            names,
            self._bits,
            confidence_SN.astype(np.float32),
            margin_SN > 0,
            output_N ^ flipped_SBN,
            output_N,
            np.array(lengths, dtype=np.int32),
            np.arange(samples) % 10,
        )


def _prototype(spec: NetworkSpec, inventory: Inventory) -> Prototype:
    network = build_network(spec, inventory.input_shape, inventory.num_classes)
    dense = dense_counts(
        spec.factory, spec.arguments, inventory.input_shape, inventory.num_classes, spec.exit_features
    )
    logits = sample_logits(network, torch.zeros(SAMPLES, *inventory.input_shape))
    return Prototype(split_costs(network, dense), network.weights(), dict(dense.uncounted), logits)


def _thinned(split: SplitCosts, share: float) -> SplitCosts:
    counts: dict[str, Any] = {name: int(share * getattr(split, name)) for name in _COUNTED}
    operators = tuple(own._replace(macs=int(share * own.macs)) for own in split.operators)
    return replace(split, operators=operators, **counts)


def kept(tensor: Tensor, share: float) -> Tensor:
    """The first ``share`` of a tensor's values, at least one."""
    return tensor.flatten()[: max(1, int(share * prod(tensor.shape)))].clone()
