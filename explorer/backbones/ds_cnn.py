"""Depthwise separable convolutional networks for microcontrollers."""

from collections import OrderedDict

from torch import nn


def ds_cnn(*, input_shape: tuple[int, ...], num_classes: int, width: int = 64, blocks: int = 4) -> nn.Module:
    """DS-CNN for keyword spotting (Zhang et al., "Hello Edge", 2017, arXiv 1711.07128).

    A 10x4 convolution with stride 2, depthwise separable 3x3 blocks, average pooling, one Linear layer.
    Depthwise convolutions stay dense.

    Args:
        input_shape: (C, T, F): time steps by frequency bands, 1x49x10 in the paper; any image at least 2x2.
        num_classes: Logits.
        width: Channels everywhere; 64 is the paper's small network, 172 and 276 the larger ones.
        blocks: Depthwise separable blocks; 4 and 5 in the paper.

    Example:
        >>> module = ds_cnn(input_shape=(1, 49, 10), num_classes=12)
        >>> " ".join(dict(module.named_children()))
        'stem block1 block2 block3 block4 pool flatten classifier'
        >>> sum(parameter.numel() for parameter in module.parameters())
        23180
    """
    layers: dict[str, nn.Module] = {
        "stem": nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(input_shape[0], width, (10, 4), stride=2, padding=(5, 2), bias=False),
                norm=nn.BatchNorm2d(width),
                relu=nn.ReLU(),
            )
        )
    }
    for number in range(1, blocks + 1):
        layers[f"block{number}"] = nn.Sequential(
            OrderedDict(
                depthwise=nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
                norm1=nn.BatchNorm2d(width),
                relu1=nn.ReLU(),
                pointwise=nn.Conv2d(width, width, 1, bias=False),
                norm2=nn.BatchNorm2d(width),
                relu2=nn.ReLU(),
            )
        )
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    layers["classifier"] = nn.Linear(width, num_classes)
    return nn.Sequential(OrderedDict(layers))
