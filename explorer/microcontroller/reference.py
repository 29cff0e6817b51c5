"""What the float32 program computes, in numpy: for ranges, and to compare C and PyTorch with.

Arrays of a batch have the shape (N, height, width, channels).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.microcontroller.forms import Clamp, Depthwise, Floats, Shape, Window
from explorer.microcontroller.program import (
    Add,
    Concat,
    Map,
    Normalise,
    Op,
    Pool,
    Program,
    Thin,
    Transpose,
    Weighted,
)

Array = NDArray[Any]


def run_floats(program: Program, raw: Floats) -> dict[str, Floats]:
    """Every tensor of the program for a batch of raw samples.

    Args:
        program: What is run.
        raw: Samples (N, ...) as they come, with PyTorch's axes.

    Example:
        >>> from explorer.microcontroller.program import INPUT
        >>> start = Normalise(INPUT, (), INPUT, np.ones(1, np.float32), np.full(1, 2, np.float32), "float32")
        >>> program = Program((start,), {INPUT: Shape(1, 1, 1)}, INPUT, None)
        >>> run_floats(program, np.full((2, 1), 5, np.float32))[INPUT].ravel().tolist()
        [2.0, 2.0]
    """
    found: dict[str, Floats] = {}
    for op in program.ops:
        found[op.output] = computed(op, [found[name] for name in op.inputs], raw, program.shapes[op.output])
    return found


def computed(op: Op, inputs: list[Floats], raw: Floats, shape: Shape) -> Floats:
    """The tensor that an operation writes.

    Args:
        op: Of a program.
        inputs: What it reads.
        raw: Samples, which the first operation reads.
        shape: Of what it writes.

    Example:
        >>> add = Add("add", ("x", "y"), "add")
        >>> computed(add, [np.ones(2, np.float32)] * 2, np.zeros(0, np.float32), Shape(1, 1, 1)).tolist()
        [2.0, 2.0]
    """
    if isinstance(op, Normalise):
        return _normalised(op, raw, shape)
    if isinstance(op, Weighted):
        sums = products(op, inputs[0], shape, zero=0) + op.bias_O
        return clamped(np.take(sums, np.argsort(op.places), axis=-1), op.clamp)
    if isinstance(op, Pool):
        return _pooled(op, inputs[0], shape)
    if isinstance(op, Add):
        return clamped(inputs[0] + inputs[1], op.clamp)
    if isinstance(op, Map):
        return mapped(op, inputs[0])
    return moved(op, inputs, shape, zero=0.0)


def torch_order(values: Array, shape: Shape) -> Array:
    """Values (N, height, width, channels) as PyTorch flattens them, (N, size).

    Example:
        >>> torch_order(np.arange(6).reshape(1, 1, 3, 2), Shape(1, 3, 2)).tolist()
        [[0, 2, 4, 1, 3, 5]]
    """
    return (
        values.reshape(len(values), shape.pixels, shape.channels).transpose(0, 2, 1).reshape(len(values), -1)
    )


def _normalised(op: Normalise, raw: Floats, shape: Shape) -> Floats:
    pixels = raw.reshape(len(raw), shape.channels, shape.pixels).transpose(0, 2, 1)
    values = ((pixels.astype(op.mean.dtype) - op.mean) / op.std).astype(np.float32)
    normalised: Floats = values.reshape(len(raw), *shape)
    return normalised


def windows(values: Array, window: Window, shape: Shape, zero: Any) -> Array:
    """What every output pixel reads, (N, out_height, out_width, Y, X, channels).

    Args:
        values: Of the input (N, height, width, channels).
        window: Where the kernel lies.
        shape: Of the output.
        zero: What lies beyond the edge.

    Example:
        >>> values = np.arange(4).reshape(1, 2, 2, 1)
        >>> windows(values, Window((2, 2)), Shape(1, 1, 1), zero=0).ravel().tolist()
        [0, 1, 2, 3]
    """
    if window == Window():  # each pixel reads itself
        return values[:, :, :, None, None]
    (top, left), (down, right) = window.padding, window.stride
    _, height, width, _ = values.shape
    starts = np.arange(shape.height) * down, np.arange(shape.width) * right
    reach = [(kernel - 1) * apart for kernel, apart in zip(window.kernel, window.dilation, strict=True)]
    bottom = max(0, int(starts[0][-1]) + reach[0] + 1 - top - height)
    behind = max(0, int(starts[1][-1]) + reach[1] + 1 - left - width)
    padded = np.pad(values, ((0, 0), (top, bottom), (left, behind), (0, 0)), constant_values=zero)
    rows = starts[0][:, None] + np.arange(window.kernel[0]) * window.dilation[0]
    columns = starts[1][:, None] + np.arange(window.kernel[1]) * window.dilation[1]
    return padded[:, rows[:, None, :, None], columns[None, :, None, :]]


def products(op: Weighted, values: Array, shape: Shape, zero: Any) -> Array:
    """Sums of weights times inputs, without bias, (N, height, width, outputs), outputs in their own order.

    Example:
        >>> op = Weighted("fc", ("x",), "fc", np.ones((2, 3, 1, 1), np.float32), np.zeros(2, np.float32))
        >>> products(op, np.ones((1, 1, 1, 3), np.float32), Shape(1, 1, 2), zero=0).ravel().tolist()
        [3.0, 3.0]
    """
    return np.concatenate([_products(op, part, shape, zero) for part in _parts(values, op, shape)])


def _parts(values: Array, op: Weighted, shape: Shape) -> list[Array]:
    """Batches whose windows fit into memory."""
    each = max(1, 2**24 // (shape.pixels * op.window.taps * values.shape[-1]))
    return [values[start : start + each] for start in range(0, len(values), each)]


def _products(op: Weighted, values: Array, shape: Shape, zero: Any) -> Array:
    seen = windows(values, op.window, shape, zero)
    if isinstance(op.form, Depthwise):
        kernels = op.weight_OIYX[:, 0].transpose(1, 2, 0).astype(values.dtype)
        found: Array = np.einsum("nhwyxc,yxc->nhwc", seen, kernels)
        return found
    weight = op.weight_OIYX.transpose(2, 3, 1, 0).reshape(-1, op.outputs).astype(values.dtype)
    return np.asarray(seen.reshape(-1, len(weight)) @ weight).reshape(*seen.shape[:3], op.outputs)


def clamped(values: Floats, clamp: Clamp) -> Floats:
    """Values cut off at both ends.

    Example:
        >>> clamped(np.array([-1.0, 9.0], np.float32), Clamp(0.0, 6.0)).tolist()
        [0.0, 6.0]
    """
    return np.clip(values, np.float32(clamp.low), np.float32(clamp.high))


def mapped(op: Map, values: Floats) -> Floats:
    """What an activation makes of values.

    Example:
        >>> mapped(Map("act", ("x",), "act", "hard_swish"), np.array([-4.0, 6.0], np.float32)).tolist()
        [-0.0, 6.0]
    """
    if op.function == "clamp":
        return clamped(values, op.clamp)
    if op.function == "hard_swish":
        limited = np.clip(values + np.float32(3), np.float32(0), np.float32(6))
        return np.asarray(values * limited / np.float32(6))
    result: Floats = (1 / (1 + np.exp(-values.astype(np.float64)))).astype(np.float32)
    return result


def _pooled(op: Pool, values: Floats, shape: Shape) -> Floats:
    if op.kind == "max":
        return np.asarray(windows(values, op.window, shape, zero=-np.inf).max(axis=(3, 4)))
    sums = windows(values, op.window, shape, zero=0).sum(axis=(3, 4), dtype=np.float32)
    return np.asarray(sums * np.float32(1 / op.window.taps))


def moved(op: Op, inputs: list[Array], shape: Shape, zero: Any) -> Array:
    """What operations that compute nothing make: the same values elsewhere.

    Example:
        >>> op = Transpose("flatten", ("x",), "flatten", tables=1, rows=2, columns=3)
        >>> moved(op, [np.arange(6).reshape(1, 1, 2, 3)], Shape(1, 1, 6), zero=0).ravel().tolist()
        [0, 3, 1, 4, 2, 5]
    """
    (values, *_), number = inputs, len(inputs[0])
    if isinstance(op, Transpose):
        tables = values.reshape(number, op.tables, op.rows, op.columns)
        return tables.transpose(0, 1, 3, 2).reshape(number, *shape)
    if isinstance(op, Concat):
        return np.concatenate(inputs, axis=-1)
    assert isinstance(op, Thin)
    down, right = op.stride
    own = values[:, ::down, ::right]
    behind = shape.channels - own.shape[-1] - op.before
    return np.pad(own, ((0, 0), (0, 0), (0, 0), (op.before, behind)), constant_values=zero)
