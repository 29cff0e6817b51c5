"""Values without tensors become constants or follow from the batch size, wherever that is read."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

from explorer.core.graph.module_state import evaluating
from explorer.core.graph.shape_ops import anchor_shape_reads, batch_reads
from explorer.core.graph.split_points import find_split_points
from explorer.core.graph.trace import trace


class Shaped(nn.Module):
    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


def anchored(function: Callable[[Tensor], Any], shape: tuple[int, ...] = (4, 6)) -> fx.GraphModule:
    graph_module = fx.symbolic_trace(Shaped(function))
    with evaluating(graph_module):
        anchor_shape_reads(graph_module, torch.zeros(1, *shape))
    return graph_module


def zeros_written_to(x: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    y += x
    return y + y


FUNCTIONS: tuple[Callable[[Tensor], Any], ...] = (
    lambda x: x.view(x.size(0), x.size(1) * x.size(2)),
    lambda x: x.reshape(x.shape[0] * 2, -1),
    lambda x: x.reshape(x.shape[0] + 0, *[24]),
    lambda x: x.view(x.shape[:1] + (24,)),  # noqa: RUF005  (as users write it)
    lambda x: x[:, : x.shape[1] // 2],
    lambda x: x.reshape(-1, x.shape[-1])[: x.size(0) * 4 - 1],
    lambda x: x + torch.zeros(x.shape, device=x.device, dtype=x.dtype),
    lambda x: x.expand(x.size()),
    lambda x: torch.arange(x.size(0)).view(x.size(0), 1, 1) + x,
    lambda x: x / x.numel() * x.size(0),
    lambda x: x.transpose(-1, x.dim() - 2),
    lambda x: torch.cat([x, torch.zeros_like(x), torch.full_like(x, 2.5), x.new_ones(x.shape[0], 4, 6)], 1),
    lambda x: x.new_full((x.shape[0], 1), 3, dtype=torch.int64),
    zeros_written_to,
)


def test_what_is_filled_takes_nothing_from_another_tensor() -> None:
    """The second layer's output is all that has to cross, though the first state has the input's shape."""

    class Cell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.state = nn.Linear(6, 5), nn.Linear(5, 6), nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            y = torch.relu(self.second(torch.relu(self.first(x))))
            return y + self.state(torch.ones_like(x))

    points = find_split_points(trace(Cell(), torch.zeros(1, 6)).dataflow)
    assert [point.name for point in points] == ["input", "relu", "relu_1", "output"]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("batch", [1, 2, 7])
def test_the_same_for_every_batch_size(function: Callable[[Tensor], Any], batch: int) -> None:
    x = torch.randn(batch, 4, 6)
    torch.testing.assert_close(anchored(function)(x), function(x))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_the_batch_size_and_the_device_are_read_from_the_input(
    function: Callable[[Tensor], Any],
) -> None:
    graph = anchored(function).graph
    reads = batch_reads(graph)
    assert {node.target for node in reads} <= {"size", getattr}
    assert not any(node.target in {"shape", "dim", "numel"} for node in graph.nodes)


def test_what_does_not_follow_from_the_batch_size() -> None:
    with pytest.raises(ValueError, match=r"2\.5 for two samples and 3\.5 for three"):
        anchored(lambda x: x * (x.size(0) + 0.5))
