"""Which kind of operator a step of a backbone becomes in the exported network.

See :data:`explorer.devices.operators.KINDS` for what a kind is.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from math import prod

from torch import nn

from explorer.core.graph.dataflow import FLOAT_BYTES, Value
from explorer.core.sparsity.execution import Execution, sparse_execution
from explorer.core.sparsity.layers import BlockConv, BlockLinear, IndexedLinear, SparseLayer
from explorer.devices.operators import OTHER

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NAMES = {
    "conv": "conv1d conv2d conv3d convolution",
    "matmul": "linear addmm mm bmm matmul baddbmm einsum scaled_dot_product_attention",
    "pool": """max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d
        adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d mean amax sum""",
    "elementwise": """relu relu6 leaky_relu prelu elu selu celu gelu silu mish hardtanh hardswish hardsigmoid
        sigmoid tanh softplus add sub mul div truediv neg abs pow sqrt exp clamp maximum minimum""",
    "norm": "batch_norm layer_norm group_norm instance_norm rms_norm",
    "softmax": "softmax log_softmax",
    "move": """cat concat stack pad transpose permute contiguous clone index_select gather getitem roll flip
        repeat expand pixel_shuffle pixel_unshuffle channel_shuffle upsample interpolate""",
}
_KINDS = {name.replace("_", ""): kind for kind, names in _NAMES.items() for name in names.split()}
_FUSED = {"relu", "relu6", "clamp", "hardtanh", "leakyrelu", "sigmoid", "tanh"}  # into the layer before
_LAYERS = {"conv", "pointwise_conv", "depthwise_conv", "grouped_conv", "gathered_conv"} | {
    *("linear", "block_linear", "gathered_linear"),
}


def execution_of(module: nn.Module | None, called: str, value: Value, input_bytes: int) -> Execution:
    """How one value is computed.

    Args:
        module: That computes it; None for a function.
        called: Name of the function, or of the module's class.
        value: Computed for one sample.
        input_bytes: Of what it reads.

    Example:
        >>> fc = Value("fc", "fc", ("x",), (3,), True, 12, 12, 88, "", ())
        >>> execution_of(nn.Linear(4, 3), "Linear", fc, input_bytes=16).kind
        'linear'
    """
    if isinstance(module, SparseLayer):
        return _of_sparse(module, value, input_bytes)
    if isinstance(module, nn.Linear):
        return Execution(_product(value))
    if isinstance(module, _CONVOLUTIONS):
        return Execution(*_convolution(module))
    name = _bare(called)
    if name == "linear":
        return Execution(_product(value))
    return Execution(_KINDS.get(name, OTHER))


def is_activation(called: str) -> bool:
    """Whether a runtime lets the layer before compute this function.

    Example:
        >>> is_activation("ReLU"), is_activation("GELU")
        (True, False)
    """
    return _bare(called) in _FUSED


def fused_activations(values: Mapping[str, Value], crossing: Collection[str]) -> set[str]:
    """Names of activations that the layers before them compute: no operators of their own.

    The layer's output is read by nothing else and not sent. A product in blocks ends in a transposition,
    which takes up nothing; its activation belongs to its kind all the same.

    Args:
        values: As deployed, normalisations folded.
        crossing: Values that are sent at some split point.

    Example:
        >>> import torch
        >>> from explorer.core.graph.trace import trace
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> fused_activations(trace(net, torch.zeros(1, 4)).dataflow.values, crossing=())
        {'_1'}
    """
    readers = Counter(source for value in values.values() for source in value.inputs)

    def layer_before(value: Value) -> Value | None:
        """What computes the value; folded normalisations between are views of it."""
        if len(value.inputs) != 1:
            return None
        source = values[value.inputs[0]]
        if readers[source.name] > 1 or source.name in crossing:
            return None
        return layer_before(source) if source.view_of else source

    fusible = [value for value in values.values() if value.fusible]
    layers = {value.name: layer_before(value) for value in fusible}
    return {name for name, own in layers.items() if own is not None and own.execution.kind in _LAYERS}


def _of_sparse(layer: SparseLayer, value: Value, input_bytes: int) -> Execution:
    of_rows = isinstance(layer, BlockLinear | IndexedLinear)
    kind = _product(value) if of_rows else _taps(layer.taps)
    interleaved = isinstance(layer, BlockConv | BlockLinear) and (layer.interleaved or layer.by_magnitude)
    dense_bytes = FLOAT_BYTES * layer.inputs * layer.outputs * layer.taps
    dense_macs = int(value.macs / layer.density)
    return sparse_execution(
        kind, layer.pattern, layer.density, interleaved, dense_macs, dense_bytes, input_bytes
    )


def _convolution(module: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> tuple[str, int]:
    if module.groups == 1:
        return _taps(prod(module.kernel_size)), 1
    depthwise = module.groups == module.in_channels == module.out_channels
    return "depthwise_conv" if depthwise else "grouped_conv", module.groups


def _taps(taps: int) -> str:
    return "pointwise_conv" if taps == 1 else "conv"


def _product(value: Value) -> str:
    """Of a Linear layer: one row, or several."""
    return "linear" if len(value.shape) == 1 else "matmul"


def _bare(called: str) -> str:
    """One name for ``MaxPool2d``, ``max_pool2d`` and ``aten::max_pool2d_``."""
    return called.removeprefix("aten::").replace("_", "").lower()
