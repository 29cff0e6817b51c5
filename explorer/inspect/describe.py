"""A backbone as plain data: split points, stages, junctions, what is not counted, and its values to draw."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch

from explorer.backbones import build_backbone
from explorer.core.graph.dataflow import Dataflow, Value, total_macs
from explorer.core.graph.folding import as_deployed
from explorer.core.graph.split_points import OUTPUT, SplitPoint
from explorer.core.input_pool import pooled_shape
from explorer.core.network import Network
from explorer.core.payload import encoded_bytes
from explorer.core.sparsity.layers import InitialWeights
from explorer.core.sparsity.patterns import PatternName
from explorer.core.sparsity.sparsify import Junction, find_junctions
from explorer.costs.dense_macs import dense_counts, free_operators, uncounted_arithmetic
from explorer.costs.memory import Buffer, peak_live_bytes
from explorer.errors import UserError
from explorer.space.choices import BackboneSpec
from explorer.space.pretrained import origins, trained_parameters
from explorer.space.training import Start

PAYLOAD_BITS = (32, 8)
_EXIT_FEATURES = 64  # exit classifiers change nothing that is shown


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """What a factory gives for some arguments.

    Attributes:
        factory: ``package.module:function``.
        arguments: Chosen arguments.
        input_shape: Without batch, before pooling.
        num_classes: Logits.
        split_points: Per split point name, shape, payload_elements, payload_bytes by bits, edge_macs,
            server_macs.
        stages: What lies between each split point and the next.
        junctions: Per junction path, kind, inputs, outputs, weights, legal densities, why it stays dense, and
            where its initial weights come from.
        uncounted: Operators that may multiply and accumulate, which nobody counts, with their calls.
        without_macs: Operators that cost no MACs, likewise.
        opaque: Modules that could not be traced inside.
        traced_by: ``torch.fx`` or ``torch.export``.
        refusals: What was refused: the backbone, or split points, each with its reason.
        values: Per value its path, inputs, shape, MACs and bytes, in order; where one layer computes it, that
            layer and the number of its parameters.
        input_pool: Extent of the average pooling before the backbone; 1 for none.

    Example:
        >>> found = describe("explorer.backbones:mlp", {"hidden": [8]}, (1, 8, 8), num_classes=10)
        >>> found.traced_by, found.refusals, [stage["macs"] for stage in found.stages]
        ('torch.fx', [], [512, 80])
    """

    factory: str
    arguments: Mapping[str, Any]
    input_shape: tuple[int, ...]
    num_classes: int
    split_points: list[dict[str, Any]]
    stages: list[dict[str, Any]]
    junctions: list[dict[str, Any]]
    uncounted: Mapping[str, int]
    without_macs: Mapping[str, int]
    opaque: tuple[str, ...]
    traced_by: str
    refusals: list[dict[str, str]]
    values: list[dict[str, Any]]
    input_pool: int = 1

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def describe(
    factory: str,
    arguments: Mapping[str, Any],
    input_shape: tuple[int, ...],
    num_classes: int,
    pattern: PatternName = "block",
    max_crossing_tensors: int = 1,
    space: BackboneSpec | None = None,
    start: Start = "scratch",
    input_pool: int = 1,
) -> Backbone:
    """Build a backbone, trace and probe it, and say what it contains; a refusal is part of the answer.

    Args:
        factory: ``package.module:function``.
        arguments: Chosen arguments.
        input_shape: Without batch.
        num_classes: Logits.
        pattern: Decides which densities are legal.
        max_crossing_tensors: How many tensors may be sent together.
        space: What a search space says of the backbone; None: nothing.
        start: Of sparse networks.
        input_pool: Extent of the average pooling before the backbone; 1 for none.

    Raises:
        UserError: The factory cannot be called, or the samples cannot be pooled so.

    Example:
        >>> found = describe("explorer.backbones:mlp", {"hidden": [8]}, (1, 8, 8), num_classes=10)
        >>> [(point["name"], point["payload_bytes"], point["edge_macs"]) for point in found.split_points]
        [('input', {'32': 266, '8': 74}, 0), ('relu1', {'32': 42, '8': 18}, 512), ('output', {}, 592)]
    """
    inner = pooled_shape(input_shape, input_pool)
    module = build_backbone(factory, arguments, inner, num_classes, seed=0)
    trained = trained_parameters(module, factory, arguments, inner, num_classes, seed=0)
    initial = (space or BackboneSpec(factory=factory)).initial(bool(trained), start)
    named: dict[str, Any] = {
        "factory": factory,
        "arguments": dict(arguments),
        "input_shape": input_shape,
        "num_classes": num_classes,
        "input_pool": input_pool,
    }
    nothing: dict[str, Any] = {"split_points": [], "stages": [], "opaque": (), "values": []}
    nothing |= {"uncounted": {}, "without_macs": {}}
    try:
        sample = torch.zeros(1, *input_shape)
        network = Network(
            *(module, sample, num_classes, _EXIT_FEATURES),
            max_crossing_tensors=max_crossing_tensors,
            input_pool=input_pool,
        )
    except UserError as error:
        refusal = {"what": "backbone", "name": factory, "reason": str(error)}
        return Backbone(
            **named,
            **nothing,
            junctions=[_junction(j, initial) for j in find_junctions(module, pattern, trained=trained)],
            traced_by="",
            refusals=[refusal],
        )
    how = (input_shape, num_classes, _EXIT_FEATURES, None, max_crossing_tensors, input_pool)
    counts = dense_counts(factory, json.dumps(dict(arguments)), *how)
    flow, points = network.dataflow, network.split_points
    deployed = as_deployed(flow, {name for point in points for name in point.nodes})
    junctions = find_junctions(module, pattern, network.read_directly, trained)
    layers = {path: layer for path, layer in module.named_modules() if not list(layer.children())}
    return Backbone(
        **named,
        split_points=[_split_point(point, flow) for point in points],
        junctions=[_junction(junction, initial) for junction in junctions],
        stages=[_stage(start, end, deployed) for start, end in pairwise(points)],
        uncounted=uncounted_arithmetic(counts.uncounted),
        without_macs=free_operators(counts.uncounted),
        opaque=network.opaque,
        traced_by="torch.export" if network.exported else "torch.fx",
        refusals=[
            {"what": "split point", "name": name, "reason": f"edge then server differs by {gap:.2g}"}
            for name, gap in network.left_out.items()
        ],
        values=[_value(value, points, layers) for value in flow.values.values()],
    )


def _split_point(point: SplitPoint, flow: Dataflow) -> dict[str, Any]:
    edge, server = flow.between([flow.source], point.nodes), flow.between(point.nodes, [flow.result])
    bits = () if point.name == OUTPUT else PAYLOAD_BITS
    return {
        "name": point.name,
        "shape": list(point.shape),
        "payload_elements": point.payload_elements,
        "payload_bytes": {str(b): encoded_bytes(point.payload_elements, b) for b in bits},
        "edge_macs": total_macs(edge),
        "server_macs": total_macs(server),
    }


def _stage(start: SplitPoint, end: SplitPoint, flow: Dataflow) -> dict[str, Any]:
    """From one split point to the next, computed alone."""
    values = flow.between(start.nodes, end.nodes)
    buffers = [
        Buffer(value.name, value.inputs, value.size_bytes, value.view_of)
        for value in (*(_as_input(flow.values[node]) for node in start.nodes), *values)
    ]
    sent = Buffer("what is sent", end.nodes, 0)
    return {
        "start": start.name,
        "end": end.name,
        "macs": total_macs(values),
        "param_bytes": flow.stored_bytes(values),
        "peak_activation_bytes": peak_live_bytes([*buffers, sent], sent.name),
    }


def _as_input(value: Value) -> Value:
    """The crossing tensor as it arrives, in memory of its own."""
    return Value(value.name, value.path, (), value.shape, True, 0, value.size_bytes, 0, "", ())


def _junction(junction: Junction, initial: InitialWeights) -> dict[str, Any]:
    return {
        "path": junction.path,
        "kind": junction.kind,
        "inputs": junction.inputs,
        "outputs": junction.outputs,
        "num_weights": junction.num_weights,
        "legal_densities": [str(density) for density in junction.legal],
        "stays_dense": junction.stays_dense,
        "initial_weights": origins(junction, junction.legal, initial),
    }


def _value(
    value: Value, points: tuple[SplitPoint, ...], layers: Mapping[str, torch.nn.Module]
) -> dict[str, Any]:
    layer = layers.get(value.path)
    split_point = next((point.name for point in points if value.name in point.nodes), "")
    return {
        "name": value.name,
        "path": value.path,
        "layer": f"{type(layer).__name__}({layer.extra_repr()})" if layer else "",
        "parameters": sum(own.numel() for own in layer.parameters()) if layer else 0,
        "inputs": list(value.inputs),
        "shape": list(value.shape),
        "macs": value.macs,
        "size_bytes": value.size_bytes,
        "view_of": value.view_of,
        "split_point": split_point,
    }
