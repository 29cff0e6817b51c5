"""From a module to its data flow: ``torch.fx``, then ``torch.export``, or a refusal that says why."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from torch import Tensor, fx, nn

from explorer.core.graph.both_modes import Attempt, exported_graph, in_both_modes
from explorer.core.graph.dataflow import Dataflow
from explorer.core.graph.fx_trace import (
    SymbolicTrace,
    UntraceableError,
    trace_symbolically,
    where_in_user_code,
)
from explorer.core.graph.module_state import keeping_state
from explorer.core.graph.refusals import refuse_kinds
from explorer.core.graph.same_training import Precision, Steps
from explorer.core.graph.split_points import find_split_points
from explorer.core.graph.trace_checks import (
    TrainsOtherwiseError,
    check_opaque,
    check_same_logits,
    check_same_training,
    describe_values,
    first_line,
    own_steps,
    trains_channels_last,
    untraceable,
)
from explorer.core.graph.train_eval import ModesDifferError
from explorer.errors import NetworkError

_TRIALS = 32  # of submodules that may be traced inside again
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass(frozen=True)
class Trace:
    """A traced backbone.

    Attributes:
        graph_module: Executes it; one node per value. Its modes are those of the module it was traced from.
        dataflow: What its nodes compute and cost.
        opaque: Modules whose inside could not be traced: run as they are, never cut inside.
        exported: Whether ``torch.export`` traced it, because symbolic tracing could not.
        channels_last: Whether it trains the same on images in this memory format, as far as was probed.

    Example:
        >>> import torch
        >>> found = trace(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.zeros(1, 4))
        >>> found.graph_module(torch.zeros(5, 4)).shape, found.opaque, found.exported
        (torch.Size([5, 2]), (), False)
    """

    graph_module: fx.GraphModule
    dataflow: Dataflow
    opaque: tuple[str, ...] = ()
    exported: bool = False
    channels_last: bool = False


def trace(module: nn.Module, sample: Tensor, precision: Precision = "float32", probe: bool = True) -> Trace:
    """Trace ``module`` and run ``sample`` through it.

    In-place activations of ``module`` are made out-of-place: an exit may read any intermediate tensor. A
    submodule whose forward cannot be traced symbolically becomes one opaque node; where the backbone's own
    forward cannot, or a module is opaque, ``torch.export`` is tried. The graph must train as the module does.

    Args:
        module: One input tensor, one output tensor of class logits; only the in-place switches are changed.
        sample: Batch of one input, shape (1, ...).
        precision: In which it will be trained.
        probe: Whether training steps are compared; a network whose like was compared needs it no more.

    Raises:
        NetworkError: The module cannot be traced, the sample does not run through it, the output is not one
            tensor of shape (1, classes), or the graph computes or trains something else than the module.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> [(value.path, value.macs) for value in trace(net, torch.zeros(1, 4)).dataflow.values.values()]
        [('input', 0), ('0', 12), ('1', 0), ('2', 6)]
    """
    refuse_kinds(module)
    for layer in module.modules():
        if getattr(layer, "inplace", False):
            setattr(layer, "inplace", False)  # noqa: B010
    _check_names(module)

    @cache
    def steps() -> Steps:
        return own_steps(module, sample, precision)

    def finished(attempt: Attempt) -> Trace:
        found = _finished(module, sample, attempt)
        if probe:
            check_same_training(module, found.graph_module, sample, steps(), precision)
        return found

    with keeping_state(module):
        best = _best(module, sample, finished)
        images = probe and sample.dim() == 4
        fits = images and trains_channels_last(best.graph_module, module, sample, precision)
        return replace(best, channels_last=fits)


def _best(module: nn.Module, sample: Tensor, finished: Callable[[Attempt], Trace]) -> Trace:
    """The first trace without opaque modules; else the one with most split points."""
    found, errors = list[Trace](), list[BaseException]()
    for attempt in _attempts(module, sample, errors):
        try:
            found.append(finished(attempt))
        except NetworkError as error:
            errors.append(error)
        else:
            if not found[-1].opaque:
                break
    if not found and any(isinstance(error, TrainsOtherwiseError) for error in errors):
        found += _with_modules_whole(module, finished)
    if not found:
        raise _refusal_of(module, errors)
    return max(found, key=lambda trace: len(find_split_points(trace.dataflow)))


def _attempts(module: nn.Module, sample: Tensor, errors: list[BaseException]) -> Iterator[Attempt]:
    """Traces by ever stronger means; ``errors`` takes up what they raise."""
    means: list[Callable[[], SymbolicTrace]] = [
        lambda: trace_symbolically(module),
        lambda: trace_symbolically(module, proxy_buffers=False),
        lambda: exported_graph(module, sample),
    ]
    for trace_once in means:
        try:
            yield in_both_modes(module, trace_once)
        except (Exception, SystemExit) as error:  # a user's module may raise anything while it is traced
            errors.append(error)


def _with_modules_whole(module: nn.Module, finished: Callable[[Attempt], Trace]) -> Iterator[Trace]:
    """Traces with submodules left whole, each finer than the one before.

    First all outermost modules with a forward of the user's own are; then one after the other is traced
    inside again, where that does not change the training.
    """

    def attempted(whole: Sequence[str]) -> Trace | None:
        try:
            return finished(in_both_modes(module, lambda: trace_symbolically(module, whole)))
        except (NetworkError, UntraceableError, ModesDifferError):
            return None

    whole = _outermost(module)
    if not whole or (found := attempted(whole)) is None:
        return
    yield found
    pending = list(whole)
    for _ in range(_TRIALS):
        if not pending:
            return
        path = pending.pop(0)
        inside = [f"{path}.{inner}" for inner in _outermost(module.get_submodule(path))]
        finer = [*(other for other in whole if other != path), *inside]
        if (found := attempted(finer)) is not None:
            yield found
            whole, pending = finer, pending + inside


def _outermost(module: nn.Module) -> list[str]:
    """Submodules with a forward of the user's own that are inside no other such one."""
    paths: list[str] = []
    for name, child in module.named_children():
        if isinstance(child, _CONTAINERS):
            paths += [f"{name}.{inner}" for inner in _outermost(child)]
        elif not type(child).__module__.startswith(("torch.nn", "explorer.core")):
            paths.append(name)
    return paths


