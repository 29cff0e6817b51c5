"""Kinds of operators, and activations that layers take up, as a runtime has them."""

from collections.abc import Callable
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from explorer import backbones
from explorer.core.calibration import uncalibrated
from explorer.core.chain import DeployedChain, Normalise
from explorer.core.graph.operator_kinds import fused_activations
from explorer.core.network import Network
from explorer.costs.dense_macs import DenseCounts
from explorer.costs.split_costs import split_costs
from explorer.deploy.onnx_files import export_chain, sliced
from explorer.runtime.stages import INPUT, LOGITS

IMAGE = (1, 8, 8)
NETS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: backbones.mlp(input_shape=(64,), num_classes=10, hidden=[32, 16]),
    "cnn": lambda: backbones.cnn(input_shape=IMAGE, num_classes=10, channels=[8, 16], hidden=16),
    "ds_cnn": lambda: backbones.ds_cnn(input_shape=IMAGE, num_classes=10, width=8, blocks=1),
}
EXECUTED = {  # operators of ONNX Runtime's optimised graph, by the kinds that they become
    **dict.fromkeys(("conv", "pointwise_conv", "depthwise_conv"), ("Conv",)),
    "linear": ("Gemm",),
    "pool": ("Pool", "ReduceMean"),
}


def kinds_of(module: nn.Module, shape: tuple[int, ...]) -> list[str]:
    network = Network(module, torch.zeros(1, *shape), 10, 16).eval()
    none = {point.name: 0 for point in network.split_points}
    costs = split_costs(network, DenseCounts(none, none, {}))
    return [own.kind for split in costs for own in split.operators]


def executed_by_onnxruntime(module: nn.Module, shape: tuple[int, ...], path: str) -> list[str]:
    """Types of the operators that are left when everything was fused, layouts and views apart."""
    network = Network(module, torch.zeros(1, *shape), 10, 16).eval()
    chain = DeployedChain(
        network, [], set(), uncalibrated([], (8,)), Normalise([0.0], [1.0], shape, "float32")
    )
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = path, 3
    model = sliced(export_chain(chain, shape), INPUT, {LOGITS: LOGITS}, chain.shapes)
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found = [node.op_type for node in onnx.load(path).graph.node]
    views = ("Reorder", "Reshape", "Flatten", "Squeeze")
    return [own for own in found if not own.startswith(views)]


@pytest.mark.parametrize("name", NETS)
def test_operators_are_those_that_run(name: str, tmp_path: Path) -> None:
    shape = (64,) if name == "mlp" else IMAGE
    kinds = kinds_of(NETS[name](), shape)
    found = executed_by_onnxruntime(NETS[name](), shape, f"{tmp_path}/optimised.onnx")
    assert len(kinds) == len(found)
    for kind, own in zip(kinds, found, strict=True):
        assert any(name in own for name in EXECUTED[kind])


def test_an_activation_is_the_layers_only_where_nothing_else_reads_it() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.relu = nn.Linear(4, 10), nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.fc(x)
            return self.relu(y) + y

    assert kinds_of(Both(), (4,)) == ["linear", "elementwise", "elementwise"]
    assert kinds_of(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 10)), (4,)) == ["linear"] * 2
    assert kinds_of(nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 10)), (4,))[1] == "elementwise"


def test_what_is_sent_stays_apart_from_its_activation() -> None:
    network = Network(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), torch.zeros(1, 4), 4, 16)
    values = network.dataflow.values
    layer = next(name for name, value in values.items() if value.macs)
    assert len(fused_activations(values, crossing=())) == 1
    assert fused_activations(values, crossing=[layer]) == set()
