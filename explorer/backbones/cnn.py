"""Small plain convolutional networks."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn


def cnn(*, input_shape: tuple[int, ...], num_classes: int, channels: Sequence[int], hidden: int) -> nn.Module:
    """3x3 convolutions, each with batch normalisation, ReLU and 2x2 max pooling, then two Linear layers.

    The small networks of Kundu et al. on predefined sparsity (IEEE Trans. Computers 2020, arXiv 2001.10710)
    have this form.

    Args:
        input_shape: (C, H, W), H and W at least 2 ** len(channels).
        num_classes: Logits.
        channels: Output channels of each convolution.
        hidden: Units of the first Linear layer.

    Example:
        >>> module = cnn(input_shape=(1, 8, 8), num_classes=3, channels=(4, 8), hidden=16)
        >>> module.conv2
        Conv2d(4, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
        >>> module.fc
        Linear(in_features=32, out_features=16, bias=True)
    """
    layers: dict[str, nn.Module] = {}
    previous, height, width = input_shape
    if min(height, width) < 2 ** len(channels):
        raise ValueError(
            f"images must be at least {2 ** len(channels)} high and wide, got {height} x {width}"
        )
    for number, outputs in enumerate(channels, start=1):
        layers |= {
            f"conv{number}": nn.Conv2d(previous, outputs, 3, padding=1, bias=False),
            f"norm{number}": nn.BatchNorm2d(outputs),
            f"relu{number}": nn.ReLU(),
            f"pool{number}": nn.MaxPool2d(2),
        }
        previous, height, width = outputs, height // 2, width // 2
    layers |= {"flatten": nn.Flatten(), "fc": nn.Linear(previous * height * width, hidden), "relu": nn.ReLU()}
    layers["classifier"] = nn.Linear(hidden, num_classes)
    return nn.Sequential(OrderedDict(layers))
