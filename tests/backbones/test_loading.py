"""A user's own factory: found from the working directory, called with what it asks for."""

from pathlib import Path

import pytest
import torch
from torch import nn

from explorer.backbones import build_backbone
from explorer.errors import NetworkError, UserError

PACKAGE = """
import copy

import torch
from torch import nn

class Net(nn.Sequential):
    def __init__(self, input_shape, num_classes, width=8):
        super().__init__(nn.Linear(input_shape[0], width), nn.ReLU(), nn.Linear(width, num_classes))

def make_net(num_classes, **others):
    assert set(others) == {"input_shape"}
    return Net((4,), num_classes)

def fixed():
    return Net((4,), 3)

class Classes(nn.Sequential):
    def __init__(self, num_classes=1000):
        super().__init__(nn.Linear(4, 8), nn.Linear(8, num_classes))

def hands_on(*, weights=None, **kwargs):
    return Classes(**kwargs)

def broken(**kwargs):
    raise TypeError("got an unexpected keyword argument 'colour'")

def changes_torch(num_classes):
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    return nn.Linear(4, num_classes)

KEPT = nn.Linear(4, 8)

def keeps(num_classes):
    return nn.Sequential(KEPT, nn.Linear(8, num_classes))

def copies(num_classes):
    return nn.Sequential(copy.deepcopy(KEPT), nn.Linear(8, num_classes))

not_callable = 3
"""


@pytest.fixture(autouse=True)
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_package").mkdir()
    (tmp_path / "my_own_package" / "nets.py").write_text(PACKAGE)
    (tmp_path / "my_own_package" / "broken.py").write_text("def net(:\n")
    (tmp_path / "my_own_package" / "lacking.py").write_text("import no_such_library\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["Net", "make_net", "fixed", "hands_on"])
def test_a_factory_in_the_working_directory(name: str) -> None:
    module = build_backbone(f"my_own_package.nets:{name}", {}, (4,), 3, seed=0)
    assert [layer.out_features for layer in module if isinstance(layer, nn.Linear)] == [8, 3]


def test_its_arguments_are_the_spaces() -> None:
    module = build_backbone("my_own_package.nets:Net", {"width": 5}, (4,), 3, seed=0)
    assert module[0].out_features == 5


def test_an_error_inside_the_factory_is_told() -> None:
    with pytest.raises(UserError, match=r"nets:broken\(\) with input shape \(4,\): TypeError: .*'colour'"):
        build_backbone("my_own_package.nets:broken", {}, (4,), 3, seed=0)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("my_own_package.nets:other", "module 'my_own_package.nets' has no function 'other'"),
        ("my_own_package.nets:not_callable", "has no function 'not_callable'"),
        ("my_own_package.nowhere:net", "cannot import 'my_own_package.nowhere'"),
        ("my_own_package.lacking:net", "cannot import 'my_own_package.lacking': .*no_such_library"),
        ("my_own_package.broken:net", "cannot import 'my_own_package.broken': SyntaxError: .*broken.py"),
    ],
)
def test_what_cannot_be_imported(factory: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_backbone(factory, {}, (4,), 3, seed=0)


DRAWING = """
import random

import numpy as np
import torch
from torch import nn

class Projected(nn.Module):
    def __init__(self, projection):
        super().__init__()
        self.projection, self.fc = projection, nn.Linear(5, 3)

    def forward(self, x):
        return self.fc(torch.relu(x @ self.projection))

def drawn():
    return Projected(random.gauss(0, 1) * torch.from_numpy(np.random.randn(4, 5)).float())
"""


def test_whatever_a_factory_draws_follows_from_the_seed() -> None:
    Path("my_own_package", "drawing.py").write_text(DRAWING)
    same, again, other = (
        build_backbone("my_own_package.drawing:drawn", {}, (4,), 3, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(same.projection, again.projection)
    assert torch.equal(same.fc.weight, again.fc.weight)
    assert not torch.equal(same.projection, other.projection)


def test_lazy_layers_get_their_shapes_by_the_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lazy_nets.py").write_text(
        "from torch import nn\n\n\ndef net(num_classes):\n"
        "    layers = nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(num_classes)\n"
        "    return nn.Sequential(*layers)\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    one, again, other = (build_backbone("lazy_nets:net", {}, (2, 4, 4), 3, seed) for seed in (0, 0, 1))
    assert [type(layer).__name__ for layer in one] == ["Conv2d", "BatchNorm2d", "Flatten", "Linear"]
    assert one[3].weight.shape == (3, 4 * 2 * 2)
    assert torch.equal(one[3].weight, again[3].weight)
    assert not torch.equal(one[3].weight, other[3].weight)
    assert one.training
    assert one[1].num_batches_tracked == 0


def test_what_a_factory_changes_of_torch_is_put_back() -> None:
    module = build_backbone("my_own_package.nets:changes_torch", {}, (4,), 3, seed=0)
    assert module.weight.dtype == torch.float64
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


def test_networks_share_no_parameters() -> None:
    first = build_backbone("my_own_package.nets:keeps", {}, (4,), 3, seed=0)
    with pytest.raises(
        NetworkError, match=r"keeps\(\): must build .* got '0.weight' of an earlier one; .*copy"
    ):
        build_backbone("my_own_package.nets:keeps", {}, (4,), 3, seed=1)
    one, other = (build_backbone("my_own_package.nets:copies", {}, (4,), 3, seed=0) for _ in range(2))
    assert torch.equal(one[0].weight, other[0].weight)
    assert torch.equal(one[0].weight, first[0].weight)
