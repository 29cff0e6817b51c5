"""Whether a traced graph is the network it was traced from, and what its values cost."""

import warnings
from collections.abc import Mapping

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from explorer.core.graph.dataflow import Dataflow
from explorer.core.graph.fx_trace import readable_paths, where_in_user_code
from explorer.core.graph.module_state import evaluating, keeping_state
from explorer.core.graph.quiet import quiet
from explorer.core.graph.recording import batch_of, record_values
from explorer.core.graph.refusals import (
    hint,
    logits_of,
    looks_like_probabilities,
    refused_output,
    refused_shape,
    refused_values,
)
from explorer.core.graph.same_training import LAYOUT_TOLERANCE, TOLERANCE, Precision, Steps, training_steps
from explorer.core.graph.shape_ops import anchor_shape_reads
from explorer.errors import NetworkError
from explorer.utils.imports import said, seeded

TRACE_TOLERANCE = 1e-5
BATCH_TOLERANCE = 1e-4  # another batch size may be computed in another order
PROBE_BATCHES = (1, 7)


class TrainsOtherwiseError(NetworkError):
    """A graph does not train as the module it was traced from."""


def describe_values(
    name: str, graph_module: fx.GraphModule, sample: Tensor, returned: Mapping[fx.Node, str]
) -> Dataflow:
    """Run ``sample`` through and describe every value, once the batch size needs no crossing.

    Raises:
        NetworkError: It does not run, or the output is no tensor of logits that depends on the input.

    Example:
        >>> graph_module = fx.symbolic_trace(nn.Sequential(nn.Linear(4, 3), nn.ReLU()))
        >>> flow = describe_values("Net", graph_module, torch.zeros(1, 4), returned={})
        >>> flow.result, [value.shape for value in flow.values.values()]
        ('_1', [(4,), (3,), (3,)])
    """
    with evaluating(graph_module):
        alone = _run(name, graph_module, sample, f"an input of shape {tuple(sample.shape)}")
        result = output_node(graph_module.graph)
        if result is None:
            (output,) = graph_module.graph.find_nodes(op="output")
            raise NetworkError(f"{name}: {refused_output(output.args[0])}")
        together = _run(name, graph_module, batch_of(sample, 2), "a batch of several samples")
        if alone.dim() != together.dim():
            raise NetworkError(f"{name}: {refused_shape(alone, together)}")
        try:
            anchor_shape_reads(graph_module, sample)
            paths = readable_paths(graph_module.graph, returned)
            values, state_bytes = record_values(graph_module, sample, paths)
        except (Exception, SystemExit) as error:
            raise NetworkError(
                f"{name}: a batch of several samples does not run through: {first_line(error)}"
            ) from error
    dataflow = Dataflow(values, result.name, state_bytes)
    if result.name not in dataflow.dependent - {dataflow.source}:
        raise NetworkError(f"{name}: the output does not depend on the input: no split point")
    if why := refused_shape(alone, together):
        raise NetworkError(f"{name}: {why}")
    return dataflow


def _run(name: str, graph_module: fx.GraphModule, batch: Tensor, what: str) -> Tensor:
    try:
        result: Tensor = fx.Interpreter(graph_module).run(batch)
    except (Exception, SystemExit) as error:  # a user's module may raise anything while it is run
        raise NetworkError(
            f"{name}: {what} does not run through: {first_line(error)}{hint(error)}"
        ) from error
    return result


