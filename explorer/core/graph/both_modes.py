"""A module traced in both modes: one graph whose modes follow those of the module."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter

from torch import Tensor, fx, nn

from explorer.core.graph.effects import has_effect
from explorer.core.graph.export_trace import export_graph
from explorer.core.graph.fx_trace import SymbolicTrace, readable_paths
from explorer.core.graph.module_state import keeping_state
from explorer.core.graph.parts import QuietGraphModule
from explorer.core.graph.refusals import picked_logits
from explorer.core.graph.train_eval import merge_modes


@dataclass(frozen=True)
class Attempt:
    """A graph for both modes.

    Attributes:
        returned: The innermost module of which a node is the result.
        causes: Why modules that were left whole could not be traced.
        whole: Modules left whole.

    Example:
        >>> from explorer.core.graph.fx_trace import trace_symbolically
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
        >>> attempt = in_both_modes(net, lambda: trace_symbolically(net))
        >>> [node.name for node in attempt.graph_module.graph.nodes], attempt.whole, attempt.exported
        (['input_1', '_0', '_1', 'output'], (), False)
    """

    graph_module: fx.GraphModule
    returned: Mapping[fx.Node, str]
    causes: Mapping[str, BaseException]
    whole: tuple[str, ...]
    exported: bool


def in_both_modes(module: nn.Module, trace_once: Callable[[], SymbolicTrace]) -> Attempt:
    """The merged graph, whose modes follow those of ``module``.

    Example:
        >>> from explorer.core.graph.fx_trace import trace_symbolically
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.Dropout())
        >>> graph_module = in_both_modes(net.eval(), lambda: trace_symbolically(net)).graph_module
        >>> _ = graph_module.train()
        >>> net.training  # the module follows the graph's mode
        True
    """
    was_training = module.training
    with keeping_state(module):
        training, evaluation = (_traced_in(module.train(mode), trace_once) for mode in (True, False))
    (graph_module, found), (other, seen) = evaluation, training
    paths = {
        node: path
        for graph, returned in ((graph_module.graph, found.returned), (other.graph, seen.returned))
        for node, path in zip(graph.nodes, readable_paths(graph, returned).values(), strict=True)
    }
    merge_modes(graph_module, other, paths)
    whole = tuple(dict.fromkeys([*found.opaque, *seen.opaque, *found.leaves]))
    _follow_modes(graph_module, module)
    graph_module.train(was_training)
    return Attempt(graph_module, found.returned, {**seen.opaque, **found.opaque}, whole, found.exported)


def _traced_in(
    module: nn.Module, trace_once: Callable[[], SymbolicTrace]
) -> tuple[fx.GraphModule, SymbolicTrace]:
    found = trace_once()
    targets = [str(n.target) for n in found.graph.nodes if n.op in ("get_attr", "call_module")]
    root = {n: found.constants[n] if n in found.constants else attrgetter(n)(module) for n in targets}
    graph_module = QuietGraphModule(root if found.constants else module, found.graph, type(module).__name__)
    output = next(iter(found.graph.find_nodes(op="output")))
    if (logits := picked_logits(output.args[0])) is not None:
        output.args = (logits,)
        graph_module.recompile()
    graph_module.graph.eliminate_dead_code(has_effect)
    return graph_module, found


def _follow_modes(graph_module: fx.GraphModule, module: nn.Module) -> None:
    """Have a graph's ``train`` call that of ``module``, which may keep batch norms in eval mode."""

    def train(mode: bool = True) -> fx.GraphModule:
        nn.Module.train(graph_module, mode)
        module.train(mode)
        return graph_module

    graph_module.train = train  # type: ignore[method-assign]


def exported_graph(module: nn.Module, sample: Tensor) -> SymbolicTrace:
    """What ``torch.export`` makes of a module in its mode.

    Example:
        >>> import torch
        >>> found = exported_graph(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), torch.zeros(1, 4))
        >>> found.exported, [node.target for node in found.graph.nodes]
        (True, ['0.weight', '0.bias', 'input', '0', '1', 'output'])
    """
    graph, constants = export_graph(module, sample)
    return SymbolicTrace(graph, constants=constants, exported=True)
