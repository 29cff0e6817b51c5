"""ONNX files: only what is asked for is in them, positions are narrow, and one table is read once."""

from fractions import Fraction

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from explorer.core.calibration import uncalibrated
from explorer.core.network import Network
from explorer.core.sparsity.layers import sparse_layer
from explorer.deploy.chain import DeployedChain, Normalise
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


def test_the_exporter_reads_its_table_of_operators_once() -> None:
    from torch.onnx._internal.exporter import _registration  # as torch 2.13 has it

    export_chain(chain_of(nn.Linear(16, 32), 16), (16,))
    assert _registration.onnxscript_apis.get_torchlib_ops.cache_info().misses == 1
