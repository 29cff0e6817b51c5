"""Weights of layers of blocks in the order in which the dot products in C read them."""

import numpy as np

from explorer.microcontroller.forms import Blocks
from explorer.microcontroller.numbers import Array, Numbers
from explorer.microcontroller.program import Weighted

TOGETHER = (4, 2, 1)  # outputs whose weights lie interleaved


def packed_blocks(numbers: Numbers, op: Weighted) -> Array:
    """Weights of a layer of blocks: four outputs by four, then two, then one; run of inputs by run.

    A patch has the taps of a group of inputs side by side, and so have the weights.

    Example:
        >>> from explorer.microcontroller.numbers import FloatNumbers
        >>> from explorer.microcontroller.program import Program
        >>> weight = np.arange(1, 9, dtype=np.float32).reshape(2, 4, 1, 1)
        >>> op = Weighted("fc", ("x",), "fc", weight, np.zeros(2, np.float32))
        >>> packed_blocks(FloatNumbers(Program((op,), {}, "fc", None)), op).tolist()
        [1.0, 5.0, 2.0, 6.0, 3.0, 7.0, 4.0, 8.0]
    """
    form, weight = op.form, numbers.dense_weight(op)
    assert isinstance(form, Blocks)
    outputs, inputs, *kernel = weight.shape
    groups, each, rows = form.groups, inputs // form.groups, outputs // form.groups
    spans = (
        weight.reshape(groups, rows, groups, each, *kernel)
        .transpose(0, 1, 2, 4, 5, 3)
        .reshape(groups, rows, groups, -1)
    )
    if form.reads == 1:  # all groups at once
        sources = np.concatenate([form.of(block) for block in range(groups)])
        return _in_turn(numbers, [spans[np.arange(groups), :, sources]]).ravel()
    found = list[Array]()
    for block in range(groups):
        runs = [spans[block, :, first : first + number] for first, number in form.runs(block)]
        found.append(_in_turn(numbers, [run.reshape(rows, -1) for run in runs]))
    return np.concatenate(found)


def _in_turn(numbers: Numbers, runs: list[Array]) -> Array:
    """Runs of weights (..., rows, length) packed: four rows by four, then two, then one, run by run."""
    *before, rows, _ = runs[0].shape
    found, start = list[Array](), 0
    for several in TOGETHER:
        chunks = (rows - start) // several
        end = start + chunks * several
        own = [run[..., start:end, :].reshape(*before, chunks, several, run.shape[-1]) for run in runs]
        packed = np.concatenate([numbers.packed(chunk) for chunk in own], axis=-1)
        found.append(packed.reshape(*before, chunks * packed.shape[-1]))
        start = end
    return np.concatenate(found, axis=-1)


def together(outputs: int) -> list[int]:
    """How many outputs of a group have their weights interleaved, from the first on.

    Example:
        >>> together(11)
        [4, 4, 2, 1]
    """
    fours, left = divmod(outputs, 4)
    return [4] * fours + [number for number in TOGETHER[1:] if left & number]
