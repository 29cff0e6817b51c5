"""Trace a module symbolically, submodules that cannot be traced left whole; name nodes as a person would."""

import inspect
import os
import traceback
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

import explorer
from explorer.core.graph.module_state import keeping_state
from explorer.core.graph.proxies import RecordingTracer
from explorer.core.graph.recording import function_name
from explorer.core.graph.train_eval import ByMode, without_prefix
from explorer.core.sparsity.layers import SparseLayer

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class UntraceableError(Exception):
    """The forward of one module cannot be traced.

    Attributes:
        path: The module's path; empty for the backbone itself.
        cause: What was raised inside it.
    """

    def __init__(self, path: str, cause: BaseException) -> None:
        super().__init__(f"{path}: {cause}")
        self.path, self.cause = path, cause


class _Tracer(RecordingTracer):
    """Leaves: torch's modules, sparse layers, and those given."""

    def __init__(self, leaves: Collection[str], proxy_buffers: bool) -> None:
        super().__init__(proxy_buffers)
        self._leaves = leaves
        self.returned: dict[fx.Node, str] = {}
        self.opaque: dict[str, BaseException] = {}

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> Any:
        """The input alone; other arguments of ``forward`` keep their defaults."""
        _, first, *others = inspect.signature(root_fn).parameters.values()
        required = [p for p in others if p.default is p.empty and p.kind not in _VARIADIC]
        if required or first.kind in _VARIADIC:
            return super().create_args_for_root(root_fn, is_module, concrete_args)
        return root_fn, [self.root, self.create_proxy("placeholder", first.name, (), {})]

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, SparseLayer | ByMode) or super().is_leaf_module(m, module_qualified_name):
            return True
        return module_qualified_name in self._leaves or module_qualified_name in self.opaque

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """Trace inside; what cannot be traced is forgotten again, and the module left whole."""
        path, mark = self.path_of_module(m), self.mark()
        try:
            result = super().call_module(m, forward, args, kwargs)
        except (Exception, SystemExit) as error:  # a user's module may raise anything while it is traced
            if path in self.opaque:
                raise
            self.forget(mark)
            self.opaque[path] = error
            result = super().call_module(m, forward, args, kwargs)
        if isinstance(result, fx.Proxy) and result.node.target != path:
            self.returned.setdefault(result.node, path)
        return result


@dataclass(frozen=True)
class SymbolicTrace:
    """What was found in one mode.

    Attributes:
        graph: Of the whole module.
        returned: The innermost module of which a node is the result.
        opaque: Why modules that were left whole could not be traced, by path.
        constants: What the graph reads besides parameters and buffers, by name.
        leaves: Modules left whole on request.
        exported: Whether ``torch.export`` made it.

    Example:
        >>> found = trace_symbolically(nn.Sequential(nn.Linear(4, 3), nn.ReLU()))
        >>> [str(node.target) for node in found.graph.nodes], found.leaves, found.exported
        (['input', '0', '1', 'output'], (), False)
    """

    graph: fx.Graph
    returned: Mapping[fx.Node, str] = field(default_factory=dict)
    opaque: Mapping[str, BaseException] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    leaves: tuple[str, ...] = ()
    exported: bool = False


def trace_symbolically(
    module: nn.Module, leaves: Collection[str] = (), proxy_buffers: bool = True
) -> SymbolicTrace:
    """Trace ``module`` in its mode, leaving those submodules whole whose forward cannot be traced.

    Args:
        module: The backbone; what a forward assigns to it stays, see :func:`keeping_state`.
        leaves: Paths of submodules to leave whole besides.
        proxy_buffers: See :class:`explorer.core.graph.proxies.RecordingTracer`.

    Raises:
        UntraceableError: The module's own forward cannot be traced.

    Example:
        >>> net = nn.Sequential(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), nn.Linear(3, 2))
        >>> graphs = [trace_symbolically(net, leaves).graph for leaves in ((), ("0",))]
        >>> [[node.target for node in graph.find_nodes(op="call_module")] for graph in graphs]
        [['0.0', '0.1', '1'], ['0', '1']]
    """
    tracer = _Tracer(leaves, proxy_buffers)
    try:
        with keeping_state(module):
            graph = tracer.trace(module)
            constants = _constants(module, graph)
    except (Exception, SystemExit) as error:  # a user's module may raise anything while it is traced
        raise UntraceableError("", error) from error
    opaque = {path: cause for path, cause in tracer.opaque.items() if _is_called(graph, path)}
    return SymbolicTrace(graph, tracer.returned, opaque, constants, tuple(leaves))


def _is_called(graph: fx.Graph, path: str) -> bool:
    """Whether a module left whole is not inside another one."""
    return any(node.target == path for node in graph.find_nodes(op="call_module"))


def _constants(module: nn.Module, graph: fx.Graph) -> dict[str, Any]:
    """Tensors made while tracing: attributes of the module until it is put back as it was."""
    read = {str(node.target) for node in graph.find_nodes(op="get_attr")}
    return {name: getattr(module, name) for name in sorted(read) if name.startswith("_tensor_constant")}


def readable_paths(graph: fx.Graph, returned: Mapping[fx.Node, str]) -> dict[str, str]:
    """What a person calls each node: a module's path; ``block.add`` for a function inside a module.

    A function, or a module called again, whose result is that of the module around it goes by that module's
    path. Later calls of the same get a number.

    Example:
        >>> found = trace_symbolically(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
        >>> readable_paths(found.graph, found.returned)
        {'input_1': 'input', '_0': '0', '_1': '1', 'output': 'output'}
    """
    seen: Counter[str] = Counter()
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    paths: dict[str, str] = {}
    for node in graph.nodes:
        stack = [path for path, *_ in node.meta.get("nn_module_stack", {}).values()]
        if node.op == "call_module":
            name = without_prefix(str(node.target))
            name = returned.get(node, name) if calls[node.target] > 1 else name
        elif node in returned:
            name = returned[node]
        else:
            name = ".".join([*stack[-1:], function_name(node.target)]).lstrip(".")
        paths[node.name] = f"{name}_{seen[name]}" if seen[name] else name
        seen[name] += 1
    return paths


def where_in_user_code(error: BaseException) -> str:
    """``file.py line 12: `code```, the last line of a traceback that is not torch's, Python's or ours.

    Example:
        >>> try:
        ...     nn.Linear(4, 3)(torch.zeros(1, 5))
        ... except RuntimeError as error:
        ...     where_in_user_code(error)  # raised by no file of a user
        ''
    """
    others = tuple(f"{Path(str(package.__file__)).parent}{os.sep}" for package in (explorer, torch))
    python = f"{Path(os.__file__).parent}{os.sep}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((*others, "<"))
        and not (frame.filename.startswith(python) and "site-packages" not in frame.filename)
    ]
    if not frames:
        return ""
    return f"{Path(frames[-1].filename).name} line {frames[-1].lineno}: `{frames[-1].line}`"
