"""One small network for each kind of module that a user may bring, with its edge MACs by hand.

Every entry lists what a person computes on paper: multiply-accumulates up to each split point.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGE = (2, 4, 4)
CLASSES = 3


@dataclass(frozen=True)
class Kind:
    """A network of the zoo.

    Attributes:
        net: Builds it.
        input_shape: Of one sample.
        edge_macs: By split point, ``input`` and ``output`` included, in order.
        traced_by: ``fx``, ``opaque`` (a submodule is left whole) or ``export``.
    """

    net: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    edge_macs: dict[str, int]
    traced_by: str = "fx"

    @property
    def name(self) -> str:
        return self.net.__name__


def conv(inputs: int, outputs: int, size: int = 3, **options: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, **options)


class Residual(nn.Module):
    """Two convolutions around which the input is added; the activation is one module."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.norm1 = conv(4, 4), nn.BatchNorm2d(4)
            self.conv2, self.norm2 = conv(4, 4), nn.BatchNorm2d(4)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: Tensor) -> Tensor:
            out = self.relu(self.norm1(self.conv1(x)))
            return self.relu(self.norm2(self.conv2(out)) + x)

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(2, 4)
        self.blocks = nn.Sequential(Residual.Block(), Residual.Block())
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.flatten(self.pool(self.blocks(self.stem(x))), 1))


STEM, BLOCK = 2 * 4 * 9 * 16, 4 * 4 * 9 * 16  # 3x3 convolutions on 4x4 pixels


class DenseConcat(nn.Module):
    """DenseNet: each convolution reads all maps so far."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(conv(2 + 2 * number, 2) for number in range(3))
        self.fc = nn.Linear(8 * 16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(F.relu(x))], 1)
        return self.fc(x.flatten(1))


class Inception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(2, 4)
        self.branch1, self.branch3 = conv(4, 2, 1), nn.Sequential(conv(4, 2, 1), nn.ReLU(), conv(2, 2))
        self.pool, self.fc = nn.AvgPool2d(3, 1, 1), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.cat([self.branch1(x), self.branch3(x), self.pool(x)], dim=1)
        return self.fc(x.mean(dim=(2, 3)))


class InvertedResidual(nn.Module):
    """MobileNetV2: expand, depthwise, project, add."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(2, 4)
        self.expand, self.depthwise, self.project = conv(4, 8, 1), conv(8, 8, groups=8), conv(8, 4, 1)
        self.act, self.fc = nn.ReLU6(), nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.project(self.act(self.depthwise(self.act(self.expand(x)))))
        return self.fc(x.mean((2, 3)))


INVERTED = (4 * 8 + 8 * 9 + 8 * 4) * 16


class SqueezeExcitation(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.last = conv(2, 4), conv(4, 4)
        self.squeeze, self.excite = conv(4, 2, 1), conv(2, 4, 1)
        self.fc = nn.Linear(4 * 16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        scale = F.adaptive_avg_pool2d(x, 1)
        x = x * self.excite(F.relu(self.squeeze(scale))).sigmoid()
        return self.fc(self.last(x).flatten(1))


class LongSkip(nn.Module):
    """U-Net: what the first convolution gives is needed again at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep = conv(2, 4), conv(4, 8)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.join, self.fc = conv(8, 4), nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.down(x)
        x = self.up(F.relu(self.deep(F.max_pool2d(skip, 2))))
        x = F.relu(self.join(torch.cat((skip, x), 1)))
        return self.fc(x.amax((-2, -1)))


class SensorWindow(nn.Module):
    """1-D convolutions over a window of two channels."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(2, 4, 3, padding=1), nn.BatchNorm1d(4), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(4, 6, 3)
        )
        self.head = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean(-1))


class Attention(nn.Module):
    """Four tokens of four values, two heads, projections by one Linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj, self.norm = nn.Linear(4, 12), nn.Linear(4, 4), nn.LayerNorm(4)
        self.fc = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm(x)).reshape(batch, tokens, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, width)
        x = x + self.proj(attended)
        return self.fc(x.mean(1))


ATTENTION = 4 * 4 * 12 + 2 * (4 * 4 * 2) * 2 + 4 * 4 * 4  # qkv; q k' and (..) v in two heads; projection


class ClassToken(nn.Module):
    """A parameter expanded to the batch size, which is read at the top, and torch's own attention."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 4)
        self.token, self.place = nn.Parameter(torch.randn(1, 1, 4)), nn.Parameter(torch.randn(1, 5, 4))
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.fc = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        batch = x.shape[0]
        x = self.embed(x)
        x = torch.cat([self.token.expand(batch, -1, -1), x], dim=1) + self.place
        attended, _ = self.attention(x, x, x, need_weights=False)
        return self.fc((x + attended)[:, 0])


TOKENS5 = 4 * (5 * 4 * 4) + 2 * (5 * 5 * 2) * 2  # three projections and one back; two products in two heads


