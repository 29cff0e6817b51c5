"""The smallest networks that show one shape of data flow each: inputs (2, 4, 4), 3 logits."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGE, NUM_CLASSES = (2, 4, 4), 3


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Chain(nn.Sequential):
    """conv - norm - relu - pool - flatten - dropout - fc."""

    def __init__(self) -> None:
        super().__init__(
            conv(2, 4),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(16, 3),
        )


class Wired(nn.Module):
    """Modules that most of the nets below pick from."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block1, self.block2 = conv(2, 4), conv(4, 4), conv(4, 4)
        self.fc, self.wide, self.long = nn.Linear(64, 3), nn.Linear(192, 3), nn.Linear(67, 3)
        self.squeeze, self.excite = nn.Linear(4, 2), nn.Linear(2, 4)
        self.relu = nn.ReLU()


class Residual(Wired):
    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        x = self.relu(x + self.block1(x))
        x = self.relu(self.block2(self.relu(self.block1(x))) + x)
        return self.fc(x.flatten(1))


class DenseConcat(Wired):
    def forward(self, x: Tensor) -> Tensor:
        a = self.stem(x)
        b = self.block1(a)
        c = self.block2(torch.relu(b))
        return self.wide(torch.cat([a, b, c], 1).flatten(1))


class Inception(Wired):
    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        branches = [self.block1(x), self.block2(x), F.avg_pool2d(x, 3, 1, 1)]
        return self.wide(torch.cat(branches, 1).flatten(1))


class SqueezeExcitation(Wired):
    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        scale = torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean((2, 3))))))
        x = x * scale[:, :, None, None]
        return self.fc(self.block1(x).flatten(1))


class LongSkip(Wired):
    """The input itself is needed at the very end: nothing in between can be cut."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.block1(self.relu(self.stem(x)))
        z = torch.cat([y.flatten(1), x.mean((1, 2)).narrow(1, 0, 3)], 1)
        return self.long(z)


class ViewWithBatchSize(Wired):
    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x), inplace=False)
        x = F.max_pool2d(self.block1(x), 1)
        return self.fc(x.view(x.size(0), -1))


class SharedModule(Wired):
    """One convolution and one activation called three times."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        x = self.relu(self.block1(x))
        x = self.relu(self.block1(x))
        return self.fc(x.flatten(1))


class WeightsInForward(nn.Module):
    """Parameters used directly: they exist on both sides and need not cross."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(32, 8))
        self.scale = nn.Parameter(torch.randn(8))
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.sigmoid(self.scale)
        x = x.flatten(1) @ self.weight
        return self.fc(torch.relu(x * scale))


TINY_NETS: tuple[Callable[[], nn.Module], ...] = (
    Chain,
    Residual,
    DenseConcat,
    Inception,
    SqueezeExcitation,
    LongSkip,
    ViewWithBatchSize,
    SharedModule,
    WeightsInForward,
)


def build(net: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """Seeded, with running statistics and dropout that would show if they were used wrongly."""
    torch.manual_seed(seed)
    module = net()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
    return module


def residual(*, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """As a factory of a search space."""
    assert (input_shape, num_classes) == (IMAGE, NUM_CLASSES)
    return Residual()
