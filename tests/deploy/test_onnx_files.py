"""ONNX files: only what is asked for is in them, and positions take what is counted."""

from collections.abc import Callable
from fractions import Fraction
from typing import Literal

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from explorer.core.calibration import uncalibrated
from explorer.core.chain import DeployedChain, Normalise
from explorer.core.graph.dataflow import index_bytes
from explorer.core.network import Network
from explorer.core.sparsity.layers import InitialWeights, sparse_layer
from explorer.core.sparsity.patterns import PatternName
from explorer.core.sparsity.sparsify import sparsify
from explorer.deploy.onnx_files import export_chain, sliced


def chain_of(first: nn.Module, inputs: int) -> DeployedChain:
    backbone = nn.Sequential(first, nn.ReLU(), nn.Linear(32, 4))
    network = Network(backbone, torch.zeros(1, inputs), num_classes=4, exit_features=8).eval()
    cuts, normalise = [network.split_point("1")], Normalise([0.0], [1.0], (inputs,), "float32")
    return DeployedChain(network, cuts, {"1"}, uncalibrated(["1"], (8,)), normalise)


def test_a_file_holds_what_its_outputs_need_and_no_more() -> None:
    model = export_chain(chain_of(nn.Linear(16, 32), 16), (16,))
    shapes = {"input": (16,), "crossing.0": (32,), "logits.0": (4,), "confidence.0": (), "logits": (4,)}
    sizes = {}
    for name, start, output in (
        ("edge", "input", "crossing.0"),
        ("exit", "crossing.0", "confidence.0"),
        ("server", "crossing.0", "logits"),
    ):
        file = onnx.load_from_string(sliced(model, start, {output: "crossing"}, shapes))
        sizes[name] = sum(int(np.prod(own.dims)) for own in file.graph.initializer)
        assert [own.name for own in file.graph.output] == ["crossing"]
    assert sizes["edge"] == 16 * 32 + 32
    assert sizes["server"] == 32 * 4 + 4
    assert sizes["exit"] - 32 * 4 - 4 in range(4)  # beside the Linear layer a shape or two


def test_positions_take_as_few_bytes_as_they_need() -> None:
    layer = sparse_layer(nn.Linear(64, 32), "random", Fraction(1, 4), seed=0)
    model = export_chain(chain_of(layer, 64), (64,))
    positions = [own for own in model.graph.initializer if own.name.endswith(".narrow")]
    (own,) = positions
    assert numpy_helper.to_array(own).dtype == np.uint16  # 2,048 places
    assert sorted(numpy_helper.to_array(own).ravel()) == sorted(layer.kept_positions().tolist())


def exported_bytes(backbone: nn.Module, shape: tuple[int, ...]) -> tuple[int, int]:
    """Bytes of all tables of positions in the edge's file, and what is counted for them."""
    network = Network(backbone, torch.zeros(1, *shape), num_classes=4, exit_features=8).eval()
    before = network.split_points[-2]
    normalise = Normalise([0.0], [1.0], shape, "float32")
    chain = DeployedChain(network, [before], set(), uncalibrated([before.name], (8,)), normalise)
    model = export_chain(chain, shape)
    shapes = {"input": shape, "crossing.0": before.shape, "logits": (4,)}
    file = onnx.load_from_string(sliced(model, "input", {"logits": "crossing"}, shapes))
    tables = {own.name: numpy_helper.to_array(own) for own in file.graph.initializer}
    widened = {node.output[0]: node.input[0] for node in file.graph.node if node.op_type == "Cast"}
    read = [n.input[1] for n in file.graph.node if n.op_type in ("ScatterND", "Gather")]
    return sum(tables[widened.get(name, name)].nbytes for name in set(read)), index_bytes(
        network.dataflow.values.values()
    )


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 4))


def cnn() -> nn.Module:
    convolutions = [nn.Conv2d(6, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 24, 3), nn.ReLU()]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(24 * 16, 4))


@pytest.mark.parametrize(
    ("make", "shape", "pattern", "densities"),
    [
        (mlp, (32,), "structured", {"0": "1/4", "2": "3/8"}),
        (mlp, (32,), "random", {"0": "1/8", "2": "1/8"}),
        (mlp, (32,), "clash_free", {"0": "1/2", "2": "7/8"}),
        (mlp, (32,), "block", {"0": "3/8", "2": "5/8"}),
        (mlp, (32,), "block", {"0": "1/8", "2": "1/8"}),
        (cnn, (6, 6, 6), "structured", {"0": "1/2", "2": "1/4"}),
        (cnn, (6, 6, 6), "random", {"0": "5/6", "2": "1/12"}),
        (cnn, (6, 6, 6), "clash_free", {"0": "1/6", "2": "3/4"}),
        (cnn, (6, 6, 6), "block", {"0": "1/3", "2": "1/4"}),
        (cnn, (6, 6, 6), "block", {"0": "2/3", "2": "11/12"}),
        (cnn, (6, 6, 6), "periodic", {"0": "4/9", "2": "1/9"}),
    ],
)
@pytest.mark.parametrize("placement", ["seed", "magnitude"])
def test_positions_take_the_bytes_that_are_counted(
    make: Callable[[], nn.Module],
    shape: tuple[int, ...],
    pattern: PatternName,
    densities: dict[str, str],
    placement: Literal["seed", "magnitude"],
) -> None:
    if placement == "magnitude" and pattern not in ("block", "structured"):
        return
    backbone = make()
    exact = {path: Fraction(text) for path, text in densities.items()}
    sparsify(backbone, exact, pattern, 0, InitialWeights("keep", placement=placement))
    stored, counted = exported_bytes(backbone, shape)
    assert stored == counted


def test_the_type_follows_from_the_shape_not_from_chance() -> None:
    """Of 2,048 places the first 128 are kept, which a byte could hold: two bytes each anyhow."""
    layer = sparse_layer(nn.Linear(64, 32), "random", Fraction(1, 16), seed=0)
    layer.positions.copy_(torch.arange(128))
    model = export_chain(chain_of(layer, 64), (64,))
    (own,) = [own for own in model.graph.initializer if own.name.endswith(".narrow")]
    assert numpy_helper.to_array(own).dtype == np.uint16
    assert layer.index_bytes == 2 * 128