class Encoder(nn.Module):
    """torch's encoder layers: leaf modules."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.1, batch_first=True)
        self.encoder = nn.Sequential(layer, nn.TransformerEncoderLayer(4, 2, 8, batch_first=True))
        self.fc = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.encoder(x)[:, -1])


ENCODER = 4 * (4 * 4 * 4) + 2 * (4 * 4 * 2) * 2 + 2 * (4 * 4 * 8)


class BatchSizeAtTop(nn.Module):
    """The batch size, read first, is used last: it may not hide what lies between."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.fc = conv(2, 4), conv(4, 4), nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.size()
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        return self.fc(x.view(batch, 4 * height * width))


class TimeSteps(nn.Module):
    """Time steps folded into the batch and out again: a tensor whose first axis is no batch cannot cross."""

    def __init__(self) -> None:
        super().__init__()
        self.step, self.mix, self.fc = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        batch, steps = x.shape[:2]
        x = torch.relu(self.step(x.reshape(batch * steps, -1)))
        x = torch.tanh(self.mix(x)).view(batch, steps, 8)
        return self.fc(x.transpose(0, 1).mean(dim=0).repeat(1, 2))


class Chunks(nn.Module):
    """Gated linear unit and channel shuffle: ``chunk``, ``split``, ``stack``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.left, self.fc = conv(2, 8), conv(2, 2), nn.Linear(4 * 16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.conv(x).chunk(2, dim=1)
        x = value * torch.sigmoid(gate)
        left, right = x.split([2, 2], 1)
        x = torch.stack([self.left(left), right], 2).flatten(1, 2)
        return self.fc(x.flatten(1))


class Shared(nn.Module):
    """One convolution, one norm and one activation called twice, and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv, self.norm = conv(2, 4), conv(4, 4), nn.BatchNorm2d(4)
        self.act, self.drop, self.fc = nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.stem(x)))
        x = self.drop(self.act(self.norm(self.conv(x))))
        return self.fc(self.conv(x).flatten(1))


class ParametersOnly(nn.Module):
    """A mask computed from parameters alone, with MACs: whoever needs it computes it."""

    def __init__(self) -> None:
        super().__init__()
        self.latent, self.make = nn.Parameter(torch.randn(5)), nn.Linear(5, 8)
        self.fc1, self.fc2, self.fc3 = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.sigmoid(self.make(self.latent))
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x)) * mask
        return self.fc3(x)


class Functional(nn.Module):
    """Weights held as parameters, operators called as functions, ``einsum`` and ``@``."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel, self.weight = nn.Parameter(torch.randn(4, 2, 3, 3)), nn.Parameter(torch.randn(8, 4))
        self.last = nn.Parameter(torch.randn(CLASSES, 8))

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(F.leaky_relu(F.conv2d(x, self.kernel, padding=1)), 4).flatten(1)
        x = F.gelu(torch.einsum("bi,oi->bo", x, self.weight))
        return x @ self.last.t()


class CheckedBlock(nn.Module):
    """A submodule that asserts and branches on shapes: left whole."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = conv(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[1] == 4, "four channels"
            return self.conv(x) if x.size(-1) > 1 else x

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block, self.fc = conv(2, 4), CheckedBlock.Block(), nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.block(torch.relu(self.stem(x))))
        return self.fc(x.flatten(1))


class DropPath(nn.Module):
    """Stochastic depth: operations that are run in training alone."""

    class Drop(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if not self.training:
                return x
            return x * x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(0.5)

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv, self.drop = conv(2, 4), conv(4, 4), DropPath.Drop()
        self.fc = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.relu(x + self.drop(self.conv(x)))
        return self.fc(x.flatten(1))


class Recurrent(nn.Module):
    """An LSTM: one operator of torch, several results."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.fc = nn.LSTM(4, 6, batch_first=True), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        steps, _ = self.lstm(x)
        return self.fc(steps[:, -1])


class ShapeLoop(nn.Module):
    """The backbone's own forward loops and branches on shapes: exported, its modules put back."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv, self.norm = conv(2, 4), conv(4, 4), nn.BatchNorm2d(4)
        self.drop, self.fc = nn.Dropout(0.5), nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] != 2:
            raise ValueError("two channels")
        x = torch.relu(self.stem(x))
        while x.shape[-1] > 2:
            x = F.max_pool2d(torch.relu(self.norm(self.conv(x))), 2)
        return self.fc(self.drop(x.reshape(x.shape[0], -1)))


