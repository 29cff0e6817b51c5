"""LeNet-5."""

from collections import OrderedDict

from torch import nn


def lenet5(*, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """LeNet-5 (LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 1998).

    All maps of the first layer feed all of the second; the output is one Linear layer. 28x28 inputs are
    padded to the paper's 32x32 by the first convolution.

    Args:
        input_shape: (C, H, W), H and W at least 12.
        num_classes: Logits.

    Example:
        >>> lenet5(input_shape=(1, 28, 28), num_classes=10).fc1
        Linear(in_features=400, out_features=120, bias=True)
    """
    channels, height, width = input_shape
    maps_height, maps_width = ((extent // 2 - 4) // 2 for extent in (height, width))
    layers: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(channels, 6, 5, padding=2),
        "act1": nn.Tanh(),
        "pool1": nn.AvgPool2d(2),
        "conv2": nn.Conv2d(6, 16, 5),
        "act2": nn.Tanh(),
        "pool2": nn.AvgPool2d(2),
        "flatten": nn.Flatten(),
        "fc1": nn.Linear(16 * maps_height * maps_width, 120),
        "act3": nn.Tanh(),
        "fc2": nn.Linear(120, 84),
        "act4": nn.Tanh(),
        "classifier": nn.Linear(84, num_classes),
    }
    return nn.Sequential(OrderedDict(layers))
