"""The graph that ``torch.export`` finds, with torch's own modules and sparse layers put back as single nodes.

Export takes what symbolic tracing cannot (loops, branches and assertions on shapes), but writes every module
out as operators, for one mode. Modules that behave differently in training (dropout, batch normalisation) and
sparse layers must stay modules, so each of their calls is folded back into one node.
"""

import itertools
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import TreeSpec, tree_unflatten

from explorer.core.graph.quiet import quiet
from explorer.core.graph.recording import batch_of
from explorer.core.graph.refusals import picked_logits
from explorer.core.sparsity.layers import SparseLayer


def export_graph(module: nn.Module, sample: Tensor) -> tuple[fx.Graph, dict[str, Any]]:
    """Trace ``module`` with ``torch.export`` for any batch size.

    Where activations are changed in place (``z[:, :2] = 0``) the graph has new tensors instead.

    Args:
        module: Its parameters and submodules are what the graph refers to.
        sample: Batch of one.

    Returns:
        The graph, and what it reads besides: tensors made in a forward (``torch.tensor(..)``), parts of the
        graph under ``torch.no_grad``.

    Raises:
        Exception: Whatever ``torch.export`` raises.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
        >>> graph, constants = export_graph(net, torch.zeros(1, 4))
        >>> [node.target for node in graph.nodes if node.op == "call_module"], constants
        (['0', '1', '2'], {})
    """
    pair = batch_of(sample, 2)  # a batch of one would be taken for a constant
    batch = torch.export.Dim("batch")
    with quiet():
        program = torch.export.export(module, (pair,), dynamic_shapes=({0: batch},), strict=False)
        if _changes_activations(program.graph):
            program = program.run_decompositions({})
    whole = program.module(check_guards=False)
    graph = _plain_copy(whole.graph, program.call_spec.out_spec)
    _read_buffers_directly(graph)
    _make_copies_differentiable(graph)
    _drop_updates_of_leaves(graph, module)
    _fold_leaf_calls(graph, module)
    own = {name for name, _ in itertools.chain(module.named_parameters(), module.named_buffers())}
    read = {str(node.target) for node in graph.find_nodes(op="get_attr")}
    return graph, {name: attrgetter(name)(whole) for name in sorted(read - own)}


def _changes_activations(graph: fx.Graph) -> bool:
    """Whether something but a buffer, which comes in as a placeholder, is changed in place."""
    changed = [_changed(node) for node in graph.nodes if _changed(node) is not None]
    return any(node is not None and node.op != "placeholder" for node in map(_origin, changed))


def _changed(node: fx.Node) -> fx.Node | None:
    """What an operator changes in place."""
    mutable = isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable
    if not mutable or node.target is torch.ops.aten.detach_.default:
        return None
    return node.args[0] if isinstance(node.args[0], fx.Node) else None


def _origin(node: fx.Node | None) -> fx.Node | None:
    """What was there before all changes in place."""
    while node is not None and (earlier := _changed(node)) is not None:
        node = earlier
    return node


def _make_copies_differentiable(graph: fx.Graph) -> None:
    """``aten.copy``, what ``copy_`` gives, has no derivative; it is its source in the other's shape."""
    for node in graph.find_nodes(op="call_function", target=torch.ops.aten.copy.default):
        changed, source = node.args[:2]
        node.target, node.args = torch.ops.aten.expand_as.default, (source, changed)


def _plain_copy(exported: fx.Graph, returned: TreeSpec) -> fx.Graph:
    """Without export's calling convention: one tensor in, the logits out, else all that is returned."""
    graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in exported.nodes:
        if node.op == "output":
            (values,) = node.args
            result = list(fx.map_arg(values, copies.__getitem__))
            logits = picked_logits(tree_unflatten(result, returned))
            graph.output(result if logits is None else logits)
        elif node.name != "_guards_fn":
            copies[node] = graph.node_copy(node, copies.__getitem__)
    return graph


def _read_buffers_directly(graph: fx.Graph) -> None:
    """What changes a buffer in place returns it: no call has to wait for another that counts batches."""
    for node in graph.nodes:
        changed = _changed(node)
        if changed is not None and changed.op == "get_attr":
            node.replace_all_uses_with(changed)


def _drop_updates_of_leaves(graph: fx.Graph, module: nn.Module) -> None:
    """A leaf updates its buffers by itself, as batch norms do; a functional graph does it at the end."""
    for node in reversed(list(graph.nodes)):
        if node.target is torch.ops.aten.copy_.default and not node.users:
            buffer, value = node.args
            if buffer.op == "get_attr" and _leaf_call(value, module) is not None:
                graph.erase_node(node)


def _fold_leaf_calls(graph: fx.Graph, module: nn.Module) -> None:
    calls = itertools.groupby(list(graph.nodes), key=lambda node: _leaf_call(node, module))
    for (_, path), nodes in ((call, list(nodes)) for call, nodes in calls if call is not None):
        inside = set(nodes)
        inputs = {
            source
            for node in nodes
            for source in node.all_input_nodes
            if source not in inside and source.op != "get_attr" and _is_tensor(source)
        }
        results = [node for node in nodes if any(user not in inside for user in node.users)]
        if len(inputs) == len(results) == 1:
            with graph.inserting_after(nodes[-1]):
                call = graph.call_module(path, (inputs.pop(),))
            call.meta = dict(results[0].meta)
            results[0].replace_all_uses_with(call)
            for node in reversed(nodes):
                graph.erase_node(node)


def _leaf_call(node: fx.Node, module: nn.Module) -> tuple[str, str] | None:
    """The call of a leaf module that a node is part of: which call, and the module's path."""
    for call, (path, *_) in node.meta.get("nn_module_stack", {}).items():
        if path and not path.startswith("_") and node.op == "call_function":
            layer = module.get_submodule(path)
            if isinstance(layer, SparseLayer) or _is_torch_leaf(layer):
                return call, path
    return None


def _is_torch_leaf(layer: nn.Module) -> bool:
    return type(layer).__module__.startswith("torch.nn") and not isinstance(
        layer, nn.Sequential | nn.ModuleList | nn.ModuleDict
    )


def _is_tensor(node: fx.Node) -> bool:
    value: Any = node.meta.get("val")
    return not isinstance(value, int | float | torch.SymInt | torch.SymFloat)