ZOO = (
    Kind(
        Residual,
        IMAGE,
        {"input": 0, "stem": STEM, "blocks.0": STEM + 2 * BLOCK, "pool": STEM + 4 * BLOCK}
        | {"output": STEM + 4 * BLOCK + 4 * 3},
    ),
    Kind(
        DenseConcat,
        IMAGE,
        {
            "input": 0,
            "cat": 2 * 2 * 9 * 16,
            "cat_1": (2 + 4) * 2 * 9 * 16,
            "cat_2": (2 + 4 + 6) * 2 * 9 * 16,
            "output": (2 + 4 + 6) * 2 * 9 * 16 + 8 * 16 * 3,
        },
    ),
    Kind(
        Inception,
        IMAGE,
        {"input": 0, "stem": STEM, "mean": STEM + (4 * 2 + 4 * 2 + 2 * 2 * 9) * 16}
        | {"output": STEM + (4 * 2 + 4 * 2 + 2 * 2 * 9) * 16 + 8 * 3},
    ),
    Kind(
        InvertedResidual,
        IMAGE,
        {"input": 0, "stem": STEM, "mean": STEM + INVERTED, "output": STEM + INVERTED + 4 * 3},
    ),
    Kind(
        SqueezeExcitation,
        IMAGE,
        {"input": 0, "stem": STEM, "mul": STEM + 2 * 4 * 2, "last": STEM + 2 * 4 * 2 + BLOCK}
        | {"output": STEM + 2 * 4 * 2 + BLOCK + 64 * 3},
    ),
    Kind(
        LongSkip,
        IMAGE,
        {
            "input": 0,
            "down": STEM,
            "cat": STEM + 4 * 8 * 9 * 4 + 8 * 4 * 4 * 4,  # a 2x2 kernel writes from each of 2x2 pixels
            "amax": STEM + 4 * 8 * 9 * 4 + 8 * 4 * 4 * 4 + 8 * 4 * 9 * 16,
            "output": STEM + 4 * 8 * 9 * 4 + 8 * 4 * 4 * 4 + 8 * 4 * 9 * 16 + 4 * 3,
        },
    ),
    Kind(
        SensorWindow,
        (2, 16),
        {"input": 0, "features.3": 2 * 4 * 3 * 16, "mean": 2 * 4 * 3 * 16 + 4 * 6 * 3 * 6}
        | {"output": 2 * 4 * 3 * 16 + 4 * 6 * 3 * 6 + 6 * 3},
    ),
    Kind(Attention, (4, 4), {"input": 0, "mean": ATTENTION, "output": ATTENTION + 4 * 3}),
    Kind(
        ClassToken,
        (4, 4),
        {
            "input": 0,
            "embed": 4 * 4 * 4,
            "getitem_1": 4 * 4 * 4 + TOKENS5,
            "output": 4 * 4 * 4 + TOKENS5 + 4 * 3,
        },
    ),
    Kind(
        Encoder,
        (4, 4),
        {"input": 0, "encoder.0": ENCODER, "getitem": 2 * ENCODER, "output": 2 * ENCODER + 4 * 3},
    ),
    Kind(
        BatchSizeAtTop,
        IMAGE,
        {"input": 0, "relu": STEM, "relu_1": STEM + BLOCK, "output": STEM + BLOCK + 64 * 3},
    ),
    Kind(
        TimeSteps,
        (3, 4),
        {"input": 0, "mean": 3 * (4 * 8 + 8 * 8), "output": 3 * (4 * 8 + 8 * 8) + 16 * 3},
    ),
    Kind(
        Chunks,
        IMAGE,
        {"input": 0, "mul": 2 * STEM, "flatten": 2 * STEM + 2 * 2 * 9 * 16}
        | {"output": 2 * STEM + 2 * 2 * 9 * 16 + 64 * 3},
    ),
    Kind(
        Shared,
        IMAGE,
        {"input": 0, "act": STEM, "drop": STEM + BLOCK, "conv_1": STEM + 2 * BLOCK}
        | {"output": STEM + 2 * BLOCK + 64 * 3},
    ),
    Kind(
        ParametersOnly,
        (4,),
        {"input": 0, "relu": 4 * 8, "relu_1": 4 * 8 + 8 * 8, "mul": 4 * 8 + 8 * 8 + 5 * 8}
        | {"output": 4 * 8 + 8 * 8 + 5 * 8 + 8 * 3},
    ),
    Kind(
        Functional,
        IMAGE,
        {"input": 0, "avg_pool2d": STEM, "gelu": STEM + 4 * 8, "output": STEM + 4 * 8 + 8 * 3},
    ),
    Kind(
        CheckedBlock,
        IMAGE,
        {"input": 0, "relu": STEM, "relu_1": STEM + BLOCK, "output": STEM + BLOCK + 64 * 3},
        "opaque",
    ),
    Kind(
        DropPath,
        IMAGE,
        {"input": 0, "stem": STEM, "relu": STEM + BLOCK, "output": STEM + BLOCK + 64 * 3},
    ),
    Kind(
        Recurrent,
        (5, 4),
        {"input": 0, "getitem_1": 5 * 4 * 6 * (4 + 6), "output": 5 * 4 * 6 * (4 + 6) + 6 * 3},
    ),
    Kind(
        ShapeLoop,
        IMAGE,
        {"input": 0, "relu": STEM, "max_pool2d": STEM + BLOCK, "output": STEM + BLOCK + 16 * 3},
        "export",
    ),
)


def build(kind: Kind, seed: int = 0) -> nn.Module:
    """Seeded, with running statistics and dropout that would show if they were used wrongly."""
    torch.manual_seed(seed)
    module = kind.net()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
    return module
