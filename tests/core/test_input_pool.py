"""Average pooling before a backbone: what it computes, counts and where it can be cut."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from explorer import backbones
from explorer.core.bottleneck import NARROW_POINT, Bottleneck, with_bottleneck
from explorer.core.graph.trace import trace
from explorer.core.input_pool import INPUT_POOL, pooled_shape, with_input_pool
from explorer.core.network import Network
from explorer.costs.dense_macs import dense_counts
from explorer.costs.split_costs import split_costs
from explorer.devices.operators import Operator
from explorer.errors import NetworkError, UserError

CLASSES = 3
CASES: list[tuple[Callable[..., nn.Module], dict[str, Any], tuple[int, ...], int]] = [
    (backbones.mlp, {"hidden": [6]}, (1, 8, 8), 4),
    (backbones.cnn, {"channels": [4, 6], "hidden": 5}, (2, 8, 8), 2),
    (backbones.resnet, {"depth": 8, "width": 4}, (3, 8, 8), 2),
    (backbones.transformer, {"patch": 2, "width": 8, "depth": 1}, (1, 8, 8), 2),
    (backbones.cnn1d, {"channels": [4, 6]}, (3, 32), 2),
]


def built(case: tuple[Callable[..., nn.Module], dict[str, Any], tuple[int, ...], int]) -> nn.Module:
    """The backbone alone, for the pooled input."""
    factory, arguments, shape, pool = case
    torch.manual_seed(0)
    return factory(input_shape=pooled_shape(shape, pool), num_classes=CLASSES, **arguments)


def network_of(case: Any) -> Network:
    """The same behind its pooling."""
    return Network(built(case), torch.zeros(1, *case[2]), CLASSES, 16, input_pool=case[3])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].__name__)
def test_it_is_pooling_then_the_backbone_bit_for_bit(case: Any) -> None:
    shape, pool = case[2:]
    plain, network = built(case).eval(), network_of(case).eval()
    x = torch.randn(5, *shape, generator=torch.Generator().manual_seed(1))
    average = torch.nn.functional.avg_pool2d if len(shape) == 3 else torch.nn.functional.avg_pool1d
    assert torch.equal(network(x)[-1], plain(average(x, pool)))
    own, theirs = dict(network.backbone.named_parameters()), dict(plain.named_parameters())
    assert list(own) == list(theirs)  # paths stay, so that densities and junctions go by the same names
    assert all(own[name].shape == theirs[name].shape for name in own)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].__name__)
@pytest.mark.parametrize("training", [True, False])
def test_it_trains_as_the_backbone_does(case: Any, training: bool) -> None:
    """Gradients of the same parameters, and buffers after the step, are equal to the last bit."""
    shape, pool = case[2:]
    plain, network = built(case).train(training), network_of(case).train(training)
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(1))
    average = torch.nn.functional.avg_pool2d if len(shape) == 3 else torch.nn.functional.avg_pool1d
    for logits in (network.backbone(x), plain(average(x, pool))):
        logits.logsumexp(1).sum().backward()
    own, theirs = (dict(module.named_parameters()) for module in (network.backbone, plain))
    for name, parameter in theirs.items():
        assert parameter.grad is not None
        assert torch.equal(own[name].grad, parameter.grad), name  # type: ignore[arg-type]
    for name, buffer in plain.named_buffers():
        assert torch.equal(network.backbone.get_buffer(name), buffer), name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].__name__)
def test_it_is_a_split_point_without_macs(case: Any) -> None:
    shape, pool = case[2:]
    network = network_of(case)
    plain = Network(built(case), torch.zeros(1, *pooled_shape(shape, pool)), CLASSES, 16)
    assert [point.name for point in network.split_points[:2]] == ["input", INPUT_POOL]
    assert [point.shape for point in network.split_points[:2]] == [shape, pooled_shape(shape, pool)]
    assert network.split_points[2:] == plain.split_points[1:]
    network.check_split_points(torch.randn(7, *shape))
    name, arguments = f"explorer.backbones:{case[0].__name__}", json.dumps(case[1])
    own = split_costs(network, dense_counts(name, arguments, shape, CLASSES, 16, input_pool=pool))
    theirs = split_costs(plain, dense_counts(name, arguments, pooled_shape(shape, pool), CLASSES, 16))
    for ours, alone in zip(own[1:], theirs, strict=True):
        for count in ("edge_macs", "edge_macs_dense", "server_macs", "server_macs_dense", "edge_param_bytes"):
            assert getattr(ours, count) == getattr(alone, count)
    assert own[0].server_macs == own[1].server_macs
    # the pooling itself: every value read once, every average written once
    elements = network.split_points[0].payload_elements
    moved = 4 * (elements + own[1].payload_elements)
    assert own[1].operators == (Operator(0, moved, "pool"),)
    assert own[1].peak_activation_bytes == moved


def test_without_pooling_nothing_is_touched() -> None:
    traced = trace(backbones.mlp(input_shape=(8,), num_classes=3, hidden=[6]), torch.zeros(1, 8))
    assert with_input_pool(traced, torch.zeros(1, 8), 1) is traced


def test_a_bottleneck_may_follow() -> None:
    narrow = with_bottleneck(built(CASES[0]), torch.zeros(1, 1, 2, 2), Bottleneck("relu1", 2))
    network = Network(narrow, torch.zeros(1, 1, 8, 8), CLASSES, 16, input_pool=4)
    names = [point.name for point in network.split_points]
    assert names == ["input", INPUT_POOL, "relu1", NARROW_POINT, "bottleneck.decode", "output"]


@given(
    extents=st.lists(st.integers(1, 12), min_size=1, max_size=2),
    channels=st.integers(1, 4),
    pool=st.integers(1, 6),
)
def test_shapes(extents: list[int], channels: int, pool: int) -> None:
    shape = (channels, *extents)
    if pool > 1 and any(extent % pool for extent in extents):
        with pytest.raises(UserError, match=f"must divide the extents .* of a sample, got {pool}"):
            pooled_shape(shape, pool)
        return
    found = pooled_shape(shape, pool)
    assert found[0] == channels
    assert [own * pool for own in found[1:]] == extents


@pytest.mark.parametrize("shape", [(64,), (1, 4, 4, 4)])
def test_only_images_and_series(shape: tuple[int, ...]) -> None:
    assert pooled_shape(shape, 1) == shape
    with pytest.raises(UserError, match=r"must be 1 but for images \(C, H, W\) and series \(C, T\), got 2"):
        pooled_shape(shape, 2)


def test_a_backbone_that_cannot_take_the_smaller_input() -> None:
    fixed = backbones.mlp(input_shape=(1, 8, 8), num_classes=3, hidden=[6])
    with pytest.raises(NetworkError, match=r"an input of shape \(1, 1, 4, 4\) does not run through"):
        Network(fixed, torch.zeros(1, 1, 8, 8), 3, 16, input_pool=2)


def test_a_module_of_that_name_is_refused() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input_pool, self.fc = nn.Flatten(), nn.Linear(16, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.fc(self.input_pool(x))
            return logits

    with pytest.raises(NetworkError, match="the backbone already has a module 'input_pool'"):
        Network(Named(), torch.zeros(1, 1, 8, 8), 3, 16, input_pool=2)