def check_opaque(module: nn.Module, sample: Tensor, opaque: Mapping[str, BaseException]) -> None:
    """An opaque module may branch on shapes, not on values: each sample of a batch would need its own branch.

    Fake tensors have shapes and no values.

    Example:
        >>> class Net(nn.Module):
        ...     def forward(self, x):
        ...         return x if x.sum() > 0 else -x
        >>> check_opaque(Net(), torch.zeros(1, 3), {"": TypeError("not traced")})
        Traceback (most recent call last):
        explorer.errors.NetworkError: Net: torch.fx cannot trace the module: not traced ...
    """
    try:
        with keeping_state(module), FakeTensorMode(allow_non_fake_inputs=True) as mode, evaluating(module):
            module(mode.from_tensor(batch_of(sample, 2)))
    except DataDependentOutputException as error:
        where = where_in_user_code(error)
        at_fault = [path for path, cause in opaque.items() if where_in_user_code(cause) == where]
        path = next(iter(at_fault or opaque))
        also = "it reads values, and each sample of a batch has its own"
        raise NetworkError(untraceable(module, path, opaque[path], where, also)) from error
    except (Exception, SystemExit):
        return  # an operator that fake tensors lack, or a fault of the module that running it will show


def check_same_logits(module: nn.Module, graph_module: fx.GraphModule, sample: Tensor) -> None:
    """Eval mode may neither draw nor keep anything, and treats every sample alone.

    Raises:
        NetworkError: The graph does not give the module's logits, or samples of a batch change each other's.

    Example:
        >>> net, other = nn.Linear(4, 3), nn.Linear(4, 3)
        >>> check_same_logits(net, fx.symbolic_trace(net), torch.zeros(1, 4))
        >>> check_same_logits(net, fx.symbolic_trace(other), torch.zeros(1, 4))
        Traceback (most recent call last):
        explorer.errors.NetworkError: Linear: the traced graph differs from the module by ...
    """
    name = type(module).__name__
    x = torch.randn(batch_of(sample, max(PROBE_BATCHES)).shape, generator=torch.Generator().manual_seed(0))
    with keeping_state(module, graph_module), evaluating(graph_module, module), seeded(0):
        logits = [logits_of(module(x[:batch].clone())) for batch in PROBE_BATCHES]
        try:
            with quiet():
                gaps = [difference(graph_module(x[: len(given)].clone()), given) for given in logits]
        except (Exception, SystemExit) as error:
            what = f"{type(error).__name__}: {first_line(error)}{hint(error)}"
            raise NetworkError(f"{name}: the traced graph does not run: {what}") from error
    if not all(bool(given.isfinite().all()) for given in logits):
        raise NetworkError(f"{name}: {refused_values(module)}")
    if not all(gap <= TRACE_TOLERANCE for gap in gaps):  # NaN is no match either
        raise NetworkError(
            f"{name}: the traced graph differs from the module by {max(gaps):.2g}; a backbone may not use "
            "randomness or state in eval mode, or change tensors in place (`x.add_(y)`)"
        )
    alone, together = logits
    if looks_like_probabilities(together):
        warnings.warn(
            f"{name}: its outputs sum to 1, as behind a softmax, and training applies one too; return the "
            "logits (a softmax twice costs accuracy: 1.6 points were seen)",
            stacklevel=2,
        )
    if not difference(together[: len(alone)], alone) <= BATCH_TOLERANCE:
        raise NetworkError(f"{name}: the logits of a sample change with the other samples of its batch")


def own_steps(module: nn.Module, sample: Tensor, precision: Precision) -> Steps:
    """Training steps of the module itself; what it raises there is the user's.

    Example:
        >>> own_steps(nn.Linear(4, 3), torch.zeros(1, 4), "float32").values["the loss of step 1"].shape
        torch.Size([])
    """
    try:
        return training_steps(module, module, sample, precision=precision)
    except NetworkError as error:
        raise NetworkError(f"{type(module).__name__}: {error}") from error
    except (Exception, SystemExit) as error:
        where = where_in_user_code(error)
        raise NetworkError(
            f"{type(module).__name__}: a training step raises {type(error).__name__}: {first_line(error)}"
            f"{f' ({where})' if where else ''}"
        ) from error


