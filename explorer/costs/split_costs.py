"""What each side of every split point costs: exact numbers known before any training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from explorer.core.exits import ExitClassifier
from explorer.core.graph.dataflow import FLOAT_BYTES, Dataflow, Value, index_bytes, total_macs
from explorer.core.graph.folding import as_deployed
from explorer.core.graph.operator_kinds import fused_activations
from explorer.core.graph.split_points import OUTPUT, SplitPoint
from explorer.core.network import Network
from explorer.core.payload import Ranges, range_bytes
from explorer.costs.dense_macs import DenseCounts
from explorer.costs.memory import Buffer, Peaks
from explorer.devices.operators import Operator


@dataclass(frozen=True, kw_only=True)
class SplitCosts:
    """Costs of cutting one network at one split point, for one sample, float32.

    ``*_macs`` are effective (kept connections), ``*_macs_dense`` the dense counterpart's as counted by
    fvcore.

    Attributes:
        name: Split point; ``output`` has no server part and no exit classifier.
        shape: Shape of the crossing tensor.
        payload_elements: Its number of values.
        edge_index_bytes: Positions that the sparse layers of the edge part store beside their weights, as the
            deployed files hold them, see :mod:`explorer.core.sparsity.positions`.
        peak_activation_bytes: Largest sum of live tensors while the edge part runs, every operator with an
            output of its own.
        exit_peak_bytes: The same while the exit classifier runs, the crossing tensor still held.
        edge_ram_bytes: As ``peak_activation_bytes``, element-wise operators in place, as a compiler does it.
        exit_ram_bytes: As ``exit_peak_bytes``, likewise.
        operators: Those since the previous split point, in order, as they are deployed.
        exit_operators: Those of the exit classifier and its confidence.
        range_bytes: Calibrated range that each side stores for payloads of up to 8 bits.

    Example:
        >>> from torch import zeros
        >>> from explorer.backbones import mlp
        >>> from explorer.costs.dense_macs import dense_counts
        >>> dense = dense_counts("explorer.backbones:mlp", '{"hidden": [4]}', (8,), 2, 8)
        >>> backbone = mlp(input_shape=(8,), num_classes=2, hidden=[4])
        >>> costs = split_costs(Network(backbone, zeros(1, 8), 2, exit_features=8), dense)
        >>> costs[1].name, costs[1].edge_macs, costs[1].server_macs, costs[1].edge_param_bytes
        ('relu1', 32, 8, 144)
    """

    name: str
    shape: tuple[int, ...]
    payload_elements: int
    edge_macs: int
    edge_macs_dense: int
    server_macs: int
    server_macs_dense: int
    exit_macs: int
    edge_param_bytes: int
    server_param_bytes: int
    exit_param_bytes: int
    peak_activation_bytes: int
    exit_peak_bytes: int
    edge_ram_bytes: int
    exit_ram_bytes: int
    operators: tuple[Operator, ...]
    exit_operators: tuple[Operator, ...]
    edge_index_bytes: int = 0
    range_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain data; inverse of :meth:`from_json`."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "SplitCosts":
        """Rebuild from plain data (lists become tuples)."""
        lists = {
            key: tuple(Operator(*own) for own in content[key]) for key in ("operators", "exit_operators")
        }
        return cls(**{**content, **lists, "shape": tuple(content["shape"])})


def split_costs(
    network: Network, dense: DenseCounts, ranges: Ranges = "sample", flow: Dataflow | None = None
) -> tuple[SplitCosts, ...]:
    """Costs at every split point, from ``input`` to ``output``.

    Batch normalisation counts as deployed, see :mod:`explorer.core.graph.folding`; activations that a layer
    takes up are no operators, see :func:`explorer.core.graph.operator_kinds.fused_activations`.

    Args:
        network: Gives split points and exit classifiers.
        dense: Counts of its dense counterpart.
        ranges: Of its payloads.
        flow: What its backbone computes; None for its own, see :func:`explorer.core.graph.thinning.thinned`.

    Example:
        >>> from torch import zeros
        >>> from explorer.backbones import mlp
        >>> from explorer.costs.dense_macs import dense_counts
        >>> dense = dense_counts("explorer.backbones:mlp", '{"hidden": [4]}', (8,), 2, 8)
        >>> backbone = mlp(input_shape=(8,), num_classes=2, hidden=[4])
        >>> costs = split_costs(Network(backbone, zeros(1, 8), 2, exit_features=8), dense)
        >>> [(split.name, split.edge_macs, split.server_macs, split.exit_macs) for split in costs]
        [('input', 0, 40, 16), ('relu1', 32, 8, 8), ('output', 40, 0, 0)]
    """
    dataflow, costs = deployed_dataflow(network, flow), list[SplitCosts]()
    stages = iter(deployed_stages(network, dataflow))
    first, last = network.split_points[0].nodes, network.split_points[-1].nodes
    for point in network.split_points:
        edge, server = dataflow.between(first, point.nodes), dataflow.between(point.nodes, last)
        exit_ = network.exit_at(point.name)
        exit_cost = _exit_cost(exit_)
        peaks = peaks_of([dataflow.values[dataflow.source], *edge], point)
        exit_peaks = _exit_peaks(exit_, point)
        costs.append(
            SplitCosts(
                name=point.name,
                shape=point.shape,
                payload_elements=point.payload_elements,
                edge_macs=total_macs(edge),
                edge_macs_dense=dense.edge_macs[point.name],
                server_macs=total_macs(server),
                server_macs_dense=dense.server_macs[point.name],
                exit_macs=sum(own.macs for own in exit_cost),
                edge_param_bytes=dataflow.stored_bytes(edge),
                server_param_bytes=dataflow.stored_bytes(server),
                exit_param_bytes=stored_bytes(exit_) if exit_ is not None else 0,
                peak_activation_bytes=peaks.naive,
                exit_peak_bytes=exit_peaks.naive,
                edge_ram_bytes=peaks.in_place,
                exit_ram_bytes=exit_peaks.in_place,
                operators=tuple(map(_operator, next(stages))),
                exit_operators=exit_cost,
                edge_index_bytes=index_bytes(edge),
                range_bytes=range_bytes(point.shape, ranges) if point.name != OUTPUT else 0,
            )
        )
    return tuple(costs)


def deployed_dataflow(network: Network, flow: Dataflow | None = None) -> Dataflow:
    """What a network computes once its normalisations are folded; arguments as of :func:`split_costs`.

    Example:
        >>> from torch import zeros
        >>> network = Network(nn.Linear(4, 2), zeros(1, 4), num_classes=2, exit_features=4)
        >>> list(deployed_dataflow(network).values)
        ['input_1', 'linear']
    """
    crossing = {name for point in network.split_points for name in point.nodes}
    return as_deployed(flow or network.dataflow, crossing)


def deployed_stages(network: Network, dataflow: Dataflow) -> list[list[Value]]:
    """The operators that are new at each split point, as values; activations that layers take up are none.

    Args:
        network: Gives the split points.
        dataflow: Of :func:`deployed_dataflow`.

    Example:
        >>> from torch import zeros
        >>> network = Network(nn.Linear(4, 2), zeros(1, 4), num_classes=2, exit_features=4)
        >>> [[value.macs for value in own] for own in deployed_stages(network, deployed_dataflow(network))]
        [[], [8]]
    """
    crossing = {name for point in network.split_points for name in point.nodes}
    before, stages = fused_activations(dataflow.values, crossing), list[list[Value]]()
    for point in network.split_points:
        edge = dataflow.between(network.split_points[0].nodes, point.nodes)
        stages.append([value for value in edge if value.moved_bytes and value.name not in before])
        before |= {value.name for value in edge}
    return stages


def peaks_of(values: Sequence[Value], point: SplitPoint) -> Peaks:
    """Peaks of an edge part.

    Args:
        values: What it computes, the network's input first, batch normalisation as deployed.
        point: Where it ends.

    Example:
        >>> from torch import zeros
        >>> backbone = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> network = Network(backbone, zeros(1, 8), 2, exit_features=8)
        >>> values = list(network.dataflow.values.values())
        >>> peaks_of(values[:3], network.split_point("1"))  # 8 and 4 numbers at once
        Peaks(naive=48, in_place=48)
    """
    buffers = [Buffer(own.name, own.inputs, own.size_bytes, own.view_of, own.element_wise) for own in values]
    sent = Buffer("what is sent", point.nodes, 0)  # holds all that crosses; joining it is the encoder's
    return Peaks.of([*buffers, sent], sent.name)


def _exit_peaks(exit_: ExitClassifier | None, point: SplitPoint) -> Peaks:
    """The crossing tensor, which may yet be sent, and what the hungriest layer reads and writes besides."""
    if exit_ is None:
        return Peaks(0, 0)
    buffers = [Buffer("0", (), FLOAT_BYTES * point.payload_elements)]
    for number, step in enumerate(exit_.steps, start=1):
        size = FLOAT_BYTES * step.outputs
        buffers.append(Buffer(str(number), (str(number - 1),), size, element_wise=step.is_activation))
    logits = buffers[-1].name
    return Peaks.of([*buffers, Buffer("answer", ("0", logits), 0)], logits)


def _operator(value: Value) -> Operator:
    own = value.execution
    return Operator(value.macs, value.moved_bytes, own.kind, own.groups, own.added_macs, own.added_bytes)


def _exit_cost(exit_: ExitClassifier | None) -> tuple[Operator, ...]:
    """Each layer; the confidence of the last one's logits is no layer, and costs a call."""
    if exit_ is None:
        return ()
    layers = [
        Operator(own.macs, FLOAT_BYTES * (own.inputs + own.outputs + own.parameters), own.kind)
        for own in exit_.steps
        if not own.is_activation  # the layer before takes it up
    ]
    logits = FLOAT_BYTES * exit_.steps[-1].outputs
    return (*layers, Operator(0, 3 * logits, "softmax"))


def stored_bytes(module: nn.Module) -> int:
    """Bytes of all float parameters and persistent buffers, each shared one once.

    Example:
        >>> stored_bytes(nn.Linear(8, 2)), stored_bytes(nn.BatchNorm1d(4))
        (72, 64)
    """
    tensors = {
        tensor.data_ptr(): tensor for tensor in module.state_dict().values() if tensor.is_floating_point()
    }
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
