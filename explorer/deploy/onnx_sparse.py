"""Sparse layers as nodes of ONNX: what each computes when it does not train."""

from torch import Tensor

from explorer.core.sparsity.block import BlockConv, BlockLinear
from explorer.core.sparsity.indexed import IndexedConv, IndexedLinear
from explorer.core.sparsity.periodic import PeriodicConv
from explorer.deploy.onnx_call import Call


def block_linear(call: Call) -> str:
    """Groups of units first, then one product of all groups.

    Example:
        >>> from fractions import Fraction
        >>> import torch
        >>> from explorer.deploy.onnx_graph import OnnxGraph
        >>> layer, x = BlockLinear(torch.nn.Linear(8, 4), Fraction(1, 4)).eval(), torch.zeros(2, 8)
        >>> graph = OnnxGraph("input")
        >>> _ = graph.take(block_linear(Call(graph, layer, (x,), {}, ("input",), layer(x))), "output")
        >>> [node.op_type for node in graph.model({"input": (8,), "output": (4,)}).graph.node]
        ['Reshape', 'Transpose', 'MatMul', 'Add', 'Transpose', 'Reshape']
    """
    layer, graph = call.module, call.graph
    assert isinstance(layer, BlockLinear)
    call.require(call.before.dim() == 2, "a layer of more than one vector")
    groups, size = layer.groups, layer.inputs // layer.groups
    if layer.interleaved:
        value = graph.reshaped(call.inputs[0], (size, groups))
        value = graph.add("Transpose", value, perm=[0, 2, 1])
    else:
        value = graph.reshaped(call.inputs[0], (groups, size))
    if layer.sources is not None:
        value = graph.add("Gather", value, graph.constant(layer.sources), axis=1)
        value = graph.reshaped(value, (groups, layer.weight_GIO.shape[1]))
    value = graph.add("Transpose", value, perm=[1, 0, 2])
    value = graph.add("MatMul", value, graph.constant(layer.weight_GIO))
    if layer.bias is not None:
        value = graph.add("Add", value, graph.constant(layer.bias.view(groups, 1, -1)))
    return graph.reshaped(graph.add("Transpose", value, perm=[1, 0, 2]), (layer.outputs,))


def block_conv(call: Call) -> str:
    """Channels in the order in which groups read them, then a grouped convolution.

    Example:
        >>> from fractions import Fraction
        >>> import torch
        >>> from explorer.deploy.onnx_graph import OnnxGraph
        >>> layer, x = BlockConv(torch.nn.Conv2d(4, 4, 1), Fraction(1, 4)).eval(), torch.zeros(2, 4, 3, 3)
        >>> block_conv(Call(OnnxGraph("input"), layer, (x,), {}, ("input",), layer(x)))
        'value.0'
    """
    layer, source = call.module, call.inputs[0]
    assert isinstance(layer, BlockConv)
    if layer.sources is not None:
        source = call.add("Gather", call.graph.constant(layer.sources), axis=1)
    weight = call.graph.constant(layer.weight)
    return call.convolution(source, layer.geometry, weight, layer.bias, layer.groups)


def indexed_linear(call: Call) -> str:
    """Kept connections placed in a dense weight, which a runtime does once, when it loads the file.

    Example:
        >>> from fractions import Fraction
        >>> import torch
        >>> from explorer.deploy.onnx_graph import OnnxGraph
        >>> layer, x = IndexedLinear(torch.nn.Linear(8, 4), "random", Fraction(1, 4), 0), torch.zeros(2, 8)
        >>> graph = OnnxGraph("input")
        >>> _ = graph.take(indexed_linear(Call(graph, layer, (x,), {}, ("input",), layer(x))), "output")
        >>> [node.op_type for node in graph.model({"input": (8,), "output": (4,)}).graph.node]
        ['ConstantOfShape', 'ScatterND', 'Reshape', 'Gemm']
    """
    layer = call.module
    assert isinstance(layer, IndexedLinear)
    weight = _placed(call, layer.values_K, [layer.outputs * layer.inputs], [layer.outputs, layer.inputs])
    return call.gemm(weight, layer.bias)


def scattered_conv(call: Call) -> str:
    """Kept kernels, or kept taps, placed in a dense weight.

    Example:
        >>> from fractions import Fraction
        >>> import torch
        >>> from explorer.deploy.onnx_graph import OnnxGraph
        >>> layer, x = PeriodicConv(torch.nn.Conv2d(2, 4, 3), Fraction(4, 9), 0), torch.zeros(2, 2, 3, 3)
        >>> scattered_conv(Call(OnnxGraph("input"), layer, (x,), {}, ("input",), layer(x)))
        'value.3'
    """
    layer = call.module
    if isinstance(layer, PeriodicConv):
        weight = _placed(call, layer.values_OIP.reshape(-1), [layer.shape.numel()], list(layer.shape))
    else:
        assert isinstance(layer, IndexedConv)
        kernel = layer.values_K.shape[1:]
        connections = [layer.outputs * layer.inputs, *kernel]
        weight = _placed(call, layer.values_K, connections, [layer.outputs, layer.inputs, *kernel])
    return call.convolution(call.inputs[0], layer.geometry, weight, layer.bias, groups=1)


def _placed(call: Call, values: Tensor, places: list[int], shape: list[int]) -> str:
    """Values at the layer's positions among zeros, as a weight of a shape."""
    graph, positions = call.graph, call.module.kept_positions()
    zeros = graph.add("ConstantOfShape", graph.constant(places))
    placed = graph.add("ScatterND", zeros, graph.constant(positions[:, None]), graph.constant(values))
    return graph.add("Reshape", placed, graph.constant(shape))
