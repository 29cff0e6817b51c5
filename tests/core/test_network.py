"""Edge then server is the whole, at every split point; exits, weights and the probe."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
from tiny_nets import IMAGE, NUM_CLASSES, TINY_NETS, Chain, Residual, SharedModule, WeightsInForward, build
from torch import Tensor, nn

from explorer.core.network import Network
from explorer.core.sparsity.patterns import PATTERN_NAMES, PatternName
from explorer.core.sparsity.sparsify import find_junctions, sparsify
from explorer.errors import UserError


def network(net: Callable[[], nn.Module] = Chain, seed: int = 0) -> Network:
    return Network(build(net, seed), torch.zeros(1, *IMAGE), NUM_CLASSES, exit_features=8)


def images(samples: int, seed: int = 1) -> Tensor:
    return torch.randn(samples, *IMAGE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("samples", [1, 7])
@pytest.mark.parametrize("net", TINY_NETS)
def test_edge_then_server_is_the_whole(net: Callable[[], nn.Module], samples: int) -> None:
    backbone = build(net).eval()
    x = images(samples)
    expected = backbone(x)
    whole = network(net).eval()
    for point, crossing in zip(whole.split_points, whole.features(x), strict=True):
        parts = whole.parts(point)
        received = parts.edge(x)
        assert received.shape == (samples, *point.shape)
        torch.testing.assert_close(received, crossing)
        torch.testing.assert_close(parts.server(received), expected)
    assert max(whole.probe(x).values()) <= 1e-6
    whole.check_split_points(x)


@pytest.mark.parametrize("pattern", PATTERN_NAMES)
@pytest.mark.parametrize("net", [Residual, SharedModule])
def test_sparse_networks_are_cut_the_same(net: Callable[[], nn.Module], pattern: PatternName) -> None:
    backbone = build(net)
    densities = {j.path: j.legal[0] for j in find_junctions(backbone) if j.legal[0] < 1}
    assert densities["block1"] == Fraction(1, 4)
    sparsify(backbone, densities, pattern, seed=0)
    sparse = Network(backbone, torch.zeros(1, *IMAGE), NUM_CLASSES, exit_features=8)
    assert [p.name for p in sparse.split_points] == [p.name for p in network(net).split_points]
    sparse.check_split_points(images(7))


def test_forward_gives_every_exit_then_the_output() -> None:
    whole = network(Residual).eval()
    x = images(5)
    logits = whole(x)
    crossing = whole.features(x)
    assert len(logits) == len(whole.split_points)
    for given_logits, exit_, tensor in zip(logits[:-1], whole.exits, crossing[:-1], strict=True):
        torch.testing.assert_close(given_logits, exit_(tensor))
    torch.testing.assert_close(logits[-1], build(Residual).eval()(x))


def test_parts_share_the_parameters_of_the_whole() -> None:
    whole = network().eval()
    point = whole.split_point("3")
    x = images(2)
    before = whole.parts(point).edge(x)
    with torch.no_grad():
        whole.backbone.get_parameter("0.weight").zero_()
    after = whole.parts(point).edge(x)
    assert not torch.equal(before, after)
    torch.testing.assert_close(whole.parts(point).server(after), whole.backbone(x))


def test_gradients_reach_the_backbone_from_every_exit() -> None:
    whole = network()
    *exits, _ = whole(images(4))
    exits[-1].sum().backward()
    assert whole.backbone.get_parameter("0.weight").grad is not None
    assert whole.backbone.get_parameter("6.weight").grad is None  # behind the last exit


class InPlace(nn.Module):
    """Overwrites a tensor at which it could be cut: an exit there would read what comes later."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.fc = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        y = self.second(torch.relu(x))
        return self.fc(torch.relu_(x) + y)


