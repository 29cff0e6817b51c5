"""Residual networks for small images."""

from collections import OrderedDict

import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions; the input is added: every second pixel, zero channels, where shapes differ.

    Example:
        >>> from torch import zeros
        >>> ResidualBlock(4, 8, stride=2)(zeros(1, 4, 8, 8)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1, self.relu1 = nn.BatchNorm2d(outputs), nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(outputs), nn.ReLU()
        self.stride, self.new_channels = stride, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to (N, C', H', W')."""
        y = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        if self.stride > 1 or self.new_channels:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))
        result: Tensor = self.relu2(y + x)
        return result


def resnet(*, input_shape: tuple[int, ...], num_classes: int, depth: int, width: int = 16) -> nn.Module:
    """Residual network for CIFAR with identity shortcuts (He et al., CVPR 2016, arXiv 1512.03385, sec. 4.2).

    Three stages of (depth - 2) / 6 blocks with ``width``, 2 and 4 times as many channels, halving the image
    twice.

    Args:
        input_shape: (C, H, W).
        num_classes: Logits.
        depth: 6 n + 2 weight layers: 8, 14, 20, 32, ...
        width: Channels of the first stage, 16 in the paper.

    Example:
        >>> module = resnet(input_shape=(3, 32, 32), num_classes=10, depth=8, width=4)
        >>> " ".join(dict(module.named_children()))
        'stem stage1 stage2 stage3 pool flatten classifier'
        >>> module.classifier
        Linear(in_features=16, out_features=10, bias=True)
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise ValueError(f"depth must be 6 n + 2 (8, 14, 20, ...), got {depth}")
    layers: dict[str, nn.Module] = {
        "stem": nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(input_shape[0], width, 3, padding=1, bias=False),
                norm=nn.BatchNorm2d(width),
                relu=nn.ReLU(),
            )
        )
    }
    previous = width
    for number in (1, 2, 3):
        outputs = width * 2 ** (number - 1)
        strides = [1 if number == 1 else 2] + [1] * (blocks - 1)
        inputs = [previous] + [outputs] * (blocks - 1)
        layers[f"stage{number}"] = nn.Sequential(
            *(ResidualBlock(i, outputs, s) for i, s in zip(inputs, strides, strict=True))
        )
        previous = outputs
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    layers["classifier"] = nn.Linear(previous, num_classes)
    return nn.Sequential(OrderedDict(layers))
