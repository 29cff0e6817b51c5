"""Look at a module without changing it: what running or tracing it does to its state is taken back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def keeping_state(*modules: nn.Module) -> Iterator[None]:
    """Afterwards every module inside ``modules`` is as it was.

    That is: parameters and buffers (objects, values, memory, gradients), attributes, modes, hooks, and
    submodules; lists, dicts and sets that are attributes hold what they held.

    Example:
        >>> layer = nn.BatchNorm1d(2)
        >>> with keeping_state(layer):
        ...     _ = layer(torch.ones(4, 2))
        >>> layer.running_mean
        tensor([0., 0.])
    """
    layers = list(dict.fromkeys(layer for module in modules for layer in module.modules()))
    attributes = {layer: dict(vars(layer)) for layer in layers}
    containers = [_Container(value) for values in attributes.values() for value in _containers(values)]
    tensors = {id(tensor): _Kept(tensor) for values in attributes.values() for tensor in _tensors(values)}
    try:
        yield
    finally:
        for layer, values in attributes.items():
            vars(layer).clear()
            vars(layer).update(values)
        for container in containers:
            container.restore()
        for kept in tensors.values():
            kept.restore()


class _Container:
    def __init__(self, value: Any) -> None:
        self._value, self._content = value, value.copy()

    def restore(self) -> None:
        if isinstance(self._value, list):
            self._value[:] = self._content
        else:
            self._value.clear()
            self._value.update(self._content)


class _Kept:
    """A tensor, where its values lie, and what they are."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor, self._memory, self._grad = tensor, tensor.data, tensor.grad
        self._values, self._needs_grad = tensor.detach().clone(), tensor.requires_grad

    def restore(self) -> None:
        self._tensor.data = self._memory
        self._memory.copy_(self._values)
        self._tensor.grad = self._grad
        if self._tensor.grad_fn is not None and not self._needs_grad:
            self._tensor.detach_()  # a buffer that took a value with a gradient
        self._tensor.requires_grad_(self._needs_grad)


def _containers(attributes: dict[str, Any]) -> Iterator[Any]:
    return (value for value in attributes.values() if isinstance(value, list | dict | set))


def _tensors(attributes: dict[str, Any]) -> Iterator[Tensor]:
    """Parameters, buffers and tensors that are attributes; results of other tensors are computed again."""
    held = [*attributes["_parameters"].values(), *attributes["_buffers"].values(), *attributes.values()]
    return (tensor for tensor in held if type(tensor) in (Tensor, nn.Parameter) and tensor.is_leaf)


@contextmanager
def inference(module: nn.Module) -> Iterator[None]:
    """Inference mode; what ``module`` changes of itself meanwhile can be trained and changed afterwards.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> with inference(layer):
        ...     torch.is_inference_mode_enabled(), layer(torch.ones(1, 2)).requires_grad
        (True, False)
    """
    try:
        with torch.inference_mode():
            yield
    finally:
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_inference():
                tensor.data = tensor.detach().clone()


@contextmanager
def keeping_modes(*modules: nn.Module) -> Iterator[None]:
    """Afterwards every module inside ``modules`` is in the mode in which it was.

    Example:
        >>> layer = nn.Dropout()
        >>> with keeping_modes(layer):
        ...     _ = layer.eval()
        >>> layer.training
        True
    """
    modes = {layer: layer.training for module in modules for layer in module.modules()}
    try:
        yield
    finally:
        for layer, mode in modes.items():
            layer.training = mode


@contextmanager
def evaluating(*modules: nn.Module) -> Iterator[None]:
    """Eval mode without gradients while this lasts; what calls itself ``train`` is not asked.

    Example:
        >>> layer = nn.Dropout()
        >>> with evaluating(layer):
        ...     layer(torch.ones(3)), layer.training
        (tensor([1., 1., 1.]), False)
    """
    with keeping_modes(*modules), torch.no_grad():
        for layer in (layer for module in modules for layer in module.modules()):
            layer.training = False
        yield
