"""Whatever a user gives as an array, as a numpy array, or one sentence about why it is none."""

from typing import Any

import numpy as np
import torch

from explorer.data.mapped import Array
from explorer.errors import UserError


def as_array(value: Any, where: str) -> Array:
    """A numpy array of what was given: arrays, tensors, tables, lists of numbers.

    Nothing is guessed: values behind a mask would count as samples, and a tensor that requires gradients
    is mostly a mistake.

    Args:
        value: What was given.
        where: Names it in messages.

    Raises:
        UserError: It is no array, or would lose something as one.

    Example:
        >>> as_array([[1, 2], [3, 4]], "mine: x_train").shape
        (2, 2)
        >>> as_array(torch.ones(2).bfloat16(), "mine: x_train")
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: mine: x_train must be an array that numpy knows, got a tensor ...
    """
    if isinstance(value, torch.Tensor):
        return _of_tensor(value, where)
    if isinstance(value, np.ma.MaskedArray) and (masked := int(np.sum(value.mask))):
        raise UserError(
            f"{where} must hold a value everywhere, got an array with {masked:,} of {value.size:,} values "
            "masked; fill them (.filled(..)) or leave out their samples"
        )
    try:
        return np.asarray(value)
    except Exception as error:  # whatever the type of a user raises
        if isinstance(value, list | tuple):
            raise UserError(
                f"{where} must hold samples of one shape, got a {type(value).__name__} whose samples differ "
                "in length or type"
            ) from error
        raise UserError(
            f"{where} must be an array, got {type(value).__name__} ({type(error).__name__}: {error})"
        ) from error


def _of_tensor(tensor: torch.Tensor, where: str) -> Array:
    try:
        return np.asarray(tensor.resolve_conj().resolve_neg().numpy())
    except (RuntimeError, TypeError) as error:
        if tensor.requires_grad:
            what, remedy = "that requires gradients", ".detach()"
        elif tensor.device.type != "cpu":
            what, remedy = f"on {tensor.device}", ".cpu()"
        elif tensor.is_nested:
            what, remedy = "that is nested", ".to_padded_tensor(0.0)"
        elif tensor.layout != torch.strided:
            what, remedy = f"of the layout {tensor.layout}", ".to_dense()"
        else:
            what, remedy = f"of {tensor.dtype}", ".float()"
        raise UserError(
            f"{where} must be an array that numpy knows, got a tensor {what}; call {remedy} on it"
        ) from error
