"""Layers and operations as nodes of ONNX: what the ready-made convolutional backbones and many others use.

This is a table and no exporter: for what is not in it, or has an unusual option, there is torch's exporter.
"""

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from explorer.core.sparsity.block import BlockConv, BlockLinear
from explorer.core.sparsity.indexed import IndexedConv, IndexedLinear
from explorer.core.sparsity.periodic import PeriodicConv
from explorer.deploy.onnx_call import Call, UnknownLayerError
from explorer.deploy.onnx_sparse import block_conv, block_linear, indexed_linear, scattered_conv

_LAST = np.iinfo(np.int64).max  # an end that is never reached


def write(kind: Any, call: Call) -> str:
    """Write a call down; returns the name of its output.

    Args:
        kind: Class of the layer, or the function, or the name of the method.
        call: Of it.

    Raises:
        UnknownLayerError: It is not in the table.

    Example:
        >>> from explorer.deploy.onnx_graph import OnnxGraph
        >>> x = torch.zeros(2, 3)
        >>> call = Call(OnnxGraph("input"), None, (x,), {}, ("input",), x.relu())
        >>> write(torch.relu, call)
        'value.0'
        >>> write("erfinv", call)
        Traceback (most recent call last):
        explorer.deploy.onnx_call.UnknownLayerError: erfinv
    """
    if kind not in _TABLE:
        raise UnknownLayerError(getattr(kind, "__name__", str(kind)))
    return _TABLE[kind](call)


def _same(call: Call) -> str:
    return call.inputs[0]


def _linear(call: Call) -> str:
    return call.gemm(call.graph.constant(call.module.weight), call.module.bias)


def _conv(call: Call) -> str:
    layer: nn.Conv1d | nn.Conv2d = call.module
    call.require(layer.padding_mode == "zeros", f"padding of {layer.padding_mode}")
    weight = call.graph.constant(layer.weight)
    return call.convolution(call.inputs[0], layer, weight, layer.bias, layer.groups)


def _batch_norm(call: Call) -> str:
    layer: nn.BatchNorm1d | nn.BatchNorm2d = call.module
    call.require(layer.affine and layer.track_running_stats, "a normalisation without weights or statistics")
    assert layer.running_mean is not None
    assert layer.running_var is not None
    tensors = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
    return call.add("BatchNormalization", *map(call.graph.constant, tensors), epsilon=layer.eps)


def _element_wise(kind: str, call: Call, **attributes: Any) -> str:
    return call.add(kind, **attributes)


def _clamp(call: Call) -> str:
    ends = (call.graph.constant(np.array(end, np.float32)) for end in (0.0, 6.0))
    return call.add("Clip", *ends)


def _max_pool(call: Call) -> str:
    layer: nn.MaxPool1d | nn.MaxPool2d = call.module
    call.require(not layer.ceil_mode and not layer.return_indices, "a pool that rounds up or tells places")
    dilations = _each(call, layer.dilation)
    return call.add("MaxPool", **_window(call, layer), dilations=dilations)


def _average_pool(call: Call) -> str:
    layer: nn.AvgPool1d | nn.AvgPool2d = call.module
    usual = not layer.ceil_mode and getattr(layer, "divisor_override", None) is None
    call.require(usual, "a pool that rounds up or has a divisor of its own")
    return call.add("AveragePool", **_window(call, layer), count_include_pad=int(layer.count_include_pad))


def _window(call: Call, layer: Any) -> dict[str, list[int]]:
    pads = _each(call, layer.padding)
    kernel, strides = (_each(call, own) for own in (layer.kernel_size, layer.stride))
    return {"kernel_shape": kernel, "strides": strides, "pads": [*pads, *pads]}


def _each(call: Call, value: Any) -> list[int]:
    """One number for each axis in space."""
    axes = call.before.dim() - 2
    return [value] * axes if isinstance(value, int) else list(value)


def _average_to_one(call: Call) -> str:
    call.require(set(call.after.shape[2:]) == {1}, "adaptive pooling to more than one value")
    return call.add("GlobalAveragePool")


