"""Factories that spaces of the tests name."""

from collections import OrderedDict
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from zoo import ZOO


def zoo_net(*, input_shape: tuple[int, ...], num_classes: int, name: str) -> Any:
    """As a factory."""
    (kind,) = (kind for kind in ZOO if kind.name == name)
    assert (kind.input_shape, num_classes) == (input_shape, 3)
    return kind.net()


def staged(*, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """As a factory of a search space."""
    body = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    return nn.Sequential(
        OrderedDict(stem=nn.Linear(*input_shape, 8), body=body, head=nn.Linear(8, num_classes))
    )


def read_directly(*, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """As a factory of a search space."""

    class ReadsWeight(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(*input_shape, 8), nn.Linear(8, num_classes)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc2(torch.relu(self.fc1(x)) + x @ self.fc1.weight.t())

    return ReadsWeight()


class MaskUsedTwice(nn.Module):
    """On both sides of the split point ``relu``."""

    def __init__(self) -> None:
        super().__init__()
        self.latent, self.make = nn.Parameter(torch.randn(5)), nn.Linear(5, 8)
        self.fc1, self.fc2, self.fc3 = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        mask = self.make(self.latent)
        x = torch.relu(self.fc1(x) * mask)
        x = torch.tanh(self.fc2(x) * mask)
        return self.fc3(x)


def mask_used_twice(*, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """As a factory of a search space."""
    assert (input_shape, num_classes) == ((4,), 3)
    torch.manual_seed(0)
    return MaskUsedTwice()


def tanh_net(*, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """A network that there is no C for behind its first layer."""
    inputs = prod(input_shape)
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, num_classes))
