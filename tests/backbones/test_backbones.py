"""Shipped backbones: sizes of the papers, split points by brute force, MACs by formula, parts that fit."""

import inspect
import re
from math import prod
from typing import Any

import pytest
import torch
from brute_force import expected_payloads, split_classes
from torch import Tensor, nn

from explorer import backbones
from explorer.backbones import build_backbone
from explorer.core.graph.dataflow import total_macs
from explorer.core.network import Network
from explorer.core.sparsity.sparsify import find_junctions
from explorer.errors import UserError

CLASSES = 10
SMALL: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("mlp", (1, 8, 8), {"hidden": [16, 8]}),
    ("cnn", (1, 8, 8), {"channels": [4, 8], "hidden": 8}),
    ("lenet5", (1, 16, 16), {}),
    ("vgg", (3, 16, 16), {"depth": 13, "width": 4}),
    ("vgg", (1, 28, 28), {"depth": 11, "width": 2}),
    ("resnet", (3, 8, 8), {"depth": 8, "width": 4}),
    ("resnet", (2, 9, 7), {"depth": 14, "width": 2}),
    ("mobilenetv2", (3, 16, 16), {"width": 0.25, "stages": 4}),
    ("ds_cnn", (1, 20, 10), {"width": 8, "blocks": 2}),
    ("cnn1d", (3, 32), {"channels": [4, 8, 8]}),
    ("cnn1d", (1, 3, 32), {"channels": [4, 8]}),
    ("cnn1d", (3, 32), {"channels": [4, 8], "pool": 1}),
    ("transformer", (3, 8, 8), {"width": 8}),
    ("transformer", (3, 32), {"width": 8, "depth": 1, "heads": 4}),
]


def build(name: str, shape: tuple[int, ...], arguments: dict[str, Any]) -> nn.Module:
    return build_backbone(f"explorer.backbones:{name}", arguments, shape, CLASSES, seed=0)