def _check_names(module: nn.Module) -> None:
    name = type(module).__name__
    for key in {**module._modules, **module._parameters, **module._buffers}:
        if key in vars(fx.GraphModule):
            raise NetworkError(f"{name}: torch.fx needs the name {key!r} for itself; rename the attribute")
    for path, _ in module.named_modules():
        if "/" in path:
            raise NetworkError(
                f"{name}: module names may not contain '/', which separates scopes, got {path!r}"
            )


def _finished(module: nn.Module, sample: Tensor, attempt: Attempt) -> Trace:
    """What an attempt computes and costs, if it gives the module's logits."""
    name, graph_module = type(module).__name__, attempt.graph_module
    if len(graph_module.graph.find_nodes(op="placeholder")) != 1:
        raise NetworkError(f"{name}: the backbone must take exactly one input tensor")
    if attempt.causes:
        check_opaque(module, sample, attempt.causes)
    dataflow = describe_values(name, graph_module, sample, attempt.returned)
    check_same_logits(module, graph_module, sample)
    return Trace(graph_module, dataflow, attempt.whole, attempt.exported)


def _refusal_of(module: nn.Module, errors: Sequence[BaseException]) -> NetworkError:
    """The first reason; the last one besides, where the forward cannot be traced at all."""
    name, first, last = type(module).__name__, errors[0], errors[-1]
    if isinstance(first, UntraceableError):
        also = f"torch.export neither: {first_line(last)}"
        where = where_in_user_code(first.cause) or where_in_user_code(last)
        return NetworkError(untraceable(module, first.path, first.cause, where, also))
    if isinstance(first, NetworkError):
        return first
    if isinstance(first, ModesDifferError):
        return NetworkError(f"{name}: training and eval mode differ: {first}")
    return NetworkError(
        f"{name}: torch.fx cannot trace the module: {type(first).__name__}: {first_line(first)}"
    )
