"""What nodes of a graph call that ``torch.fx`` has no node for, and which nodes do more than give a value."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, fx

OF_STATE = "of_state"  # in a node's meta: computed from parameters and buffers alone
AGAIN = "again"  # in a node's meta: called for what it does to buffers, its result is not read


class RegisterHook:
    """Registers a hook on a tensor: a function, so that it can be a node of a graph.

    Example:
        >>> x = torch.ones(2, requires_grad=True)
        >>> RegisterHook(lambda gradient: 10 * gradient)(x)
        >>> x.sum().backward()
        >>> x.grad
        tensor([10., 10.])
    """

    def __init__(self, hook: Callable[[Tensor], Tensor | None]) -> None:
        self.hook, self.__name__ = hook, "register_hook"

    def __call__(self, tensor: Tensor) -> None:
        """Register the hook."""
        tensor.register_hook(self.hook)

    def __eq__(self, other: object) -> bool:
        """Two traces make two hooks of one line of code."""
        return isinstance(other, RegisterHook) and _code(self.hook) == _code(other.hook)

    def __hash__(self) -> int:
        return hash(_code(self.hook))


def _code(function: Any) -> object:
    return getattr(function, "__code__", function)


def with_item(tensor: Tensor, index: Any, value: Any) -> Tensor:
    """A copy of ``tensor`` with ``copy[index] = value``.

    Example:
        >>> x = torch.zeros(3)
        >>> with_item(x, 1, 5.0), x
        (tensor([0., 5., 0.]), tensor([0., 0., 0.]))
    """
    result = tensor.clone()
    result[index] = value
    return result


def enter_grad_mode(enabled: bool) -> bool:
    """Switch recording of gradients; returns what to hand to :func:`leave_grad_mode`.

    Example:
        >>> before = enter_grad_mode(False)
        >>> before, torch.is_grad_enabled()
        (True, False)
        >>> leave_grad_mode(before)
    """
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(enabled)
    return before


def leave_grad_mode(before: bool) -> None:
    """Switch recording of gradients back.

    Example:
        >>> leave_grad_mode(enter_grad_mode(False))
        >>> torch.is_grad_enabled()
        True
    """
    torch.set_grad_enabled(before)


@cache
def as_function(custom: type[torch.autograd.Function]) -> Callable[..., Any]:
    """``custom.apply`` as a function that a graph can call; its backward is the custom one.

    Example:
        >>> class Twice(torch.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return 2 * x
        >>> as_function(Twice).__name__, as_function(Twice)(torch.ones(2))
        ('Twice', tensor([2., 2.]))
    """

    def apply(*args: Any, **kwargs: Any) -> Any:
        return custom.apply(*args, **kwargs)

    apply.__name__ = apply.__qualname__ = custom.__name__
    return apply


def set_data(parameter: Tensor, value: Tensor) -> None:
    """``parameter.data = value``, as limits on the norm of weights do it.

    Example:
        >>> weight = torch.nn.Parameter(torch.zeros(2))
        >>> set_data(weight, torch.ones(2))
        >>> weight.data
        tensor([1., 1.])
    """
    parameter.data = value


def update_buffer(buffer: Tensor, value: Tensor) -> None:
    """What assigning ``value`` leaves in a buffer.

    Example:
        >>> mean = torch.zeros(2)
        >>> update_buffer(mean, torch.tensor([1.0, 2.0], requires_grad=True))
        >>> mean
        tensor([1., 2.])
    """
    buffer.detach().copy_(value.detach())


_KEPT = (enter_grad_mode, leave_grad_mode, set_data, update_buffer)


def has_effect(node: fx.Node) -> bool:
    """Whether a node does something besides giving a value, so that it stays without being read.

    Example:
        >>> graph = fx.Graph()
        >>> x = graph.placeholder("x")
        >>> nodes = graph.call_method("relu", (x,)), graph.call_function(update_buffer, (x, x))
        >>> [has_effect(node) for node in nodes]
        [False, True]
    """
    if node.op == "call_method":
        first, name = (node.args or (None,))[0], str(node.target)
        in_place = name.endswith("_") and not name.endswith("__")
        return in_place and isinstance(first, fx.Node) and bool(first.meta.get(OF_STATE))
    if node.meta.get(AGAIN):
        return True
    if node.op == "call_function" and (node.target in _KEPT or isinstance(node.target, RegisterHook)):
        return True
    return bool(node.is_impure())
