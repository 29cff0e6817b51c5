"""A network that is moved: everything goes along, and what was shared is shared there."""

import torch
from torch import Tensor, nn

from explorer.core.graph.moving import move
from explorer.core.network import Network

THERE = torch.device("meta")


class Shared(nn.Module):
    """Two layers with one weight, a buffer in two places, and a tensor that is an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(4, 4), nn.Linear(4, 4)
        self.other.weight = self.one.weight
        self.register_buffer("scale", torch.ones(4))
        self.one.register_buffer("own_scale", self.scale)
        self.shift = torch.zeros(4)
        self.frozen = nn.Parameter(torch.ones(4), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.other(self.one(x) * self.scale + self.shift + self.frozen)


def test_what_is_shared_stays_shared() -> None:
    net = Shared()
    move(net, THERE)
    assert {tensor.device for tensor in (*net.parameters(), *net.buffers(), net.shift)} == {THERE}
    assert net.other.weight is net.one.weight
    assert net.one.own_scale is net.scale
    assert [p.requires_grad for p in (net.one.weight, net.frozen)] == [True, False]


def test_values_go_along_and_come_back() -> None:
    net, x = Shared(), torch.randn(2, 4)
    expected = net(x)
    before = net.one.weight
    move(net, torch.device("cpu"))
    assert net.one.weight is not before  # a copy: others may hold the old one
    assert torch.equal(net(x), expected)


class MakesTensors(nn.Module):
    """``torch.export`` writes down the device on which it traced this."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x + torch.arange(int(x.shape[1]), device=x.device))


def test_graphs_name_the_new_device() -> None:
    network = Network(MakesTensors(), torch.zeros(1, 6), num_classes=3, exit_features=6)
    assert network.exported
    network.move(THERE)
    assert network.device == THERE
    assert {logits.device for logits in network(torch.zeros(2, 6, device=THERE))} == {THERE}
    for point in network.split_points[:-1]:
        parts = network.parts(point)
        assert parts.server(parts.edge(torch.zeros(2, 6, device=THERE))).device == THERE
    assert all(stage(torch.zeros(2, 6, device=THERE)).device == THERE for stage in network.stages[:1])


def test_staying_changes_nothing() -> None:
    network = Network(Shared(), torch.zeros(1, 4), num_classes=4, exit_features=4)
    taps = network._tapped
    network.move(torch.device("cpu"))
    assert network._tapped is taps
