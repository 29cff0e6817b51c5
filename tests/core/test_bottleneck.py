"""A learned bottleneck: what it computes, and that cut, costs and sweep treat it as any other split point."""

import json
from typing import Any

import pytest
import torch
from recipes import recipe
from torch import nn

from explorer.backbones import cnn, mlp
from explorer.core.bottleneck import NARROW_POINT, Bottleneck, with_bottleneck
from explorer.core.calibration import InferenceConfig
from explorer.core.network import Network
from explorer.core.payload import PayloadForm
from explorer.costs.evaluate import TrainingTask, evaluate_network
from explorer.data.dataset import DataSet, Subset
from explorer.errors import UserError
from explorer.space.candidate import NetworkSpec

SAMPLE = torch.zeros(1, 1, 8, 8)
RECIPE = recipe(epochs=1, batch_size=16)


def small_cnn() -> nn.Module:
    torch.manual_seed(0)
    return cnn(input_shape=(1, 8, 8), num_classes=3, channels=[6, 4], hidden=5).eval()


def test_it_narrows_and_widens_what_crosses() -> None:
    plain = small_cnn()
    narrowed = with_bottleneck(plain, SAMPLE, Bottleneck("pool1", 2)).eval()
    pair = narrowed.get_submodule("bottleneck")
    x = torch.randn(3, 1, 8, 8)
    head = plain[:4]  # type: ignore[index]
    tail = plain[4:]  # type: ignore[index]
    encode, decode = pair.get_submodule("encode"), pair.get_submodule("decode")
    torch.testing.assert_close(narrowed(x), tail(decode(encode(head(x)))))
    assert [tuple(p.shape) for p in encode.parameters()] == [(2, 6, 1, 1), (2,)]
    assert [tuple(p.shape) for p in decode.parameters()] == [(6, 2, 1, 1), (6,)]


@pytest.mark.parametrize("at", ["pool1", "pool2", "relu"])
def test_the_narrow_tensor_is_a_split_point(at: str) -> None:
    network = Network(with_bottleneck(small_cnn(), SAMPLE, Bottleneck(at, 1)), SAMPLE, 3, 16)
    names = [point.name for point in network.split_points]
    before = network.split_point(at).shape
    assert network.split_point(NARROW_POINT).shape == (1, *before[1:])
    assert names.index(NARROW_POINT) == names.index(at) + 1
    network.check_split_points(torch.randn(7, 1, 8, 8))


def test_without_one_nothing_is_touched() -> None:
    plain = small_cnn()
    assert with_bottleneck(plain, SAMPLE, None) is plain


def test_around_the_input() -> None:
    sample = torch.zeros(1, 9)
    plain = mlp(input_shape=(9,), num_classes=3, hidden=[6])
    network = Network(with_bottleneck(plain, sample, Bottleneck("input", 2)), sample, 3, 16)
    assert [point.shape for point in network.split_points[:2]] == [(9,), (2,)]


@pytest.mark.parametrize(
    ("bottleneck", "message"),
    [
        (Bottleneck("nowhere", 2), "no split point 'nowhere'; there are: input, pool1, pool2, relu"),
        (Bottleneck("output", 2), "no split point 'output'"),
        (Bottleneck("input", 1), "at 'input': channels must be fewer than its 1, got 1"),
        (Bottleneck("pool1", 6), "at 'pool1': channels must be fewer than its 6, got 6"),
    ],
)
def test_refusals(bottleneck: Bottleneck, message: str) -> None:
    with pytest.raises(UserError, match=message):
        with_bottleneck(small_cnn(), SAMPLE, bottleneck)


def test_costs_on_both_sides_by_formula() -> None:
    def evaluated(bottleneck: Bottleneck | None) -> dict[str, Any]:
        inputs = torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        subset = Subset(inputs, torch.arange(40) % 3)
        data = DataSet("noise", subset, subset, subset, 3, (1, 8, 8))
        arguments = json.dumps({"channels": [6, 4], "hidden": 5})
        spec = NetworkSpec(
            *("cnn", "explorer.backbones:cnn", arguments, "block", (), 16, RECIPE, "{}"),
            bottleneck=bottleneck,
        )
        network = evaluate_network(TrainingTask(spec, 1), data, InferenceConfig(PayloadForm((8,))))
        assert network.evidence.split_points == tuple(split.name for split in network.splits[:-1])
        return {split.name: split for split in network.splits}

    plain, narrowed = evaluated(None), evaluated(Bottleneck("pool1", 2))
    narrow, positions = narrowed[NARROW_POINT], 4 * 4
    assert narrow.payload_elements == 2 * positions
    assert narrow.edge_macs == plain["pool1"].edge_macs + positions * 6 * 2 == narrow.edge_macs_dense
    assert narrow.server_macs == plain["pool1"].server_macs + positions * 2 * 6 == narrow.server_macs_dense
    assert narrow.edge_param_bytes == plain["pool1"].edge_param_bytes + 4 * (6 * 2 + 2)
    assert narrow.server_param_bytes == plain["pool1"].server_param_bytes + 4 * (2 * 6 + 6)