def layer_macs(module: nn.Module, x: Tensor) -> int:
    """By formula, from the layers that run: every output position reads its kernel's taps in its group."""
    counted = 0

    def count(layer: nn.Module, _: Any, result: Tensor) -> None:
        nonlocal counted
        if isinstance(layer, nn.Linear):
            counted += prod(result.shape[1:]) * layer.in_features
        else:
            counted += prod(result.shape[1:]) * layer.in_channels // layer.groups * prod(layer.kernel_size)

    layers = [m for m in module.modules() if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        module(x)
    for handle in handles:
        handle.remove()
    return counted


def attention_macs(shape: tuple[int, ...], patch: int, width: int) -> int:
    tokens = prod(extent // patch for extent in shape[1:])
    return 2 * tokens * tokens * width  # queries by keys, weights by values, summed over heads


@pytest.mark.parametrize(("name", "shape", "arguments"), SMALL)
def test_split_points_macs_and_parts(name: str, shape: tuple[int, ...], arguments: dict[str, Any]) -> None:
    network = Network(build(name, shape, arguments), torch.zeros(1, *shape), CLASSES, exit_features=16).eval()
    points, flow = network.split_points, network.dataflow
    expected = expected_payloads(split_classes(build(name, shape, arguments), shape))
    assert [(point.payload_elements, len(point.shape)) for point in points[1:-1]] == expected
    assert not network.left_out
    x = torch.randn(7, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = build(name, shape, arguments).eval()(x)
        for point in points:
            parts = network.parts(point)
            torch.testing.assert_close(parts.server(parts.edge(x)), whole, rtol=0, atol=1e-5)
            torch.testing.assert_close(parts.server(parts.edge(x[:1])), whole[:1], rtol=0, atol=1e-5)
            attended = sum(node.name.startswith("scaled_dot") for node in parts.edge.graph.nodes)
            extra = attended * attention_macs(shape, 4, arguments["width"]) if attended else 0
            edge = flow.between([flow.source], point.nodes)
            assert total_macs(edge) == layer_macs(parts.edge, x[:1]) + extra


@pytest.mark.parametrize(
    ("name", "shape", "arguments", "millions_of_parameters", "millions_of_macs"),
    [
        ("lenet5", (1, 28, 28), {}, 0.0617, 0.4165),  # 61,706 parameters on MNIST
        ("resnet", (3, 32, 32), {"depth": 20}, 0.27, 40.6),  # table 6 of the paper: 0.27 M
        ("resnet", (3, 32, 32), {"depth": 32}, 0.46, 68.9),  # table 6: 0.46 M
        (
            "vgg",
            (3, 32, 32),
            {"depth": 16, "width": 64},
            14.7,
            313.2,
        ),  # without the three large Linear layers
        ("mobilenetv2", (3, 32, 32), {}, 2.24, 88.0),
        ("ds_cnn", (1, 49, 10), {}, 0.023, 3.19),  # table 5, DS-CNN small
    ],
)
def test_sizes_are_those_of_the_papers(
    name: str,
    shape: tuple[int, ...],
    arguments: dict[str, Any],
    millions_of_parameters: float,
    millions_of_macs: float,
) -> None:
    module = build(name, shape, arguments).eval()
    parameters = sum(parameter.numel() for parameter in module.parameters())
    assert parameters / 1e6 == pytest.approx(millions_of_parameters, rel=0.02)
    assert layer_macs(module, torch.zeros(1, *shape)) / 1e6 == pytest.approx(millions_of_macs, rel=0.005)


def test_depthwise_and_one_channel_junctions_stay_dense_and_are_listed() -> None:
    junctions = find_junctions(build("ds_cnn", (1, 20, 10), {"width": 8, "blocks": 1}))
    assert {junction.path: junction.stays_dense for junction in junctions} == {
        "stem.conv": "only legal density is 1 (1 inputs, 8 outputs)",
        "block1.depthwise": "grouped convolution (groups=8)",
        "block1.pointwise": "",
        "classifier": "",
    }


def test_attention_projections_can_be_sparse() -> None:
    free = [
        j.path
        for j in find_junctions(build("transformer", (2, 8, 8), {"width": 8, "depth": 1}))
        if not j.stays_dense
    ]
    attention = [f"blocks.0.attention.{name}" for name in ("query", "key", "value", "out")]
    assert free == ["embed", *attention, "blocks.0.wide", "blocks.0.narrow", "classifier"]


def test_residual_block_adds_every_second_pixel_and_zero_channels() -> None:
    block = (
        backbones.resnet(input_shape=(3, 8, 8), num_classes=3, depth=8, width=2)
        .get_submodule("stage2.0")
        .eval()
    )
    x = torch.rand(1, 2, 8, 8)
    with torch.no_grad():
        block.conv2.weight.zero_()
        expected = torch.cat([x[:, :, ::2, ::2], torch.zeros(1, 2, 4, 4)], 1)
        torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("resnet", {"depth": 18}, r"depth must be 6 n \+ 2 \(8, 14, 20, \.\.\.\), got 18"),
        ("vgg", {"depth": 12, "width": 8}, "depth must be one of 11, 13, 16, 19, got 12"),
        ("mobilenetv2", {"stages": 8}, "stages must lie between 1 and 7, got 8"),
        ("transformer", {"patch": 3}, r"in patches of 3, got \(3, 32, 32\)"),
        ("transformer", {"width": 9}, "width must be a multiple of heads, got width=9, heads=2"),
    ],
)
def test_arguments_that_do_not_fit(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(name, (3, 32, 32), arguments)


@pytest.mark.parametrize("name", [name for name in backbones.__all__ if name != "build_backbone"])
def test_every_backbone_names_its_paper(name: str) -> None:
    assert re.search(
        r"(arXiv \d{4}\.\d{4,5}|Proc\. IEEE 1998)", inspect.getdoc(getattr(backbones, name)) or ""
    )
