"""fvcore's count of dense modules, by formula."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from explorer.core.graph.dataflow import total_macs
from explorer.core.graph.recording import record_values
from explorer.costs.dense_macs import count_dense, free_operators, uncounted_arithmetic


class Squared(nn.Module):
    """x' A x."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.bilinear = nn.Bilinear(inputs, inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.bilinear(x, x)


@pytest.mark.parametrize(
    ("module", "shape", "macs"),
    [
        (nn.Linear(8, 16), (8,), 8 * 16),
        (nn.Linear(8, 16, bias=False), (5, 8), 5 * 8 * 16),
        (nn.Conv1d(4, 6, 3), (4, 9), 4 * 6 * 3 * 7),  # inputs x outputs x taps x positions
        (nn.Conv2d(4, 6, 3, stride=2, padding=1), (4, 8, 6), 4 * 6 * 9 * (4 * 3)),
        (nn.Conv2d(4, 8, 3, groups=4, padding=1), (4, 5, 5), (4 // 4) * 8 * 9 * 25),
        (nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 3)), (8,), 8 * 4 + 4 * 3),
        (Squared(8, 4), (8,), 4 * 8 * 8 + 4 * 8),  # per output x' A, then its product with x
        (Squared(8, 4), (5, 8), 5 * (4 * 8 * 8 + 4 * 8)),
    ],
)
def test_dense_macs(module: nn.Module, shape: tuple[int, ...], macs: int) -> None:
    sample = torch.zeros(1, *shape)
    assert count_dense(module, sample).macs == macs
    values, _ = record_values(fx.symbolic_trace(module), sample, {})
    assert total_macs(values.values()) == macs


class Attention(nn.Module):
    def __init__(self, product: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.product = product

    def forward(self, x: Tensor) -> Tensor:
        return self.product(x, x.transpose(1, 2))


@pytest.mark.parametrize(
    "product", [torch.matmul, torch.bmm, lambda a, b: torch.einsum("bij,bjk->bik", a, b)]
)
def test_products_of_activations(product: Callable[[Tensor, Tensor], Tensor]) -> None:
    assert count_dense(Attention(product), torch.zeros(1, 5, 7)).macs == 5 * 7 * 5


def test_operators_not_counted_are_listed() -> None:
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Sigmoid(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 3)
    ).eval()
    count = count_dense(module, torch.zeros(1, 1, 4, 4))
    assert count.macs == 4 * 9 * 4 + 4 * 3
    # fvcore does count normalisation, but its operations are no multiply-accumulates of a product
    assert count.uncounted == Counter({"batch_norm": 1, "aten::sigmoid": 1, "aten::max_pool2d": 1})


def test_nothing_to_count() -> None:
    count = count_dense(nn.Identity(), torch.zeros(1, 4))
    assert (count.macs, count.uncounted) == (0, Counter())


class Handmade(nn.Module):
    """A Linear layer and a convolution written out, between operators that cost nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.kernel = nn.Parameter(torch.rand(3, 8)), nn.Parameter(torch.rand(4, 1))

    def forward(self, x: Tensor) -> Tensor:
        windows = F.unfold(F.max_pool2d(F.relu(x), 1), 2)  # (B, 4, 4)
        x = (windows * self.kernel).sum(1)
        return (torch.cat([x, x], 1).unsqueeze(1) * self.weight).sum(2)


def test_products_written_out_are_listed_apart_from_what_costs_nothing() -> None:
    count = count_dense(Handmade(), torch.zeros(1, 1, 3, 3))
    assert count.macs == 0
    assert uncounted_arithmetic(count.uncounted) == {"aten::mul": 2, "aten::sum": 2}
    assert free_operators(count.uncounted) == {"aten::max_pool2d": 1, "aten::im2col": 1}


def test_an_unknown_operator_may_be_arithmetic() -> None:
    operators = {"aten::add_": 2, "batch_norm": 1, "mine::contract": 1, "aten::cdist": 3}
    assert uncounted_arithmetic(operators) == {"mine::contract": 1, "aten::cdist": 3}
    assert free_operators(operators) == {"aten::add_": 2, "batch_norm": 1}
