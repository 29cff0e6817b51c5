"""A smaller input: images or series averaged before the backbone, which then needs fewer connections.

Averaging over squares, or over steps of time, has no weights and no multiply-accumulates. It is put before
the traced backbone, whose names stay, and before anything is cut: so the pooled tensor is a split point like
any other, and ``input`` stays what the sensor gives.
"""

from dataclasses import replace

from torch import Tensor, nn

from explorer.core.graph.dataflow import Dataflow
from explorer.core.graph.recording import record_values
from explorer.core.graph.shape_ops import batch_reads
from explorer.core.graph.trace import Trace
from explorer.errors import NetworkError, UserError

INPUT_POOL = "input_pool"  # name of the module, and of the split point behind it
_POOLS: dict[int, type[nn.AvgPool1d] | type[nn.AvgPool2d]] = {1: nn.AvgPool1d, 2: nn.AvgPool2d}


def pooled_shape(input_shape: tuple[int, ...], input_pool: int) -> tuple[int, ...]:
    """Shape of a sample behind the pooling; channels stay.

    Args:
        input_shape: (C, H, W) or (C, T); any where nothing is pooled.
        input_pool: Extent of the squares, or steps of time, that become one value; 1 pools nothing.

    Raises:
        UserError: The samples are flat, or an extent is no multiple of ``input_pool``.

    Example:
        >>> pooled_shape((1, 28, 28), 4), pooled_shape((9, 128), 2), pooled_shape((64,), 1)
        ((1, 7, 7), (9, 64), (64,))
        >>> pooled_shape((1, 28, 28), 3)
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: input_pool: must divide the extents 28 x 28 of a sample, got 3
    """
    if input_pool == 1:
        return input_shape
    channels, *extents = input_shape
    if len(extents) not in _POOLS:
        raise UserError(
            f"input_pool: must be 1 but for images (C, H, W) and series (C, T), got {input_pool} for samples "
            f"of shape ({', '.join(map(str, input_shape))})"
        )
    if any(extent % input_pool for extent in extents):
        shown = " x ".join(map(str, extents))
        raise UserError(f"input_pool: must divide the extents {shown} of a sample, got {input_pool}")
    return (channels, *(extent // input_pool for extent in extents))


def with_input_pool(traced: Trace, sample: Tensor, input_pool: int) -> Trace:
    """Put average pooling before a traced backbone; with a pool of 1 it stays as it is.

    Args:
        traced: Of a backbone that was built for :func:`pooled_shape`; its graph is changed in place.
        sample: Batch of one input, before pooling.
        input_pool: As of :func:`pooled_shape`.

    Raises:
        NetworkError: The backbone has a module called like the pooling.

    Example:
        >>> from explorer.backbones import mlp
        >>> from explorer.core.graph.trace import trace
        >>> from torch import ones
        >>> backbone = mlp(input_shape=pooled_shape((1, 4, 4), 2), num_classes=3, hidden=[6])
        >>> pooled = with_input_pool(trace(backbone, ones(1, 1, 2, 2)), ones(1, 1, 4, 4), input_pool=2)
        >>> [(value.path, value.shape, value.macs) for value in pooled.dataflow.values.values()][:4]
        [('input', (1, 4, 4), 0), ('input_pool', (1, 2, 2), 0), ('flatten', (4,), 0), ('fc1', (6,), 24)]
    """
    if input_pool == 1:
        return traced
    whole = traced.graph_module
    if hasattr(whole, INPUT_POOL):
        raise NetworkError(f"input_pool: the backbone already has a module {INPUT_POOL!r}")
    whole.add_module(INPUT_POOL, _POOLS[sample.dim() - 2](input_pool))
    (received,) = whole.graph.find_nodes(op="placeholder")
    with whole.graph.inserting_after(received):
        pooled = whole.graph.call_module(INPUT_POOL, (received,))
    stay = {pooled, *batch_reads(whole.graph)}  # every part reads the batch size from what it is given
    received.replace_all_uses_with(pooled, delete_user_cb=lambda user: user not in stay)
    whole.recompile()
    paths = {name: value.path for name, value in traced.dataflow.values.items()} | {pooled.name: INPUT_POOL}
    values, state_bytes = record_values(whole, sample, paths)
    return replace(traced, dataflow=Dataflow(values, traced.dataflow.result, state_bytes))
