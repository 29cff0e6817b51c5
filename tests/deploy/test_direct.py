"""Chains that are written down: those of the ready-made backbones, and none that would compute otherwise."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer import backbones
from explorer.core.calibration import Calibration, InferenceConfig
from explorer.core.chain import DeployedChain, Normalise
from explorer.core.exits import Score
from explorer.core.network import Network
from explorer.core.payload import PayloadForm
from explorer.core.sparsity.patterns import PatternName
from explorer.core.sparsity.sparsify import sparsify
from explorer.deploy.direct import direct_model
from explorer.deploy.exporter import exported
from explorer.deploy.onnx_files import export_chain
from explorer.runtime.stages import INPUT, open_session

IMAGE = (2, 8, 8)
NETS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: backbones.mlp(input_shape=IMAGE, num_classes=4, hidden=[32, 16]),
    "cnn": lambda: backbones.cnn(input_shape=IMAGE, num_classes=4, channels=[8, 16], hidden=16),
    "cnn1d": lambda: backbones.cnn1d(input_shape=(2, 16), num_classes=4, channels=[8, 16]),
    "ds_cnn": lambda: backbones.ds_cnn(input_shape=IMAGE, num_classes=4, width=8, blocks=1),
    "lenet5": lambda: backbones.lenet5(input_shape=(1, 12, 12), num_classes=4),
    "mobilenetv2": lambda: backbones.mobilenetv2(input_shape=IMAGE, num_classes=4, width=0.5, stages=3),
    "resnet": lambda: backbones.resnet(input_shape=IMAGE, num_classes=4, depth=8, width=4),
}
SHAPES = {"cnn1d": (2, 16), "lenet5": (1, 12, 12)}


def chain_of(
    backbone: nn.Module,
    shape: tuple[int, ...],
    score: Score = "max_softmax",
    mean: float = 0.5,
    **options: Any,
) -> DeployedChain:
    """Cut everywhere, with an exit at every cut, and normalisations that have something to do."""
    torch.manual_seed(0)
    for layer in backbone.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            assert layer.running_mean is not None
            layer.running_mean.normal_()
    network = Network(backbone, torch.zeros(1, *shape), num_classes=4, exit_features=16, **options).eval()
    cuts = network.split_points[:-1]
    temperatures = {point.name: 1.5 for point in cuts}
    calibration = Calibration(InferenceConfig(PayloadForm((8,)), score, "fitted"), {}, temperatures)
    normalise = Normalise([mean], [0.25], shape, "float32")
    return DeployedChain(network, cuts, {point.name for point in cuts}, calibration, normalise)


def outputs(model: onnx.ModelProto, chain: DeployedChain, raw: np.ndarray) -> list[np.ndarray]:
    found: list[np.ndarray] = open_session(model.SerializeToString()).run(chain.names, {INPUT: raw})
    return found


def check_written(chain: DeployedChain, shape: tuple[int, ...]) -> onnx.ModelProto:
    """It is written down, and computes what the chain computes for any batch."""
    model = direct_model(chain, shape)
    assert model is not None
    raw = np.random.default_rng(1).normal(size=(5, *shape)).astype(np.float32)
    with torch.no_grad():
        expected = chain(torch.from_numpy(raw))
    assert [own.name for own in model.graph.output] == chain.names
    for own, right in zip(outputs(model, chain, raw), expected, strict=True):
        np.testing.assert_allclose(own, right.numpy(), atol=1e-5 * max(1.0, float(right.abs().max())))
    return model


@pytest.mark.parametrize("name", NETS)
def test_ready_made_backbones_are_written_down(name: str) -> None:
    shape = SHAPES.get(name, IMAGE)
    check_written(chain_of(NETS[name](), shape), shape)


@pytest.mark.parametrize("density", [Fraction(1, 4), Fraction(3, 4)])
@pytest.mark.parametrize("pattern", ["block", "structured", "random", "clash_free"])
def test_every_pattern_is_written_down(pattern: PatternName, density: Fraction) -> None:
    backbone = NETS["cnn"]()
    sparsify(backbone, {"conv2": density, "fc": density}, pattern, 0)
    check_written(chain_of(backbone, IMAGE), IMAGE)


def test_taps_are_written_down() -> None:
    backbone = NETS["cnn"]()
    sparsify(backbone, {"conv2": Fraction(4, 9)}, "periodic", 0)
    check_written(chain_of(backbone, IMAGE), IMAGE)


@pytest.mark.parametrize("score", ["max_softmax", "margin", "entropy"])
def test_every_score_is_written_down(score: Score) -> None:
    check_written(chain_of(NETS["mlp"](), IMAGE, score), IMAGE)


def test_large_offsets_are_subtracted_in_double_precision() -> None:
    model = check_written(chain_of(NETS["mlp"](), IMAGE, mean=100.0), IMAGE)
    assert [node.op_type for node in model.graph.node][:4] == ["Cast", "Sub", "Div", "Cast"]


def test_several_tensors_may_cross() -> None:
    chain = chain_of(NETS["resnet"](), IMAGE, max_crossing_tensors=2)
    assert any(len(point.nodes) == 2 for point in chain.cuts)
    check_written(chain, IMAGE)


def test_the_exporter_says_the_same() -> None:
    backbone = backbones.mlp(input_shape=IMAGE, num_classes=4, hidden=[8])
    sparsify(backbone, {"fc1": Fraction(1, 4)}, "random", 0)
    chain = chain_of(backbone, IMAGE)
    written, by_torch = direct_model(chain, IMAGE), exported(chain, IMAGE)
    assert written is not None
    raw = np.random.default_rng(1).normal(size=(5, *IMAGE)).astype(np.float32)
    for own, right in zip(outputs(written, chain, raw), outputs(by_torch, chain, raw), strict=True):
        np.testing.assert_allclose(own, right, atol=1e-5)


class Squared(nn.Module):
    """Computes with something that is no layer, where a layer is as usual."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc(x)
        return y * y.abs()


class Overwritten(nn.Module):
    """What an activation overwrites is read again behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.out = nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(x)
        return self.out(F.relu(y, inplace=True) + y)


class OtherLinear(nn.Linear):
    """A layer of the user's that is no Linear any more."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).abs()


def hooked() -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(8, 4)))


@pytest.mark.parametrize("make", [Squared, Overwritten, lambda: nn.Sequential(OtherLinear(8, 4)), hooked])
def test_what_is_not_known_or_would_differ_goes_to_the_exporter(make: Callable[[], nn.Module]) -> None:
    network = Network(make(), torch.zeros(1, 8), num_classes=4, exit_features=8).eval()
    calibration = Calibration(InferenceConfig(PayloadForm((8,))), {})
    chain = DeployedChain(network, [], set(), calibration, Normalise([0.0], [1.0], (8,), "float32"))
    assert direct_model(chain, (8,)) is None
    raw = np.random.default_rng(1).normal(size=(5, 8)).astype(np.float32)
    with torch.no_grad():
        (expected,) = chain(torch.from_numpy(raw))
    (found,) = outputs(export_chain(chain, (8,)), chain, raw)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
