"""fvcore's count of dense modules, by formula."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from explorer.profile.compute import count_dense


@pytest.mark.parametrize(
    ("module", "shape", "macs"),
    [
        (nn.Linear(8, 16), (8,), 8 * 16),
        (nn.Linear(8, 16, bias=False), (5, 8), 5 * 8 * 16),
        (nn.Conv1d(4, 6, 3), (4, 9), 4 * 6 * 3 * 7),  # inputs x outputs x taps x positions
        (nn.Conv2d(4, 6, 3, stride=2, padding=1), (4, 8, 6), 4 * 6 * 9 * (4 * 3)),
        (nn.Conv2d(4, 8, 3, groups=4, padding=1), (4, 5, 5), (4 // 4) * 8 * 9 * 25),
        (nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 3)), (8,), 8 * 4 + 4 * 3),
    ],
)
def test_dense_macs(module: nn.Module, shape: tuple[int, ...], macs: int) -> None:
    assert count_dense(module, torch.zeros(1, *shape)).macs == macs


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
