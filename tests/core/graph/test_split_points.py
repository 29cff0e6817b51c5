"""Split points against brute force: take a tensor away and see whether anything still gets past it."""

from collections.abc import Callable

import pytest
import torch
from brute_force import expected_payloads, split_classes
from hypothesis import given
from hypothesis import strategies as st
from tiny_nets import (
    IMAGE,
    TINY_NETS,
    Chain,
    DenseConcat,
    Inception,
    LongSkip,
    Residual,
    SharedModule,
    SqueezeExcitation,
    ViewWithBatchSize,
    WeightsInForward,
    build,
)
from torch import Tensor, nn

from explorer.core.graph.split_points import cut, find_split_points
from explorer.core.graph.trace import Trace, trace
from explorer.errors import UserError


def traced(net: Callable[[], nn.Module]) -> Trace:
    return trace(build(net), torch.zeros(1, *IMAGE))


@pytest.mark.parametrize("net", TINY_NETS)
def test_split_points_are_those_of_brute_force(net: Callable[[], nn.Module]) -> None:
    points = find_split_points(traced(net).dataflow)
    expected = expected_payloads(split_classes(build(net), IMAGE))
    assert [(point.payload_elements, len(point.shape)) for point in points[1:-1]] == expected
    assert (points[0].name, points[0].shape) == ("input", IMAGE)
    assert (points[-1].name, points[-1].shape) == ("output", (3,))
    assert len({point.name for point in points}) == len(points)


@pytest.mark.parametrize(
    ("net", "names"),
    [
        (Chain, ["input", "3", "output"]),  # pooled, before flatten: the same size with more axes
        (Residual, ["input", "relu", "relu_1", "relu_3", "output"]),  # one module called four times
        (DenseConcat, ["input", "stem", "cat", "output"]),
        (Inception, ["input", "relu", "cat", "output"]),
        (SqueezeExcitation, ["input", "stem", "mul", "block1", "output"]),
        (LongSkip, ["input", "cat", "output"]),
        (ViewWithBatchSize, ["input", "relu", "max_pool2d", "output"]),
        (SharedModule, ["input", "relu", "relu_1", "relu_2", "output"]),
        (WeightsInForward, ["input", "relu", "output"]),
    ],
)
def test_names(net: Callable[[], nn.Module], names: list[str]) -> None:
    assert [point.name for point in find_split_points(traced(net).dataflow)] == names


def test_name_of_a_nested_module_is_its_path() -> None:
    module = nn.Sequential(nn.Sequential(nn.Linear(4, 8), nn.Tanh()), nn.Linear(8, 3))
    points = find_split_points(trace(module, torch.zeros(1, 4)).dataflow)
    assert [point.name for point in points] == ["input", "0.1", "output"]


class MisleadingNames(nn.Module):
    """Modules called like split points, and like torch.fx calls the second call of ``act``."""

    def __init__(self) -> None:
        super().__init__()
        self.input, self.output, self.act_1 = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.square, self.act, self.last = nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.output(self.input(x))
        x = self.act(self.square(self.act(self.square(x))))
        return self.last(self.act_1(x))


def test_names_are_unique() -> None:
    points = find_split_points(trace(MisleadingNames(), torch.zeros(1, 4)).dataflow)
    names = ["input", "input_2", "output_2", "act", "act_1", "act_1_2", "output"]
    assert [point.name for point in points] == names


def test_smaller_tensor_before_the_first_multiplication() -> None:
    module = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 3))
    points = find_split_points(trace(module, torch.zeros(1, *IMAGE)).dataflow)
    assert [(point.name, point.shape) for point in points] == [
        ("input", (2, 4, 4)),
        ("0", (2, 2, 2)),
        ("output", (3,)),
    ]


def test_network_without_multiplications_has_two_split_points() -> None:
    points = find_split_points(trace(nn.Sequential(nn.ReLU(), nn.Tanh()), torch.zeros(1, 3)).dataflow)
    assert [(point.name, *point.nodes) for point in points] == [("input", "input_1"), ("output", "_1")]


class Constant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(1, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.logits * 2


def test_output_that_ignores_the_input() -> None:
    with pytest.raises(UserError, match="no split point"):
        find_split_points(trace(Constant(), torch.zeros(1, 4)).dataflow)


class RandomGraph(nn.Module):
    """Node ``n`` sums the earlier nodes listed for it; odd ones multiply by a matrix as well."""

    def __init__(self, sources: list[list[int]]) -> None:
        super().__init__()
        self.sources = sources
        self.layers = nn.ModuleList(nn.Linear(3, 3) for _ in sources)

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for number, (sources, layer) in enumerate(zip(self.sources, self.layers, strict=True)):
            value = torch.stack([values[source] for source in sources]).mean(0)
            values.append(layer(value) if number % 2 else value.tanh())
        return values[-1]


@st.composite
def random_graphs(draw: st.DrawFn) -> RandomGraph:
    sizes = range(1, draw(st.integers(1, 8)) + 1)
    # mostly the newest nodes, or hardly any graph would have a cut
    return RandomGraph(
        [
            draw(st.lists(st.integers(max(0, size - 3), size - 1), min_size=1, max_size=2, unique=True))
            for size in sizes
        ]
    )


@given(random_graphs())
def test_random_graphs(module: RandomGraph) -> None:
    found = trace(module, torch.zeros(1, 3))
    points = find_split_points(found.dataflow)
    expected = expected_payloads(split_classes(module, (3,)))
    assert [(point.payload_elements, len(point.shape)) for point in points[1:-1]] == expected
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for point in points:
            edge = cut(found.graph_module, points[0], point)
            server = cut(found.graph_module, point, points[-1])
            torch.testing.assert_close(server(edge(x)), module(x))


def test_parts_hold_only_what_they_use_and_share_it() -> None:
    found = traced(Residual)
    first, _, point, _, last = find_split_points(found.dataflow)
    assert point.nodes == ("relu_1",)
    edge, server = cut(found.graph_module, first, point), cut(found.graph_module, point, last)
    on_edge, on_server = (
        {name.split(".")[0] for name, _ in part.named_parameters()} for part in (edge, server)
    )
    assert on_edge == {"stem", "block1"}
    assert on_server == {"block1", "block2", "fc"}  # block1 is called on both sides
    assert edge.get_parameter("stem.weight") is found.graph_module.get_parameter("stem.weight")
