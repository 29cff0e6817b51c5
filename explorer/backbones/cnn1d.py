"""1-D convolutional networks for windows of sensor samples."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

KERNELS = (7, 5, 3)


def cnn1d(
    *, input_shape: tuple[int, ...], num_classes: int, channels: Sequence[int], pool: int = 2
) -> nn.Module:
    """1-D convolutions over time, after the FCN of Wang et al. (IJCNN 2017, arXiv 1611.06455).

    Convolution, batch normalisation and ReLU, then average pooling over time and one Linear layer. Unlike
    there, max pooling shortens the window after each convolution, which makes payloads smaller with depth.

    Args:
        input_shape: (C, T): channels of the sensor by time steps, T at least pool ** len(channels); or the
            same as an image of one channel, (1, C, T).
        num_classes: Logits.
        channels: Output channels of each convolution; kernels of 7, 5, then 3 steps.
        pool: Steps pooled into one; 1 leaves pooling out, as in the paper.

    Example:
        >>> module = cnn1d(input_shape=(3, 32), num_classes=5, channels=(4, 8))
        >>> " ".join(dict(module.named_children()))
        'conv1 norm1 relu1 pool1 conv2 norm2 relu2 pool2 average flatten classifier'
    """
    layers: dict[str, nn.Module] = {}
    if len(input_shape) == 3:
        layers["window"] = nn.Flatten(1, 2)
    previous = input_shape[-2]
    for number, outputs in enumerate(channels, start=1):
        kernel = KERNELS[min(number, len(KERNELS)) - 1]
        layers |= {
            f"conv{number}": nn.Conv1d(previous, outputs, kernel, padding=kernel // 2, bias=False),
            f"norm{number}": nn.BatchNorm1d(outputs),
            f"relu{number}": nn.ReLU(),
        }
        if pool > 1:
            layers[f"pool{number}"] = nn.MaxPool1d(pool)
        previous = outputs
    layers |= {"average": nn.AdaptiveAvgPool1d(1), "flatten": nn.Flatten()}
    layers["classifier"] = nn.Linear(previous, num_classes)
    return nn.Sequential(OrderedDict(layers))
