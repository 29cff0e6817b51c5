"""A small network, its data and a recipe, for tests of training."""

import torch
from recipes import recipe
from torch import nn

from explorer.core.network import Network
from explorer.data.dataset import Subset

RECIPE = recipe(exit_loss_weight=0.5)


def network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    backbone = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2))
    return Network(backbone, torch.zeros(1, 4), 2, exit_features=8)


def data(samples: int) -> Subset:
    inputs = torch.randn(samples, 4, generator=torch.Generator().manual_seed(0))
    return Subset(inputs, (inputs[:, 0] > 0).long())