def check_same_training(
    module: nn.Module, graph_module: fx.GraphModule, sample: Tensor, own: Steps, precision: Precision
) -> None:
    """Compare training steps of graph and module.

    Raises:
        TrainsOtherwiseError: They differ.

    Example:
        >>> net, sample = nn.Linear(4, 3), torch.zeros(1, 4)
        >>> twice = fx.symbolic_trace(nn.Sequential(net, nn.Tanh()))
        >>> check_same_training(net, twice, sample, own_steps(net, sample, "float32"), "float32")
        Traceback (most recent call last):
        explorer.core.graph.trace_checks.TrainsOtherwiseError: Linear: the traced graph would train ...
    """
    name = type(module).__name__
    try:
        with quiet():
            steps = training_steps(graph_module, module, sample, precision=precision)
    except (Exception, SystemExit) as error:
        raise TrainsOtherwiseError(f"{name}: traced, a training step raises {first_line(error)}") from error
    if what := own.difference(steps, TOLERANCE):
        raise TrainsOtherwiseError(
            f"{name}: the traced graph would train otherwise than the module: {what} differs; a forward may "
            "draw random numbers only by torch, and what keeps state between calls or changes gradients "
            "belongs into a submodule of its own"
        )


def trains_channels_last(
    graph_module: fx.GraphModule, module: nn.Module, sample: Tensor, precision: Precision
) -> bool:
    """A forward that views a tensor (``x.view(len(x), -1)``) may depend on its layout in memory.

    What is drawn, such as dropout, falls on other elements there, so eval mode is compared.

    Example:
        >>> class Net(nn.Conv2d):
        ...     def forward(self, x):
        ...         return super().forward(x).view(len(x), -1)
        >>> flat = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten())
        >>> images = torch.zeros(1, 3, 4, 4)
        >>> [trains_channels_last(net, net, images, "float32") for net in (flat, Net(3, 8, 3))]
        [True, False]
    """

    def steps(training: bool, channels_last: bool) -> Steps:
        how = {"training": training, "channels_last": channels_last}
        return training_steps(graph_module, module, sample, **how, precision=precision, count=1)

    try:
        with quiet():
            steps(training=True, channels_last=True)  # need not be the same, but must be possible
            one, other = (steps(training=False, channels_last=layout) for layout in (False, True))
    except RuntimeError:
        return False
    return not one.difference(other, LAYOUT_TOLERANCE)


def untraceable(module: nn.Module, path: str, cause: BaseException, where: str, also: str) -> str:
    """Reason, module and line.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 3))
        >>> cause, where = TypeError("no length"), "net.py line 7: `len(x)`"
        >>> print(untraceable(net, "0", cause, where, also="torch.export neither"))
        Sequential: torch.fx cannot trace the module: no length (module '0' (Linear), net.py line 7:
        `len(x)`); torch.export neither
    """
    inside = f"module {path!r} ({type(module.get_submodule(path)).__name__})" if path else "its forward"
    place = f"{inside}, {where}" if where else inside
    name = type(module).__name__
    return f"{name}: torch.fx cannot trace the module: {first_line(cause)} ({place}); {also}"


def first_line(error: BaseException) -> str:
    """First line of what an error says, its type where it says nothing.

    Example:
        >>> first_line(RuntimeError("shapes differ While executing relu")), first_line(KeyError())
        ('shapes differ', 'KeyError')
    """
    if isinstance(error, SystemExit):
        return said(error)
    text, _, _ = str(error).partition("While executing")  # what torch.fx adds
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def difference(values: Tensor, expected: Tensor) -> float:
    """Largest absolute difference, relative to the largest expected value where that exceeds 1.

    Example:
        >>> round(difference(torch.tensor([10.0, 19.0]), torch.tensor([10.0, 20.0])), 3)
        0.05
    """
    return ((values - expected).abs().max() / expected.abs().max().clamp(min=1.0)).item()


def output_node(graph: fx.Graph) -> fx.Node | None:
    """The node whose value is returned; None if several are.

    Example:
        >>> output_node(fx.symbolic_trace(nn.Sequential(nn.ReLU(), nn.Tanh())).graph)
        _1
    """
    (result,) = (node.args[0] for node in graph.nodes if node.op == "output")
    return result if isinstance(result, fx.Node) else None
