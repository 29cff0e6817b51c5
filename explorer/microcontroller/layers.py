"""Layers with weights, and pooling: what PyTorch's modules say, in the terms of a program."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from explorer.core.sparsity.base import SparseLayer
from explorer.core.sparsity.layers import BlockConv, BlockLinear
from explorer.core.sparsity.patterns import KERNEL_PATTERN_NAMES, block_source_groups
from explorer.errors import UserError
from explorer.microcontroller.forms import Blocks, Depthwise, Floats, Form, Listed, Periodic, Window

Layer = tuple[int, Floats, Floats, Window, Form]
_AVERAGES = (nn.AvgPool1d, nn.AvgPool2d)
_MAXIMA = (nn.MaxPool1d, nn.MaxPool2d)
_GLOBAL = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, F.adaptive_avg_pool1d, F.adaptive_avg_pool2d)


def pair(numbers: Any, missing: int) -> tuple[int, int]:
    """For rows and pixels; what a 1-D layer says is for pixels.

    Example:
        >>> pair(3, 1), pair((2,), 1), pair((2, 4), 1)
        ((3, 3), (1, 2), (2, 4))
    """
    if isinstance(numbers, int):
        return numbers, numbers
    *rows, pixels = numbers
    return (rows[0] if rows else missing), pixels


def lowered_layer(where: str, module: nn.Module) -> Layer:
    """Groups whose inputs a layer interleaves (1 for none), weight, bias, window and form.

    Example:
        >>> interleave, weight, bias, window, form = lowered_layer("conv", nn.Conv2d(8, 8, 3, groups=8))
        >>> interleave, weight.shape, window.kernel, form
        (1, (8, 1, 3, 3), (3, 3), Depthwise())
    """
    bias = module.bias
    assert isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | SparseLayer)
    if isinstance(module, SparseLayer):
        interleave, weight, form = _sparse(module)
        geometry = getattr(module, "geometry", None)
    else:
        interleave, geometry = 1, (None if isinstance(module, nn.Linear) else module)
        weight, form = _dense(where, module)
    outputs = len(weight)
    bias_O = np.zeros(outputs, np.float32) if bias is None else _numpy(bias)
    window = Window() if geometry is None else _window(where, geometry, weight.shape[2:])
    return interleave, weight, bias_O, window, form


def _dense(where: str, module: nn.Linear | nn.Conv1d | nn.Conv2d) -> tuple[Floats, Form]:
    weight = _with_kernel(_numpy(module.weight))
    groups = getattr(module, "groups", 1)
    if getattr(module, "padding_mode", "zeros") != "zeros":
        raise UserError(f"--c-code: {where}: there is no C for padding with {module.padding_mode}")
    if groups == 1:
        return weight, Blocks()
    outputs, each = weight.shape[:2]
    if each == 1 and outputs == groups:
        return weight, Depthwise()
    whole = np.zeros((groups, outputs // groups, groups, *weight.shape[1:]), np.float32)
    whole[np.arange(groups), :, np.arange(groups)] = weight.reshape(groups, -1, *weight.shape[1:])
    return whole.reshape(outputs, groups * each, *weight.shape[2:]), Blocks(groups, 1)


def _sparse(module: SparseLayer) -> tuple[int, Floats, Form]:
    """Interleaving, the dense weight in the order in which the layer then reads its inputs, and the form."""
    stored = _numpy(getattr(module, module.kept))
    positions = module.kept_positions().numpy()
    if module.pattern in KERNEL_PATTERN_NAMES:
        kernel = getattr(module, "shape")[2:]  # noqa: B009
        flat = np.zeros(module.outputs * module.inputs * module.taps, np.float32)
        flat[positions] = stored.ravel()
        supports = _supports(positions.reshape(module.outputs, module.inputs, -1), module)
        return 1, _with_kernel(flat.reshape(module.outputs, module.inputs, *kernel)), Periodic(supports)
    if isinstance(module, BlockLinear):
        stored = stored.ravel()
    elif isinstance(module, BlockConv):
        stored = stored.reshape(-1, *stored.shape[2:])
    kernels = np.zeros((module.outputs * module.inputs, *stored.shape[1:]), np.float32)
    kernels[positions] = stored
    weight = _with_kernel(kernels.reshape(module.outputs, module.inputs, *stored.shape[1:]))
    if not isinstance(module, BlockLinear | BlockConv):
        kept = np.zeros(module.outputs * module.inputs, np.bool_)
        kept[positions] = True
        return 1, weight, Listed(kept.reshape(module.outputs, module.inputs))
    interleave = module.groups if module.interleaved else 1
    order = np.arange(module.inputs).reshape(-1, interleave).T.ravel()
    return interleave, weight[:, order], _blocks(module, order)


def _blocks(module: BlockLinear | BlockConv, order: np.ndarray[Any, Any]) -> Blocks:
    """Which groups are read, found from the kept connections themselves."""
    kept = np.zeros(module.outputs * module.inputs, np.bool_)
    kept[module.kept_positions().numpy()] = True
    by_group = kept.reshape(module.groups, -1, module.inputs)[:, 0, order].reshape(
        module.groups, module.groups, -1
    )
    rows = by_group[:, :, 0]
    reads = int(rows[0].sum())
    rule = block_source_groups(module.density)
    by_rule = np.zeros_like(rows)
    np.put_along_axis(by_rule, rule, True, axis=1)
    if np.array_equal(rows, by_rule):
        return Blocks(module.groups, reads)
    return Blocks(module.groups, reads, np.nonzero(rows)[1].reshape(module.groups, reads))


def _supports(positions_OIP: np.ndarray[Any, Any], module: SparseLayer) -> np.ndarray[Any, Any]:
    """Kept taps of every variant; kernel (o, i) has the variant o + i."""
    taps_OIP = positions_OIP % module.taps
    variants = module.density.denominator
    last = len(taps_OIP) - 1
    return np.stack([taps_OIP[min(v, last), (v - min(v, last)) % module.inputs] for v in range(variants)])


def _window(where: str, geometry: Any, kernel: Sequence[int]) -> Window:
    padding = geometry.padding
    if padding == "valid":
        padding = (0,) * len(geometry.stride)
    if isinstance(padding, str):
        raise UserError(f"--c-code: {where}: there is no C for padding={padding!r}, give numbers")
    dilation = pair(geometry.dilation, 1)
    return Window((kernel[0], kernel[1]), pair(geometry.stride, 1), pair(padding, 0), dilation)


def lowered_norm(module: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Floats, Floats, Window, Form]:
    """A batch normalisation that no layer took up, as a depthwise layer of one tap.

    Example:
        >>> norm = nn.BatchNorm2d(3, affine=False).eval()
        >>> lowered_norm(norm)[0].shape
        (3, 1, 1, 1)
    """
    assert module.running_mean is not None
    assert module.running_var is not None
    scale = (module.running_var.double() + module.eps).rsqrt()
    if module.affine:
        scale = scale * module.weight.detach().double()
    shift = -module.running_mean.double() * scale
    if module.affine:
        shift = shift + module.bias.detach().double()
    weight = scale.float().numpy().reshape(-1, 1, 1, 1)
    return weight, shift.float().numpy(), Window(), Depthwise()


def pool_window(
    where: str, node: fx.Node, module: nn.Module | None, before: Any, after: Tensor
) -> tuple[Literal["max", "average"], Window] | None:
    """Kind and window of a pooling operation; None where it is none.

    Args:
        where: What a refusal names.
        node: The operation.
        module: Its module, if it calls one.
        before: What it reads of one sample.
        after: What it writes.

    Raises:
        UserError: There is no C for such pooling.

    Example:
        >>> graph = fx.symbolic_trace(nn.Sequential(nn.MaxPool2d(2)))
        >>> node = list(graph.graph.nodes)[1]
        >>> before, after = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 2, 2)
        >>> pool_window("pool", node, graph.get_submodule("0"), before, after)[1].stride
        (2, 2)
    """
    if module is None and node.target not in (*_GLOBAL, torch.mean, "mean"):
        return None
    results = (1,) * (2 - max(0, after.dim() - 2)) + tuple(after.shape[2:])
    if isinstance(module, (_AVERAGES, _MAXIMA)):
        odd = module.ceil_mode or (isinstance(module, _AVERAGES) and any(pair(module.padding, 0)))
        missing = before.dim() == 3
        kernel, stride, padding = (
            (1, own) if missing and isinstance(own, int) else pair(own, 1)
            for own in (module.kernel_size, module.stride, module.padding)
        )
        padding = (0, padding[1]) if missing else padding
        dilation = pair(getattr(module, "dilation", 1), 1)
        if odd:
            raise UserError(
                f"--c-code: {where}: there is no C for ceil_mode, nor for means of padded windows"
            )
        kind: Literal["max", "average"] = "average" if isinstance(module, _AVERAGES) else "max"
        return kind, Window(kernel, _steps(stride, results), padding, dilation)
    adaptive = isinstance(module, nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d) or node.target in _GLOBAL
    if not adaptive and not (module is None and _means_positions(node, before)):
        return None
    extents = (1,) * (4 - before.dim()) + tuple(before.shape[2:])
    if any(extent % result for extent, result in zip(extents, results, strict=True)):
        raise UserError(f"--c-code: {where}: there is no C for pooling {extents} to {results}")
    kernel = (extents[0] // results[0], extents[1] // results[1])
    return "average", Window(kernel, _steps(kernel, results))


def _steps(stride: tuple[int, int], results: tuple[int, ...]) -> tuple[int, int]:
    """Strides, 1 where there is one position: a byte holds them, and whole series are averaged."""
    return (1 if results[0] == 1 else stride[0], 1 if results[1] == 1 else stride[1])


def _means_positions(node: fx.Node, before: Any) -> bool:
    """Whether all axes behind the channels are averaged."""
    axes = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    axes = (axes,) if isinstance(axes, int) else axes
    if not isinstance(axes, tuple | list):
        return False
    return sorted(axis % before.dim() for axis in axes) == list(range(2, before.dim()))


def _with_kernel(weight: Floats) -> Floats:
    """(O, I), (O, I, X) or (O, I, Y, X) to (O, I, Y, X)."""
    return weight.reshape(*weight.shape[:2], *(1,) * (4 - weight.ndim), *weight.shape[2:])


def _numpy(parameter: Any) -> Floats:
    """A copy: the parameter may change when batch normalisations are folded or taken back."""
    values: Floats = parameter.detach().numpy().copy()
    return values
