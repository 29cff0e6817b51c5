"""torch's exporter: its table of operators is made once; what it cannot take is said in one sentence."""

import pytest
import torch
from torch import Tensor, nn

from explorer.core.calibration import uncalibrated
from explorer.core.chain import DeployedChain, Normalise
from explorer.core.network import Network
from explorer.deploy.exporter import exported
from explorer.errors import UserError


def chain_of(backbone: nn.Module) -> DeployedChain:
    network = Network(backbone, torch.zeros(1, 16), num_classes=4, exit_features=8).eval()
    normalise = Normalise([0.0], [1.0], (16,), "float32")
    return DeployedChain(network, [], set(), uncalibrated([], (8,)), normalise)


def test_the_table_of_operators_is_made_once() -> None:
    from torch.onnx._internal.exporter._registration import ONNXRegistry  # as torch 2.13 has it

    for _ in range(2):
        exported(chain_of(nn.Sequential(nn.Linear(16, 4), nn.Mish())), (16,))
    assert ONNXRegistry.from_torchlib.cache_info().misses == 1


def test_what_cannot_be_exported_is_a_users_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> Tensor:
        raise RuntimeError("\nno such operator\nmore")

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(UserError, match=r"^the network cannot be exported to ONNX: no such operator$"):
        exported(chain_of(nn.Linear(16, 4)), (16,))
