"""Batch normalisation that a layer takes up costs nothing of its own; counted by hand."""

from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from explorer.core.graph.dataflow import Dataflow, total_macs
from explorer.core.graph.folding import as_deployed
from explorer.core.graph.trace import trace
from explorer.core.sparsity.patterns import PATTERN_NAMES, PatternName
from explorer.core.sparsity.sparsify import sparsify
from explorer.costs.memory import Buffer, peak_live_bytes

MAPS = 4 * (8 * 5 * 5)  # bytes of eight 5 x 5 maps


def flows(module: nn.Module, *shape: int) -> tuple[Dataflow, Dataflow]:
    """As recorded and as deployed."""
    flow = trace(module, torch.zeros(1, *shape)).dataflow
    return flow, as_deployed(flow, ())


def parameter_bytes(flow: Dataflow) -> int:
    return flow.stored_bytes(flow.values.values())


def peak_bytes(flow: Dataflow, result: str) -> int:
    """Until the value ``result`` is there."""
    values = [flow.values[flow.source], *flow.between([flow.source], [result])]
    return peak_live_bytes([Buffer(v.name, v.inputs, v.size_bytes, v.view_of) for v in values], result)


def operators(flow: Dataflow) -> list[tuple[int, int]]:
    return [(value.macs, value.moved_bytes) for value in flow.values.values() if value.moved_bytes]


def folded(flow: Dataflow) -> dict[str, str]:
    return {value.path: value.folds_into for value in flow.values.values() if value.folds_into}


def head(inputs: int = 8 * 25) -> tuple[nn.Module, nn.Module]:
    return nn.Flatten(), nn.Linear(inputs, 3)


@pytest.mark.parametrize("bias", [True, False])
def test_behind_a_convolution(bias: bool) -> None:
    module = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1, bias=bias), nn.BatchNorm2d(8), nn.ReLU(), *head())
    recorded, deployed = flows(module, 2, 5, 5)
    conv, fc = 4 * (2 * 8 * 9 + 8), 4 * (200 * 3 + 3)  # a bias in any case
    assert parameter_bytes(deployed) == conv + fc
    assert parameter_bytes(recorded) == conv + fc + 4 * (4 * 8) - (not bias) * 4 * 8
    macs = 2 * 8 * 9 * 25
    assert operators(deployed) == [
        (macs, 4 * 50 + MAPS + conv),
        (0, 2 * MAPS),  # activation
        (200 * 3, MAPS + 4 * 3 + fc),
    ]
    assert total_macs(deployed.values.values()) == total_macs(recorded.values.values()) == macs + 600
    # up to the normalised maps: no second buffer
    assert peak_bytes(deployed, "_1") == 4 * 50 + MAPS
    assert peak_bytes(recorded, "_1") == 2 * MAPS


@pytest.mark.parametrize("bias", [True, False])
def test_behind_a_linear_layer(bias: bool) -> None:
    module = nn.Sequential(nn.Linear(6, 8, bias=bias), nn.BatchNorm1d(8, affine=False), nn.Linear(8, 3))
    deployed = flows(module, 6)[1]
    assert parameter_bytes(deployed) == 4 * (6 * 8 + 8 + 8 * 3 + 3)
    assert operators(deployed) == [(48, 4 * (6 + 8 + 48 + 8)), (24, 4 * (8 + 3 + 24 + 3))]


