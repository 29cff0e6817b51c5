"""Ready-made backbones: plain modules, treated like any module a user brings.

A factory takes ``input_shape`` (without batch) and ``num_classes`` by name, and its own arguments.
"""

import inspect
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import Any

import torch
from torch import nn

from explorer.errors import UserError
from explorer.user_code import import_function


def mlp(*, input_shape: tuple[int, ...], num_classes: int, hidden: Sequence[int]) -> nn.Module:
    """Fully connected network with ReLU, the family of Dey et al. (JETCAS 2019).

    Args:
        input_shape: Any; flattened.
        num_classes: Logits.
        hidden: Units of each hidden layer.
    """
    layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    sizes = [prod(input_shape), *hidden]
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        layers |= {f"fc{number}": nn.Linear(inputs, outputs), f"relu{number}": nn.ReLU()}
    layers["classifier"] = nn.Linear(sizes[-1], num_classes)
    return nn.Sequential(OrderedDict(layers))


def cnn(*, input_shape: tuple[int, ...], num_classes: int, channels: Sequence[int], hidden: int) -> nn.Module:
    """3x3 convolutions, each with batch normalisation, ReLU and 2x2 max pooling, then two Linear layers.

    Args:
        input_shape: (C, H, W), H and W at least 2 ** len(channels).
        num_classes: Logits.
        channels: Output channels of each convolution.
        hidden: Units of the first Linear layer.
    """
    layers: dict[str, nn.Module] = {}
    previous, height, width = input_shape
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


def build_backbone(
    factory: str, arguments: Mapping[str, Any], input_shape: tuple[int, ...], num_classes: int, seed: int
) -> nn.Module:
    """Call ``package.module:function``, found on the path or from the working directory.

    Weights are drawn from a generator of their own, so that the same arguments give the same module.

    Raises:
        UserError: The module or function is missing, the arguments do not fit, building fails, or the result
            is no ``torch.nn.Module``.
    """
    function = import_function(factory, "factory")
    shown = f"{factory}({', '.join(f'{key}={json.dumps(value)}' for key, value in arguments.items())})"
    try:
        inspect.signature(function).bind(input_shape=input_shape, num_classes=num_classes, **arguments)
    except TypeError as error:
        raise UserError(f"{shown}: arguments do not fit `{inspect.signature(function)}`: {error}") from None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            module = function(input_shape=input_shape, num_classes=num_classes, **arguments)
        except Exception as error:  # a user's factory may raise anything
            raise UserError(
                f"{shown} with input shape {input_shape}: {type(error).__name__}: {error}"
            ) from error
    if not isinstance(module, nn.Module):
        raise UserError(f"{shown}: must return a torch.nn.Module, got {type(module).__name__}")
    return module
