"""One traced graph does in training mode what the module does there, and in eval mode what it does here."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.core.bottleneck import Bottleneck, with_bottleneck
from explorer.core.graph.trace import trace
from explorer.core.network import Network


class Net(nn.Module):
    """A forward of its own that passes ``self.training`` on, as many tutorials have it."""

    def __init__(self, drop: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.fc, self.drop = nn.Conv2d(2, 4, 3), nn.Linear(4 * 4, 3), drop
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("var", torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self, F.relu(self.conv(x)))
        return self.fc(torch.flatten(x, 1))


def dropout(net: nn.Module, x: Tensor) -> Tensor:
    return F.dropout(F.dropout2d(x, 0.5, net.training), p=0.25, training=net.training)


def batch_norm(net: nn.Module, x: Tensor) -> Tensor:
    return F.batch_norm(x, net.mean.clone(), net.var.clone(), training=net.training)


def attention(net: nn.Module, x: Tensor) -> Tensor:
    tokens = x.flatten(2)
    kwargs = {"dropout_p": 0.5 if net.training else 0.0}
    return F.scaled_dot_product_attention(tokens, tokens, tokens, **kwargs)


def scaled(net: nn.Module, x: Tensor) -> Tensor:
    return x.mul(2 if net.training else 3) + torch.arange(2.0)


SAMPLE = torch.zeros(1, 2, 4, 4)


@pytest.mark.parametrize("drop", [dropout, batch_norm, attention, scaled])
@pytest.mark.parametrize("training", [True, False])
def test_the_graph_follows_the_mode(drop: Callable[[nn.Module, Tensor], Tensor], training: bool) -> None:
    torch.manual_seed(0)
    net = Net(drop)
    traced = trace(net, SAMPLE)
    assert traced.opaque == ()
    x = torch.randn(5, 2, 4, 4)
    results = []
    for module in (net, traced.graph_module):
        module.train(training)
        torch.manual_seed(1)  # the same elements are dropped
        results.append(module(x))
    torch.testing.assert_close(*results)
    if drop is not attention:  # at least these change something
        assert not torch.equal(results[0], net.train(not training)(x))


def test_modes_of_submodules_are_kept() -> None:
    net = Net(dropout)
    net.conv.eval()
    trace(net, SAMPLE)
    assert net.training
    assert not net.conv.training


def test_names_are_those_of_the_functions() -> None:
    values = trace(Net(dropout), SAMPLE).dataflow.values
    assert [value.path for value in values.values()] == [
        *("x", "conv", "relu", "dropout2d", "dropout", "flatten", "fc")
    ]


def test_a_bottleneck_goes_into_such_a_backbone() -> None:
    net = with_bottleneck(Net(dropout), SAMPLE, Bottleneck("dropout", 2))
    network = Network(net, SAMPLE, 3, exit_features=8)
    assert [point.name for point in network.split_points] == [
        *("input", "dropout", "bottleneck.encode", "bottleneck.decode", "output")
    ]
    x = torch.randn(3, 2, 4, 4)
    assert not torch.equal(network.train().backbone(x), network.backbone(x))
    assert torch.equal(network.eval().backbone(x), network.backbone(x))


class Block(nn.Module):
    """DenseNet's layer: functional dropout inside a submodule."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, F.dropout(self.conv(x), p=0.5, training=self.training)], 1)


def test_submodules_are_traced_inside_unless_their_modes_differ() -> None:
    net = nn.Sequential(Block(), nn.Flatten(), nn.Linear(64, 3))
    traced = trace(net, SAMPLE)
    assert traced.opaque == ()
    assert "0.conv" in {value.path for value in traced.dataflow.values.values()}


class Loops(nn.Module):
    """Only torch.export takes a loop over a shape."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.fc = nn.BatchNorm2d(2), nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        while x.shape[-1] > 1:
            x = F.dropout(F.max_pool2d(self.norm(x), 2), training=self.training)
        return self.fc(x.flatten(1))


def test_an_exported_graph_follows_the_mode() -> None:
    torch.manual_seed(0)
    net = Loops()
    traced = trace(net, SAMPLE)
    assert traced.exported
    x = torch.randn(5, 2, 4, 4)
    results = []
    for module in (net, traced.graph_module):
        module.train()
        torch.manual_seed(1)
        results.append(module(x))
    torch.testing.assert_close(*results)
    assert not torch.equal(traced.graph_module(x), traced.graph_module(x))
    assert torch.equal(traced.graph_module.eval()(x), traced.graph_module(x))
