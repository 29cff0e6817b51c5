"""From a module to its data flow: ``torch.fx``, then ``torch.export``, or a refusal that says why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from explorer.core.exporting import export_graph
from explorer.core.modes import ModesDifferError, merge_modes
from explorer.core.recording import batch_of, evaluating, keeping_modes, record_values
from explorer.core.shape_reads import anchor_shape_reads
from explorer.core.symbolic import (
    SymbolicTrace,
    UntraceableError,
    readable_paths,
    trace_symbolically,
    where_in_user_code,
)
from explorer.core.values import Dataflow
from explorer.errors import UserError

TRACE_TOLERANCE = 1e-5
BATCH_TOLERANCE = 1e-4  # another batch size may be computed in another order
PROBE_BATCHES = (1, 7)
_ONE_OUTPUT = "the output must be one tensor of class logits (batch, classes)"


@dataclass(frozen=True)
class Trace:
    """A traced backbone.

    Attributes:
        graph_module: Executes it; one node per value.
        dataflow: What its nodes compute and cost.
        opaque: Modules whose inside could not be traced: run as they are, never cut inside.
        exported: Whether ``torch.export`` traced it, because symbolic tracing could not.
    """

    graph_module: fx.GraphModule
    dataflow: Dataflow
    opaque: tuple[str, ...] = ()
    exported: bool = False


def trace(module: nn.Module, sample: Tensor) -> Trace:
    """Trace ``module`` and run ``sample`` through it.

    In-place activations of ``module`` are made out-of-place: an exit may read any intermediate tensor. A
    submodule whose forward cannot be traced symbolically becomes one opaque node; where the backbone's own
    forward cannot, ``torch.export`` is tried.

    Args:
        module: One input tensor, one output tensor of class logits.
        sample: Batch of one input, shape (1, ...).

    Raises:
        UserError: The module cannot be traced, the sample does not run through it, the output is not one
            tensor of shape (1, classes), or the graph computes something else than the module.
    """
    name = type(module).__name__
    for layer in module.modules():
        if getattr(layer, "inplace", False):
            setattr(layer, "inplace", False)  # noqa: B010
    _check_names(module)
    graph_module, returned, opaque, exported = _graph(module, sample)
    if sum(node.op == "placeholder" for node in graph_module.graph.nodes) != 1:
        raise UserError(f"{name}: the backbone must take exactly one input tensor")
    dataflow = _dataflow(name, graph_module, sample, returned)
    _check_same_logits(module, graph_module, sample)
    return Trace(graph_module, dataflow, opaque, exported)


def _check_names(module: nn.Module) -> None:
    name = type(module).__name__
    for key in {**module._modules, **module._parameters, **module._buffers}:
        if key in vars(fx.GraphModule):
            raise UserError(f"{name}: torch.fx needs the name {key!r} for itself; rename the attribute")
    for path, _ in module.named_modules():
        if "/" in path:
            raise UserError(f"{name}: module names may not contain '/', which separates scopes, got {path!r}")


def _graph(
    module: nn.Module, sample: Tensor
) -> tuple[fx.GraphModule, Mapping[fx.Node, str], tuple[str, ...], bool]:
    """Graph for both modes, modules whose results are known, opaque modules, and whether it is exported."""
    try:
        graph_module, found = _traced(module)
    except UntraceableError as error:
        try:
            graph_module, _ = _in_both_modes(module, lambda: SymbolicTrace(export_graph(module, sample)))
        except Exception as refusal:  # a user's module may raise anything while it is exported
            also = f"torch.export neither: {_first_line(refusal)}"
            where = where_in_user_code(error.cause) or where_in_user_code(refusal)
            raise UserError(_refusal(module, error.path, error.cause, where, also)) from error
        return graph_module, {}, (), True
    if found.opaque:
        _check_opaque(module, sample, found.opaque)
    return graph_module, found.returned, (*found.opaque, *found.reads_mode), False


def _traced(module: nn.Module) -> tuple[fx.GraphModule, SymbolicTrace]:
    """Submodules that do different things in training and in eval mode are left whole."""
    try:
        return _in_both_modes(module, lambda: trace_symbolically(module))
    except ModesDifferError:
        pass
    try:
        return _in_both_modes(module, lambda: trace_symbolically(module, keep_readers=True))
    except ModesDifferError as error:
        raise UserError(
            f"{type(module).__name__}: its forward does different things in training and in eval mode "
            f"({error}); put what reads `self.training` into a submodule, and draw no random numbers"
        ) from error


def _in_both_modes(
    module: nn.Module, trace_once: Callable[[], SymbolicTrace]
) -> tuple[fx.GraphModule, SymbolicTrace]:
    """The merged graph, and what the trace in eval mode found besides."""
    was_training = module.training
    with keeping_modes(module):
        (training, _), (evaluation, found) = (
            _graph_module(module.train(mode), trace_once) for mode in (True, False)
        )
        merge_modes(evaluation, training, readable_paths(evaluation.graph, found.returned))
        evaluation.train(was_training)
    return evaluation, found


def _graph_module(
    module: nn.Module, trace_once: Callable[[], SymbolicTrace]
) -> tuple[fx.GraphModule, SymbolicTrace]:
    found = trace_once()
    graph_module = fx.GraphModule(module, found.graph)
    graph_module.graph.eliminate_dead_code()
    return graph_module, found


def _check_opaque(module: nn.Module, sample: Tensor, opaque: Mapping[str, Exception]) -> None:
    """An opaque module may branch on shapes, not on values: each sample of a batch would need its own branch.

    Fake tensors have shapes and no values.
    """
    try:
        with FakeTensorMode(allow_non_fake_inputs=True) as mode, evaluating(module):
            module(mode.from_tensor(batch_of(sample, 2)))
    except DataDependentOutputException as error:
        where = where_in_user_code(error)
        at_fault = [path for path, cause in opaque.items() if where_in_user_code(cause) == where]
        path = next(iter(at_fault or opaque))
        also = "it reads values, and each sample of a batch has its own"
        raise UserError(_refusal(module, path, opaque[path], where, also)) from error
    except Exception:
        return  # an operator that fake tensors lack, or a fault of the module that running it will show


def _refusal(module: nn.Module, path: str, cause: Exception, where: str, also: str) -> str:
    """Reason, module and line."""
    inside = f"module {path!r} ({type(module.get_submodule(path)).__name__})" if path else "its forward"
    place = f"{inside}, {where}" if where else inside
    name = type(module).__name__
    return f"{name}: torch.fx cannot trace the module: {_first_line(cause)} ({place}); {also}"


def _first_line(error: BaseException) -> str:
    said, _, _ = str(error).partition("While executing")  # what torch.fx adds
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _dataflow(
    name: str, graph_module: fx.GraphModule, sample: Tensor, returned: Mapping[fx.Node, str]
) -> Dataflow:
    """Run ``sample`` through and describe every value, once the batch size needs no crossing.

    Raises:
        UserError: It does not run, or the output is no tensor of logits that depends on the input.
    """
    with evaluating(graph_module):
        try:
            fx.Interpreter(graph_module).run(sample)
        except Exception as error:  # a user's module may raise anything while it is run
            raise UserError(
                f"{name}: an input of shape {tuple(sample.shape)} does not run through: {_first_line(error)}"
            ) from error
        result = output_node(graph_module.graph)
        if result is None:
            raise UserError(f"{name}: {_ONE_OUTPUT}, got several values")
        try:
            anchor_shape_reads(graph_module, sample)
            paths = readable_paths(graph_module.graph, returned)
            values, state_bytes = record_values(graph_module, sample, paths)
        except Exception as error:
            raise UserError(
                f"{name}: a batch of several samples does not run through: {_first_line(error)}"
            ) from error
    dataflow = Dataflow(values, result.name, state_bytes)
    if result.name not in dataflow.dependent - {dataflow.source}:
        raise UserError(f"{name}: the output does not depend on the input: no split point")
    if len(values[result.name].shape) != 1:
        raise UserError(f"{name}: {_ONE_OUTPUT}, got shape {values[result.name].shape} per sample")
    return dataflow


def _check_same_logits(module: nn.Module, graph_module: fx.GraphModule, sample: Tensor) -> None:
    """Tracing freezes randomness, and drops ``x.add_(y)`` where no result is used.

    Raises:
        UserError: The graph does not give the module's logits, or samples of a batch change each other's.
    """
    name = type(module).__name__
    x = torch.randn(batch_of(sample, max(PROBE_BATCHES)).shape, generator=torch.Generator().manual_seed(0))
    with evaluating(module, graph_module):
        logits = [module(x[:batch].clone()) for batch in PROBE_BATCHES]
        gaps = [difference(graph_module(x[: len(given)].clone()), given) for given in logits]
    if not all(gap <= TRACE_TOLERANCE for gap in gaps):  # NaN is no match either
        raise UserError(
            f"{name}: the traced graph differs from the module by {max(gaps):.2g}; a backbone may not use "
            "randomness or state in eval mode, or change tensors in place (`x.add_(y)`)"
        )
    alone, together = logits
    if not difference(together[: len(alone)], alone) <= BATCH_TOLERANCE:
        raise UserError(f"{name}: the logits of a sample change with the other samples of its batch")


def difference(values: Tensor, expected: Tensor) -> float:
    """Largest absolute difference, relative to the largest expected value where that exceeds 1."""
    return ((values - expected).abs().max() / expected.abs().max().clamp(min=1.0)).item()


def output_node(graph: fx.Graph) -> fx.Node | None:
    """The node whose value is returned; None if several are."""
    (result,) = (node.args[0] for node in graph.nodes if node.op == "output")
    return result if isinstance(result, fx.Node) else None
