"""What stands for a tensor while a forward is traced: records what ``torch.fx`` would drop.

torch's own proxies lose what is no operator: in-place changes, hooks, ``torch.no_grad``, the backward of an
``autograd.Function``, assignments to buffers. Each of these trains another network than the one written.
"""

import inspect
import operator
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils import checkpoint

from explorer.core.graph.effects import (
    AGAIN,
    OF_STATE,
    RegisterHook,
    as_function,
    enter_grad_mode,
    leave_grad_mode,
    set_data,
    update_buffer,
    with_item,
)


class WritesParameterError(Exception):
    """A submodule changes a parameter whenever it runs: left whole, every part of a network does so too.

    What the backbone's own forward writes is done when the whole network runs; parts find it done.
    """

    def __init__(self) -> None:
        super().__init__("a submodule changes a parameter (`weight.data = ..`, `weight.clamp_()`)")


class TensorProxy(fx.Proxy):
    """A tensor that is not known yet.

    In-place operations on what depends on the input become their out-of-place counterparts, and the proxy
    stands for the result from there on; on a buffer they stay in place.

    Example:
        >>> class Net(nn.Module):
        ...     def forward(self, x):
        ...         x[:, 0] = 0
        ...         return x.relu_()
        >>> [node.name for node in RecordingTracer().trace(Net()).nodes]  # copies in place of changes
        ['x', 'with_item', 'relu', 'output']
    """

    def __getattr__(self, name: str) -> Any:
        out_of_place = name.removesuffix("_")
        if name.endswith("__") or name == out_of_place or not hasattr(torch.Tensor, name):
            return fx.proxy.Attribute(self, name)
        if self.node.meta.get(OF_STATE):
            _refuse_parameters(self)
            return fx.proxy.Attribute(self, name)
        if not inspect.isroutine(getattr(torch.Tensor, out_of_place, None)):
            return fx.proxy.Attribute(self, name)

        def changed(*args: Any, **kwargs: Any) -> fx.Proxy:
            self._stand_for(self.tracer.create_proxy("call_method", out_of_place, (self, *args), kwargs))
            return self

        return changed

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "data":
            object.__setattr__(self, name, value)
            return
        if self.tracer.scope.module_path:
            raise WritesParameterError
        self.tracer.create_proxy("call_function", set_data, (self, value), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        if self.node.meta.get(OF_STATE):
            _refuse_parameters(self)
            self.tracer.create_proxy("call_function", operator.setitem, (self, index, value), {})
        else:
            self._stand_for(self.tracer.create_proxy("call_function", with_item, (self, index, value), {}))

    def _stand_for(self, result: fx.Proxy) -> None:
        self.tracer.changed.append((self, self.node))  # type: ignore[attr-defined]
        self.node = result.node

    @property
    def requires_grad(self) -> bool:
        """As in training with trainable layers before it; eval mode is without gradients.

        The comparison of training steps that follows every trace sees where this is wrong.
        """
        root = self.tracer.root  # type: ignore[attr-defined]
        return bool(self.node.op != "placeholder" and root.training and torch.is_grad_enabled())

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> None:
        """A hook on the gradient, registered whenever the graph runs."""
        self.tracer.create_proxy("call_function", RegisterHook(hook), (self,), {})


def _refuse_parameters(proxy: fx.Proxy) -> None:
    """In-place changes of a parameter, or of a view of one, are refused."""
    root = proxy.tracer.root  # type: ignore[attr-defined]
    node, names = proxy.node, dict(root.named_parameters())
    while node.op != "get_attr" and node.all_input_nodes:
        node = node.all_input_nodes[0]
    if node.target in names:
        raise WritesParameterError


class _Mark(NamedTuple):
    """How far a trace has come."""

    node: fx.Node | None
    grad_modes: list[tuple[bool, fx.Node | None]]
    module_stack: OrderedDict[str, Any]
    proxies: set[str]
    changes: int


class RecordingTracer(fx.Tracer):
    """Traces with :class:`TensorProxy`.

    Args:
        proxy_buffers: Whether buffers are unknown too: changes of them are then recorded. Else they are
            constants that the forward may branch on.

    Example:
        >>> class Net(nn.Module):
        ...     def forward(self, x):
        ...         with torch.no_grad():
        ...             scale = x.abs().mean()
        ...         return x / scale
        >>> [node.name for node in RecordingTracer().trace(Net()).nodes]
        ['x', 'enter_grad_mode', 'abs_1', 'mean', 'leave_grad_mode', 'truediv', 'output']
    """

    def __init__(self, proxy_buffers: bool = True) -> None:
        super().__init__()
        self.proxy_buffer_attributes = proxy_buffers
        self._grad_modes: list[tuple[bool, fx.Node | None]] = [(True, None)]
        self._recomputing = False
        self._proxies: dict[str, fx.Proxy] = {}  # of parameters and buffers, by path
        self.changed: list[tuple[TensorProxy, fx.Node]] = []  # proxies, and what they stood for before

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """A proxy that records what torch.fx drops; see the base class."""
        return TensorProxy(node, self)

    def create_node(
        self, kind: str, target: Any, args: Any, kwargs: Any, *rest: Any, **named: Any
    ) -> fx.Node:
        """See the base class."""
        self._follow_grad_mode()
        if kind == "call_function" and kwargs.get("inplace"):
            kwargs = {**kwargs, "inplace": False}  # an exit may read any intermediate tensor
        node = super().create_node(kind, target, args, kwargs, *rest, **named)
        sources = node.all_input_nodes
        if kind == "get_attr" or (sources and all(source.meta.get(OF_STATE) for source in sources)):
            node.meta[OF_STATE] = True
        if self._recomputing and kind == "call_module":
            self._run_again(target, args)
        return node

    def mark(self) -> _Mark:
        """Where tracing stands, for :meth:`forget`."""
        last = next(iter(reversed(self.graph.nodes)), None)
        modes, stack = list(self._grad_modes), OrderedDict(self.module_stack)
        return _Mark(last, modes, stack, set(self._proxies), len(self.changed))

    def forget(self, mark: _Mark) -> None:
        """Undo what was traced since ``mark``."""
        while len(self.changed) > mark.changes:
            proxy, node = self.changed.pop()
            proxy.node = node
        for path in set(self._proxies) - mark.proxies:
            del self._proxies[path]
        self._grad_modes, self.module_stack = mark.grad_modes, mark.module_stack
        while (last := next(iter(reversed(self.graph.nodes)), None)) is not None and last is not mark.node:
            self.graph.erase_node(last)

    @contextmanager
    def recomputing(self) -> Iterator[None]:
        """While a block runs that backward runs again (``torch.utils.checkpoint``)."""
        before, self._recomputing = self._recomputing, True
        try:
            yield
        finally:
            self._recomputing = before

    def _run_again(self, target: str, args: Any) -> None:
        """Batch norms see each batch of a recomputed block twice."""
        layer = self.root.get_submodule(target)
        if isinstance(layer, _NormBase) and layer.training and layer.track_running_stats:
            super().create_node("call_module", target, args, {}).meta[AGAIN] = True

    def _follow_grad_mode(self) -> None:
        """Record where ``torch.no_grad()`` and its kin begin and end."""
        now = torch.is_grad_enabled()
        mode, token = self._grad_modes[-1]
        if now == mode:
            return
        if token is not None and self._grad_modes[-2][0] == now:
            self._grad_modes.pop()
            super().create_node("call_function", leave_grad_mode, (token,), {})
        else:
            self._grad_modes.append((now, super().create_node("call_function", enter_grad_mode, (now,), {})))

    def trace(self, root: Any, concrete_args: Any = None) -> fx.Graph:
        """See the base class."""
        with _recording_functions(), _recording_assignments(), torch.enable_grad():
            return super().trace(root, concrete_args)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        """See the base class."""
        self._proxies = parameter_proxy_cache
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def assign_buffer(self, module: nn.Module, name: str, value: fx.Proxy) -> None:
        """Record ``module.name = value``: the buffer takes the value, and later reads see it."""
        proxy = getattr(module, name)
        if not isinstance(proxy, fx.Proxy):
            raise TypeError(f"buffer {name!r}, taken for a constant, is assigned a value")
        target = next(path for path, own in self.root.named_buffers() if own is module._buffers[name])
        buffer = self.create_proxy("get_attr", target, (), {})
        self.create_proxy("call_function", update_buffer, (buffer, value), {})
        self._proxies[target] = value


@contextmanager
def _recording_functions() -> Iterator[None]:
    """Custom functions applied to a proxy become one node; recomputed blocks are traced inside."""
    apply = torch.autograd.Function.__dict__["apply"]
    generator = checkpoint._checkpoint_without_reentrant_generator

    def recorded_apply(cls: type[torch.autograd.Function], *args: Any, **kwargs: Any) -> Any:
        tracer = _tracer_of(args, kwargs)
        if tracer is None:
            return apply.__get__(None, cls)(*args, **kwargs)
        if cls is checkpoint.CheckpointFunction:
            function, _, *inputs = args
            with tracer.recomputing(), torch.enable_grad():
                return function(*inputs)
        return tracer.create_proxy("call_function", as_function(cls), args, kwargs)

    def recorded_generator(*args: Any, **kwargs: Any) -> Iterator[None]:
        tracer = _tracer_of(args, kwargs)
        if tracer is None:
            yield from generator(*args, **kwargs)
            return
        with tracer.recomputing():
            yield

    with ExitStack() as stack:
        for owner, name, function in (
            (torch.autograd.Function, "apply", classmethod(recorded_apply)),
            (checkpoint, "_checkpoint_without_reentrant_generator", recorded_generator),
        ):
            stack.enter_context(_replaced(owner, name, function))
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    original = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


def _tracer_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> "RecordingTracer | None":
    found = next((arg for arg in (*args, *kwargs.values()) if isinstance(arg, fx.Proxy)), None)
    return None if found is None else found.tracer  # type: ignore[return-value]


@contextmanager
def _recording_assignments() -> Iterator[None]:
    """``self.mean = ..`` in a forward becomes a node where ``mean`` is a buffer."""
    original = nn.Module.__setattr__

    def assign(module: nn.Module, name: str, value: Any) -> None:
        if isinstance(value, TensorProxy) and name in module._buffers:
            value.tracer.assign_buffer(module, name, value)  # type: ignore[attr-defined]
        else:
            original(module, name, value)

    with _replaced(nn.Module, "__setattr__", assign):
        yield
