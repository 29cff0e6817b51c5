"""Fully connected networks."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import nn


def mlp(*, input_shape: tuple[int, ...], num_classes: int, hidden: Sequence[int]) -> nn.Module:
    """Fully connected network with ReLU, the family of Dey et al. (JETCAS 2019, arXiv 1812.01164).

    Args:
        input_shape: Any; flattened.
        num_classes: Logits.
        hidden: Units of each hidden layer.

    Example:
        >>> module = mlp(input_shape=(1, 28, 28), num_classes=10, hidden=(100, 50))
        >>> " ".join(dict(module.named_children()))
        'flatten fc1 relu1 fc2 relu2 classifier'
        >>> module.fc2
        Linear(in_features=100, out_features=50, bias=True)
    """
    layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    sizes = [prod(input_shape), *hidden]
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        layers |= {f"fc{number}": nn.Linear(inputs, outputs), f"relu{number}": nn.ReLU()}
    layers["classifier"] = nn.Linear(sizes[-1], num_classes)
    return nn.Sequential(OrderedDict(layers))
