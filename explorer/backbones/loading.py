"""Call the factory that a search space names: one of ours or a user's, treated alike."""

import inspect
import json
import re
import warnings
from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from explorer.errors import NetworkError, UserError
from explorer.utils.imports import import_function, seeded, user_code

_handed_out = WeakValueDictionary[int, nn.Parameter]()  # what factories gave, while it exists


def build_backbone(
    factory: str, arguments: Mapping[str, Any], input_shape: tuple[int, ...], num_classes: int, seed: int
) -> nn.Module:
    """Call ``package.module:function``, found on the path or from the working directory.

    The global generators of ``random``, numpy and torch are seeded meanwhile, so that the same arguments give
    the same module.

    Args:
        factory: Function or class; takes ``input_shape`` and ``num_classes`` if it asks for them.
        arguments: Its other arguments.
        input_shape: Without batch.
        num_classes: Logits.
        seed: Draws weights, and whatever else the factory draws.

    Raises:
        UserError: The module or function is missing or broken, or the arguments do not fit.
        NetworkError: Building fails, or the result is no ``torch.nn.Module``, or shares parameters with an
            earlier one.

    Example:
        >>> module = build_backbone("explorer.backbones:mlp", {"hidden": [4]}, (2, 2), num_classes=3, seed=0)
        >>> module.fc1, module.classifier
        (Linear(in_features=4, out_features=4, bias=True), Linear(in_features=4, out_features=3, bias=True))
    """
    function = import_function(factory, "factory")
    accepted = _accepted(function, {"input_shape": input_shape, "num_classes": num_classes})
    shown = f"{factory}({', '.join(f'{key}={json.dumps(value)}' for key, value in arguments.items())})"
    try:
        inspect.signature(function).bind(**accepted, **arguments)
    except TypeError as error:
        raise UserError(f"{shown}: arguments do not fit `{inspect.signature(function)}`: {error}") from None
    with user_code(f"{shown} with input shape {input_shape}", NetworkError), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Initializing zero-element tensors")  # refused below
        module = _called(function, accepted, arguments, seed)
    if not isinstance(module, nn.Module):
        raise NetworkError(f"{shown}: must return a torch.nn.Module, got {type(module).__name__}")
    if any(map(is_lazy, module.parameters())):
        _materialise(module, input_shape, seed, shown)
    if empty := next((name for name, own in module.named_parameters() if own.numel() == 0), None):
        raise NetworkError(f"{shown}: every size must be at least 1, got an empty parameter {empty!r}")
    _check_new(module, shown)
    return module


def _check_new(module: nn.Module, shown: str) -> None:
    """Networks that shared parameters would train each other, and prune what the factory keeps."""
    for name, parameter in module.named_parameters():
        if _handed_out.get(id(parameter)) is parameter:
            raise NetworkError(
                f"{shown}: must build its parameters anew at each call, got {name!r} of an earlier one; "
                "return copy.deepcopy(..) of what is kept between calls"
            )
    _handed_out.update({id(parameter): parameter for parameter in module.parameters()})


def _materialise(module: nn.Module, input_shape: tuple[int, ...], seed: int, shown: str) -> None:
    """Give lazy layers their shapes, and their weights from ``seed``, by running one sample."""
    was_training = module.training
    does_not = f"{shown}: has lazy layers, and a sample does not run through"
    with user_code(does_not, NetworkError), seeded(seed), torch.no_grad():
        module.eval()(torch.zeros(1, *input_shape))
    module.train(was_training)


def _called(function: Any, accepted: dict[str, Any], arguments: Mapping[str, Any], seed: int) -> Any:
    """One that takes any arguments may hand them on to one that does not: torchvision's do."""
    with seeded(seed):
        try:
            return function(**accepted, **arguments)
        except TypeError as error:
            (refused,) = re.findall(r"unexpected keyword argument '(\w+)'", str(error)) or [""]
            if refused not in accepted or refused in inspect.signature(function).parameters:
                raise
    return _called(function, {k: v for k, v in accepted.items() if k != refused}, arguments, seed)


def _accepted(function: Any, offered: Mapping[str, Any]) -> dict[str, Any]:
    """What a factory takes of what it is offered; one for data of a fixed shape need not ask for it."""
    parameters = inspect.signature(function).parameters
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return {name: value for name, value in offered.items() if takes_all or name in parameters}