def _reshape(call: Call) -> str:
    if call.before.shape == call.after.shape:
        return call.inputs[0]
    call.require(call.before.shape[0] == call.after.shape[0], "a reshape of the batch axis")
    return call.graph.reshaped(call.inputs[0], tuple(call.after.shape[1:]))


def _pair(kind: str, call: Call) -> str:
    call.require(len(call.inputs) == len(call.args) == 2 and not call.kwargs, f"{kind} of other than tensors")
    return call.add(kind, call.inputs[1])


def _concat(call: Call) -> str:
    axis = call.argument(1, "dim", 0)
    call.require(axis != 0, "samples that are joined")
    return call.graph.add("Concat", *call.inputs, axis=axis)


def _mean(call: Call) -> str:
    axes = call.argument(1, "dim", None)
    call.require(axes is not None, "the mean of everything")
    axes = [axes] if isinstance(axes, int) else list(axes)
    kept = int(call.argument(2, "keepdim", False))
    return call.add("ReduceMean", call.graph.constant(axes), keepdims=kept)


def _slice(call: Call) -> str:
    """``x[:, 1:3, ::2]``."""
    steps: Any = call.args[1]
    usual = isinstance(steps, tuple) and all(isinstance(own, slice) for own in steps)
    call.require(usual and steps[0] == slice(None), "other than slices of axes behind the batch")
    ends = [(own.start or 0, _LAST if own.stop is None else own.stop, own.step or 1) for own in steps]
    starts, stops, strides = map(list, zip(*ends, strict=True))
    return call.add("Slice", *map(call.graph.constant, (starts, stops, [*range(len(ends))], strides)))


def _narrow(call: Call) -> str:
    axis, start, length = (call.argument(place + 1, name, 0) for place, name in enumerate(_NARROW))
    call.require(axis != 0, "samples that are left out")
    return call.add("Slice", *map(call.graph.constant, ([start], [start + length], [axis])))


def _pad(call: Call) -> str:
    widths = list(call.args[1])
    constant = call.argument(2, "mode", "constant") == "constant" and not call.argument(3, "value", 0)
    call.require(constant and len(widths) < 2 * call.before.dim(), "padding by other than zeros")
    before = [0] * (call.before.dim() - len(widths) // 2)  # torch begins with the last axis
    pads = [*before, *widths[-2::-2], *before, *widths[::-2]]
    return call.add("Pad", call.graph.constant(pads))


_NARROW = ("dim", "start", "length")
_TABLE: dict[Any, Callable[[Call], str]] = {
    **dict.fromkeys((nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, "contiguous"), _same),
    nn.Linear: _linear,
    **dict.fromkeys((nn.Conv1d, nn.Conv2d), _conv),
    BlockLinear: block_linear,
    BlockConv: block_conv,
    IndexedLinear: indexed_linear,
    **dict.fromkeys((IndexedConv, PeriodicConv), scattered_conv),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d), _batch_norm),
    **dict.fromkeys((nn.ReLU, F.relu, torch.relu, "relu"), partial(_element_wise, "Relu")),
    **dict.fromkeys((nn.ReLU6, F.relu6), _clamp),
    **dict.fromkeys((nn.Sigmoid, torch.sigmoid, "sigmoid"), partial(_element_wise, "Sigmoid")),
    **dict.fromkeys((nn.Tanh, torch.tanh, "tanh"), partial(_element_wise, "Tanh")),
    **dict.fromkeys((nn.Hardswish, F.hardswish), partial(_element_wise, "HardSwish")),
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d), _max_pool),
    **dict.fromkeys((nn.AvgPool1d, nn.AvgPool2d), _average_pool),
    **dict.fromkeys((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d), _average_to_one),
    **dict.fromkeys((nn.Flatten, nn.Unflatten, torch.flatten, torch.reshape), _reshape),
    **dict.fromkeys(("flatten", "unflatten", "view", "reshape"), _reshape),
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add"), partial(_pair, "Add")),
    **dict.fromkeys((operator.mul, torch.mul, "mul"), partial(_pair, "Mul")),
    **dict.fromkeys((torch.cat, torch.concat), _concat),
    **dict.fromkeys((torch.mean, "mean"), _mean),
    operator.getitem: _slice,
    "narrow": _narrow,
    F.pad: _pad,
}