def test_split_point_overwritten_in_place_is_left_out_with_a_warning() -> None:
    torch.manual_seed(0)
    with pytest.warns(
        UserWarning,
        match=r"^InPlace: left out split point 'first': edge then server differs from the whole by [\d.]+ ",
    ):
        whole = Network(InPlace(), torch.zeros(1, 4), 3, exit_features=8)
    assert [point.name for point in whole.split_points] == ["input", "add", "output"]
    assert list(whole.left_out) == ["first"]
    whole.check_split_points(torch.randn(2, 4))
    assert len(whole(torch.randn(2, 4))) == len(whole.exits) + 1 == 3


def test_input_overwritten_in_place_is_refused() -> None:
    class Doubles(InPlace):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(torch.relu_(x))

    torch.manual_seed(0)
    with pytest.raises(UserError, match=r"Doubles: split point 'input'.*changes a tensor in place"):
        Network(Doubles(), torch.zeros(1, 4), 3, exit_features=8)


def test_state_is_refused() -> None:
    whole = network(WeightsInForward)

    def drift(module: nn.Module, arguments: Any, result: Any) -> None:
        whole.backbone.get_parameter("scale").data.add_(0.1)

    whole.backbone.get_submodule("fc").register_forward_hook(drift)  # every pass changes the next one
    with pytest.raises(UserError, match="keeps state or randomness in eval mode"):
        whole.check_split_points(images(2))


def test_values_that_are_not_finite_are_refused() -> None:
    whole = network()
    with torch.no_grad():
        whole.backbone.get_parameter("6.bias").fill_(float("nan"))
    with pytest.raises(UserError, match="differs from the whole by nan"):
        whole.check_split_points(images(2))


def test_probe_keeps_the_mode_and_the_statistics() -> None:
    whole = network().train()
    before = whole.backbone.get_buffer("1.running_mean").clone()
    whole.probe(images(2))
    assert whole.training
    assert whole.backbone.training
    assert torch.equal(whole.backbone.get_buffer("1.running_mean"), before)


def test_wrong_number_of_logits() -> None:
    with pytest.raises(UserError, match=r"Chain: must give 5 logits, gives shape \(3,\)"):
        Network(Chain(), torch.zeros(1, *IMAGE), 5, exit_features=8)


# weights


@pytest.mark.parametrize("net", TINY_NETS)
def test_weights_round_trip(net: Callable[[], nn.Module]) -> None:
    source, target = network(net, seed=0).eval(), network(net, seed=1).eval()
    x = images(3)
    target.load_weights(source.weights())
    for expected, logits in zip(source(x), target(x), strict=True):
        assert torch.equal(expected, logits)
    for point in source.split_points:
        parts = target.parts(point)
        torch.testing.assert_close(parts.server(parts.edge(x)), source.backbone(x))


def test_weights_hold_each_tensor_once_and_are_copies() -> None:
    backbone = build(Residual)
    backbone.block2.weight = backbone.block1.weight  # tied: one parameter under two names
    whole = Network(backbone, torch.zeros(1, *IMAGE), NUM_CLASSES, exit_features=8)
    weights = whole.weights()
    assert len(whole.backbone.state_dict()) == len(list(whole.backbone.parameters())) + 1
    unique = {id(t) for t in [*whole.backbone.parameters(), *whole.exits.parameters()]}
    assert len(weights) == len(unique)
    assert not any("tapped" in name for name in weights)
    whole.load_weights(weights)
    weights["backbone.stem.weight"].zero_()
    assert whole.backbone.get_parameter("stem.weight").abs().sum() > 0


@pytest.mark.parametrize(
    "change",
    [
        lambda weights: weights.pop("backbone.0.weight"),
        lambda weights: weights.update({"backbone.extra": torch.zeros(1)}),
        lambda weights: weights.update({"exits.0.1.bias": torch.zeros(4)}),
        lambda weights: weights.update({"backbone.00.weight": weights.pop("backbone.0.weight")}),
    ],
)
def test_weights_of_another_network_are_refused(change: Callable[[dict[str, Tensor]], object]) -> None:
    whole = network()
    weights = whole.weights()
    change(weights)
    with pytest.raises(ValueError, match="not those of this network: names or shapes differ"):
        whole.load_weights(weights)