@pytest.mark.parametrize("pattern", PATTERN_NAMES)
def test_behind_sparse_layers(pattern: PatternName) -> None:
    half = Fraction(1, 3) if pattern == "periodic" else Fraction(1, 2)
    module = nn.Sequential(
        *(nn.Conv2d(2, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.Flatten()),
        *(nn.Linear(200, 8, bias=False), nn.BatchNorm1d(8), nn.Linear(8, 3)),
    )
    densities = {"0": half} | ({} if pattern == "periodic" else {"3": half})
    sparsify(module, densities, pattern, seed=0)
    deployed = flows(module, 2, 5, 5)[1]
    weights = half * (2 * 8 * 9) + densities.get("3", 1) * (200 * 8)
    assert parameter_bytes(deployed) == 4 * (weights + 8 + 8 + 8 * 3 + 3)


def test_one_dimension_and_groups() -> None:
    module = nn.Sequential(
        *(nn.Conv1d(2, 8, 3, padding=1), nn.BatchNorm1d(8), nn.ReLU()),
        *(nn.Conv1d(8, 8, 3, padding=1, groups=8), nn.BatchNorm1d(8), *head(8 * 5)),
    )
    assert list(folded(flows(module, 2, 5)[0])) == ["1", "4"]


class Wired(nn.Module):
    """A convolution and two normalisations, joined in ways that forbid folding."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.conv, self.other = (nn.Conv2d(2, 2, 3, padding=1) for _ in range(2))
        self.bn, self.last = nn.BatchNorm2d(2), nn.Linear(50, 3)
        if way == "tied weight":
            self.other.weight = self.conv.weight

    def forward(self, x: Tensor) -> Tensor:
        if self.way == "pre-activation":
            x = self.conv(torch.relu(self.bn(x)))
        elif self.way == "two readers":
            x = self.conv(x)
            x = x + self.bn(x)
        elif self.way == "shared norm":
            x = self.bn(self.other(self.bn(self.conv(x))))
        elif self.way == "shared layer":
            x = torch.relu(self.conv(self.bn(self.conv(x))))
        elif self.way == "tied weight":
            x = self.bn(self.conv(x)) + self.other(x)
        elif self.way == "weight read":
            x = self.bn(self.conv(x)) + self.conv.weight.sum()
        elif self.way == "activation between":
            x = self.bn(torch.relu(self.conv(x)))
        return self.last(x.flatten(1))


WAYS = (
    *("pre-activation", "two readers", "shared norm", "shared layer"),
    *("tied weight", "weight read", "activation between"),
)


@pytest.mark.parametrize("way", WAYS)
def test_not_folded(way: str) -> None:
    recorded, deployed = flows(Wired(way), 2, 5, 5)
    assert folded(recorded) == {}
    assert deployed == recorded


class Scaling(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(super().forward(x))


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ((nn.Conv2d(2, 8, 1), nn.GroupNorm(2, 8)), (2, 5, 5)),
        ((Scaling(2, 8, 1), nn.BatchNorm2d(8)), (2, 5, 5)),
        ((nn.Linear(5, 25), nn.BatchNorm1d(8)), (8, 5)),  # normalises positions, not outputs
    ],
)
def test_not_folded_either(layers: tuple[nn.Module, ...], shape: tuple[int, ...]) -> None:
    assert folded(flows(nn.Sequential(*layers, *head()), *shape)[0]) == {}


def test_a_split_point_between_layer_and_normalisation_keeps_them_apart() -> None:
    module = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), *head())
    flow = flows(module, 2, 5, 5)[0]
    apart = as_deployed(flow, ["_0"])
    assert apart == flow
    server = apart.between(["_0"], [flow.result])
    assert apart.stored_bytes(server) == 4 * (4 * 8) + 4 * (200 * 3 + 3)  # it does normalise


def test_the_folded_layer_computes_the_same() -> None:
    """What the module's docstring claims of scale, mean and shift."""
    conv, norm = nn.Conv2d(2, 8, 3, bias=False), nn.BatchNorm2d(8)
    for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        nn.init.uniform_(values, 0.5, 2.0)
    merged, x = nn.Conv2d(2, 8, 3), torch.randn(4, 2, 5, 5)
    with torch.no_grad():
        running: Any = norm
        scale = norm.weight / (running.running_var + norm.eps).sqrt()
        merged.weight.copy_(scale[:, None, None, None] * conv.weight)
        merged.bias.copy_(norm.bias - scale * running.running_mean)
        torch.testing.assert_close(merged(x), norm.eval()(conv(x)))
