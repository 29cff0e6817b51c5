"""The product of a ``block`` Linear layer in training: forward and backward that copy nothing.

Left to autograd, the transposed gradients of weights and inputs are copied into the layout of what they
belong to, and overlapping groups are gathered and scattered. Here every product is written where it belongs,
and blocks that overlap read their groups where these lie, one after another. It costs some 0.1 ms of Python
more, so small layers are better left to autograd.

Shape suffixes: B batch, G groups, K input groups that a block reads, I/O units of one group.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


def block_product(x_BI: Tensor, weight_GIO: Tensor, bias: Tensor | None, interleaved: bool = False) -> Tensor:
    """Outputs (B, outputs) of g dense blocks; block i reads the k input groups i, i+1, .. (mod g).

    Samples come last in the memory of what it returns. The gradient of the input lies as the input does, but
    for interleaved groups, which are rows of the transposed input: there, samples come last, too.

    Args:
        x_BI: Inputs (B, inputs), in either layout.
        weight_GIO: Shape (g, k * inputs / g, outputs / g).
        bias: Shape (outputs,), or None.
        interleaved: Whether input group i is every g-th unit from the i-th on, not the i-th run of units.

    Example:
        >>> weight_GIO = torch.tensor([[[1.0]], [[10.0]]])
        >>> block_product(torch.tensor([[2.0, 3.0]]), weight_GIO, bias=None)
        tensor([[ 2., 30.]])
        >>> both = torch.tensor([[[1.0], [10.0]], [[1.0], [10.0]]])  # the second block reads groups 1, 0
        >>> block_product(torch.tensor([[2.0, 3.0]]), both, bias=None)
        tensor([[32., 23.]])
    """
    kind = x_BI.device.type
    if torch.is_autocast_enabled(kind):  # which knows the products of torch, not this one
        half = torch.get_autocast_dtype(kind)
        x_BI, weight_GIO = x_BI.to(half), weight_GIO.to(half)
        bias = None if bias is None else bias.to(half)
    product: Tensor = _BlockProduct.apply(x_BI, weight_GIO, bias, interleaved)  # type: ignore[no-untyped-call]
    return product


class _BlockProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_BI: Tensor, weight_GIO: Tensor, bias: Tensor | None, interleaved: bool) -> Tensor:
        x_IB = x_BI.t().contiguous() if interleaved else x_BI.t()
        ctx.save_for_backward(x_IB, weight_GIO)
        ctx.interleaved = interleaved
        x_GIB = _grouped(x_IB, len(weight_GIO), interleaved)
        first_GOI = weight_GIO[:, : x_GIB.shape[1]].transpose(1, 2)
        if bias is None:
            y_GOB = torch.bmm(first_GOI, x_GIB)
        else:
            y_GOB = torch.baddbmm(bias.view(len(weight_GIO), -1, 1), first_GOI, x_GIB)
        for units, blocks, sources in _further_reads(weight_GIO, x_GIB):
            y_GOB[blocks].baddbmm_(weight_GIO[blocks, units].transpose(1, 2), x_GIB[sources])
        return y_GOB.view(-1, len(x_BI)).t()

    @staticmethod
    def backward(ctx: Any, dy_BO: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x_IB, weight_GIO = ctx.saved_tensors
        x_GIB = _grouped(x_IB, len(weight_GIO), ctx.interleaved)
        dy_GOB = _grouped(dy_BO.t(), len(weight_GIO), interleaved=False)
        dx_BI = dweight_GIO = None
        if ctx.needs_input_grad[0]:
            dx_IB = torch.empty_like(x_IB)
            dx_GIB = _grouped(dx_IB, len(weight_GIO), ctx.interleaved)
            torch.bmm(weight_GIO[:, : x_GIB.shape[1]], dy_GOB, out=dx_GIB)
            for units, blocks, sources in _further_reads(weight_GIO, x_GIB):
                dx_GIB[sources].baddbmm_(weight_GIO[blocks, units], dy_GOB[blocks])
            dx_BI = dx_IB.t()
        if ctx.needs_input_grad[1]:
            dy_GBO = dy_GOB.transpose(1, 2)
            dweight_GIO = torch.empty_like(weight_GIO)
            torch.bmm(x_GIB, dy_GBO, out=dweight_GIO[:, : x_GIB.shape[1]])
            for units, blocks, sources in _further_reads(weight_GIO, x_GIB):
                torch.bmm(x_GIB[sources], dy_GBO[blocks], out=dweight_GIO[blocks, units])
        dbias = dy_BO.sum(0) if ctx.needs_input_grad[2] else None
        return dx_BI, dweight_GIO, dbias, None


def _grouped(units_IB: Tensor, groups: int, interleaved: bool) -> Tensor:
    """A view of rows (inputs, B) by input group, shape (g, inputs / g, B)."""
    rows, batch = units_IB.shape
    if interleaved:
        return units_IB.view(rows // groups, groups, batch).transpose(0, 1)
    return units_IB.view(groups, rows // groups, batch)


def _further_reads(weight_GIO: Tensor, x_GIB: Tensor) -> Iterator[tuple[slice, slice, slice]]:
    """(inputs of a block, blocks, their input groups) behind the group that each block reads first."""
    groups, size = x_GIB.shape[:2]
    for read in range(1, weight_GIO.shape[1] // size):
        units = slice(read * size, (read + 1) * size)
        yield units, slice(0, groups - read), slice(read, groups)
        yield units, slice(groups - read, groups), slice(0, read)
