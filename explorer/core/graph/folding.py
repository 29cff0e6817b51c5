"""Batch normalisation as deployed: folded into the layer before it.

Behind a convolution or Linear layer y = scale (W x + b - mean) + shift, per output and with running
statistics, is the same layer with weights scale W and bias scale (b - mean) + shift (Jacob et al.,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018,
sec. 3.2). The normalisation then has no parameters, memory or operator of its own; a layer without bias gets
one.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

from torch import fx, nn

from explorer.core.graph.dataflow import FLOAT_BYTES, Dataflow, Value
from explorer.core.sparsity.layers import BlockLinear, DenseLayer, IndexedLinear, SparseLayer

_DENSE_FORWARDS = (nn.Linear.forward, nn.Conv1d.forward, nn.Conv2d.forward)
_NORM_FORWARD = nn.BatchNorm1d.forward  # that of all dimensions


def with_foldable_norms(graph_module: fx.GraphModule, values: Mapping[str, Value]) -> dict[str, Value]:
    """``values`` in which every batch normalisation says which layer could take it up, if one could.

    It must normalise the outputs of a convolution or Linear layer that nothing else reads, with running
    statistics. The parameters of both must be read nowhere else: a weight cannot be scaled in two ways.

    Args:
        graph_module: As traced.
        values: Of its nodes.

    Example:
        >>> import torch
        >>> from explorer.core.graph.recording import record_values
        >>> graph = fx.symbolic_trace(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).eval())
        >>> values, _ = record_values(graph, torch.zeros(1, 4), paths={})
        >>> {name: value.folds_into for name, value in with_foldable_norms(graph, values).items()}
        {'input_1': '', '_0': '', '_1': '_0'}
    """
    modules = dict(graph_module.named_modules())
    called = {n.name: modules[str(n.target)] for n in graph_module.graph.nodes if n.op == "call_module"}
    returned = [source for n in graph_module.graph.nodes if n.op == "output" for source in n.all_input_nodes]
    readers = Counter(source for value in values.values() for source in value.inputs)
    readers.update(node.name for node in returned)
    holders = Counter(key for value in values.values() for key in value.state)
    found = dict(values)
    for name, norm in values.items():
        if not _is_norm(called.get(name)):
            continue
        layer = values[norm.inputs[0]]
        alone = readers[layer.name] == 1 and all(holders[key] == 1 for key in (*layer.state, *norm.state))
        module = called.get(layer.name)
        if alone and module is not None and _is_normalised_per_output(module, layer):
            new_bias = 0 if module.bias is not None else FLOAT_BYTES * layer.shape[0]
            found[name] = replace(norm, folds_into=layer.name, folded_bytes=new_bias)
    return found


def _is_norm(module: nn.Module | None) -> bool:
    if not isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        return False
    return type(module).forward is _NORM_FORWARD and module.running_mean is not None


def _is_normalised_per_output(module: nn.Module, value: Value) -> bool:
    """Whether a layer has its outputs on the first axis behind the batch, which is normalised."""
    if isinstance(module, DenseLayer) and type(module).forward not in _DENSE_FORWARDS:
        return False
    if isinstance(module, nn.Linear | BlockLinear | IndexedLinear):
        return len(value.shape) == 1
    return isinstance(module, DenseLayer | SparseLayer)


def as_deployed(flow: Dataflow, crossing: Collection[str]) -> Dataflow:
    """``flow`` with its batch normalisations folded, as far as they can be.

    Args:
        flow: As recorded.
        crossing: Values that are sent at some split point. A layer among them has another reader, so what
            normalises it stays behind the split point and is not folded.

    Example:
        >>> import torch
        >>> from explorer.core.graph.trace import trace
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
        >>> flow = trace(net, torch.zeros(1, 4)).dataflow
        >>> folded = as_deployed(flow, crossing=())
        >>> [own.stored_bytes(own.values.values()) for own in (flow, folded)]  # four numbers per feature less
        [140, 92]
    """
    values, state_bytes = dict(flow.values), dict(flow.state_bytes)
    for name, norm in flow.values.items():
        if not norm.folds_into or norm.folds_into in crossing:
            continue
        layer = values[norm.folds_into]
        if norm.folded_bytes:
            bias = f"{layer.name}: bias of {name}"
            state_bytes[bias] = norm.folded_bytes
            moved_bytes = layer.moved_bytes + norm.folded_bytes
            values[layer.name] = replace(layer, moved_bytes=moved_bytes, state=(*layer.state, bias))
        values[name] = replace(norm, moved_bytes=0, view_of=layer.name, state=())
    return Dataflow(values, flow.result, state_bytes)
