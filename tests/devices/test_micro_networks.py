"""Networks that are timed are written as the exporter writes the same layers."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from explorer.core.calibration import uncalibrated
from explorer.core.chain import DeployedChain, Normalise
from explorer.core.network import Network
from explorer.core.sparsity.layers import sparse_layer
from explorer.costs.dense_macs import DenseCounts
from explorer.costs.split_costs import split_costs
from explorer.deploy.onnx_files import export_chain, sliced
from explorer.devices.micro_builder import Builder, MicroNetwork
from explorer.devices.micro_networks import micro_networks
from explorer.runtime.stages import INPUT, LOGITS

QUARTER, THREE_EIGHTHS = Fraction(1, 4), Fraction(3, 8)


def block(dense: nn.Module, density: Fraction, interleaved: bool = True) -> nn.Module:
    return sparse_layer(dense, "block", density, 0, interleaved)  # type: ignore[arg-type]


def linear(density: Fraction) -> nn.Module:
    return nn.Sequential(block(nn.Linear(64, 32), density), nn.ReLU(), nn.Linear(32, 10))


def conv(density: Fraction, interleaved: bool) -> nn.Module:
    layer = block(nn.Conv2d(16, 8, 3, padding=1), density, interleaved)
    return nn.Sequential(layer, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 16, 10))


CASES: dict[str, tuple[Callable[[], nn.Module], Builder]] = {
    "dense": (
        lambda: nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)),
        Builder((64,)).linear(32).linear(10, relu=False),
    ),
    "block": (lambda: linear(QUARTER), Builder((64,)).block_linear(32, 4).linear(10, relu=False)),
    "gathered": (
        lambda: linear(THREE_EIGHTHS),
        Builder((64,)).block_linear(32, 8, 3).linear(10, relu=False),
    ),
    "grouped": (
        lambda: conv(QUARTER, interleaved=False),
        Builder((16, 8, 8)).conv(8, 3, groups=4).pool(2).linear(10, relu=False),
    ),
    "gathered channels": (
        lambda: conv(QUARTER, interleaved=True),
        Builder((16, 8, 8)).conv(8, 3, groups=4, reads=1).pool(2).linear(10, relu=False),
    ),
}


def operators_of(model: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(model).graph.node]


@pytest.mark.parametrize("name", CASES)
def test_as_the_exporter_writes_it_and_the_costs_list_it(name: str) -> None:
    make, chain = CASES[name]
    shape, micro = chain.first, chain.finished()
    network = Network(make(), torch.zeros(1, *shape), 10, 16).eval()
    none: dict[str, int] = {point.name: 0 for point in network.split_points}
    costs = split_costs(network, DenseCounts(none, none, {}))
    assert tuple(own for split in costs for own in split.operators) == micro.operators
    normalise = Normalise([0.0], [1.0], shape, "float32")
    deployed = DeployedChain(network, [], set(), uncalibrated([], (8,)), normalise)
    model = export_chain(deployed, shape)
    exported = operators_of(sliced(model, INPUT, {LOGITS: LOGITS}, deployed.shapes))
    moves = {"Reshape", "Transpose"}  # the exporter may leave out one that changes nothing
    assert [own for own in exported if own not in moves] == [
        own for own in operators_of(micro.model) if own not in moves
    ]


@pytest.mark.parametrize("network", micro_networks()[::9], ids=lambda network: network.name)
def test_runs(network: MicroNetwork) -> None:
    if network.model:
        onnx.checker.check_model(network.model)
        session = onnxruntime.InferenceSession(network.model, providers=["CPUExecutionProvider"])
        (result,) = session.run(None, {"input": np.ones((1, *network.shape), np.float32)})
        assert np.isfinite(result).all()


def test_names_differ() -> None:
    names = [network.name for network in micro_networks()]
    assert len(set(names)) == len(names)
