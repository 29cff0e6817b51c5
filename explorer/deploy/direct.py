"""The chain as an ONNX model, written down layer by layer in milliseconds; torch's exporter needs a second.

The exporter traces a network several times to be right about any Python code. The graph of the network is
known here already, and most networks are made of layers that :mod:`explorer.deploy.onnx_layers` knows. Every
model that is written so is run once and held against the chain before it is used.
"""

from contextlib import suppress
from math import log
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, fx, nn

from explorer.core.chain import DeployedChain, Normalise, confidence_name, crossing_name, exit_name
from explorer.core.exits import ExitClassifier
from explorer.deploy.onnx_call import Call, UnknownLayerError
from explorer.deploy.onnx_graph import OnnxGraph
from explorer.deploy.onnx_layers import write
from explorer.runtime.stages import INPUT, LOGITS, open_session

_WALKED, _CHECKED = 2, 3  # samples; different, so that no size of a batch is taken for one of the network
_CLOSE = 1e-5  # relative to the largest value
_TINY = float(np.finfo(np.float32).tiny)  # a share whose product with its logarithm is nothing


def direct_model(chain: DeployedChain, input_shape: tuple[int, ...]) -> onnx.ModelProto | None:
    """The chain with a free batch axis; None where it is to be left to torch's exporter.

    Args:
        chain: In eval mode.
        input_shape: Of a raw sample, without batch.

    Example:
        >>> from explorer.core.calibration import uncalibrated
        >>> from explorer.core.network import Network
        >>> backbone = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> network = Network(backbone, torch.zeros(1, 4), num_classes=2, exit_features=4).eval()
        >>> cuts, normalise = [network.split_point("1")], Normalise([0.0], [1.0], (4,), "float32")
        >>> chain = DeployedChain(network, cuts, set(), uncalibrated(["1"], (8,)), normalise)
        >>> model = direct_model(chain, (4,))
        >>> [(node.op_type, node.output[0]) for node in model.graph.node]
        [('Gemm', 'value.0'), ('Relu', 'crossing.0'), ('Gemm', 'logits')]
    """
    with suppress(UnknownLayerError), torch.no_grad():
        model = _Walk(chain, input_shape).model
        if _agrees(model, chain, input_shape):
            return model
    return None


def _agrees(model: onnx.ModelProto, chain: DeployedChain, input_shape: tuple[int, ...]) -> bool:
    """Whether the model does what the chain does, with samples as they come."""
    normalise, noise = chain.normalise, np.random.default_rng(0).normal(size=(_CHECKED, *input_shape))
    mean, std = (normalise.get_buffer(name).numpy() for name in ("mean", "std"))
    raw = (mean + std * noise).astype(np.float32)
    expected = chain(torch.from_numpy(raw))
    found = open_session(model.SerializeToString()).run(chain.names, {INPUT: raw})
    return all(
        own.shape == tuple(right.shape)
        and np.allclose(own, right.numpy(), rtol=0, atol=_CLOSE * max(1.0, float(right.abs().max())))
        for own, right in zip(found, expected, strict=True)
    )


class _Walk:
    """Walks a chain with a batch of zeros, as it walks itself."""

    def __init__(self, chain: DeployedChain, input_shape: tuple[int, ...]) -> None:
        self._graph, self._chain = OnnxGraph(INPUT), chain
        x = torch.zeros(_WALKED, *input_shape)
        value, x = self._normalised(chain.normalise, x)
        parts = list(chain.parts)
        for place in range(len(chain.cuts)):
            if place or not chain.starts_cut:
                value, x = self._part(parts.pop(0), value, x)
            value = self._graph.take(value, crossing_name(place))
            if str(place) in chain.exits:
                self._exit(place, value, x)
        value, x = self._part(parts.pop(0), value, x)
        self._graph.take(value, LOGITS)
        self.model = self._graph.model(chain.shapes)

    def _normalised(self, normalise: Normalise, x: Tensor) -> tuple[str, Tensor]:
        if normalise.nothing:
            return INPUT, x
        add, constant = self._graph.add, self._graph.constant
        value = add("Cast", INPUT, to=onnx.TensorProto.DOUBLE) if normalise.precise else INPUT
        value = add("Sub", value, constant(normalise.get_buffer("mean")))
        value = add("Div", value, constant(normalise.get_buffer("std")))
        value = add("Cast", value, to=onnx.TensorProto.FLOAT) if normalise.precise else value
        return value, normalise(x)

    def _part(self, part: nn.Module, source: str, sample: Tensor) -> tuple[str, Tensor]:
        """Walk a graph that ``sample`` goes through; returns the tensor that comes out, and its value."""
        if not isinstance(part, fx.GraphModule):
            raise UnknownLayerError("a part without a graph")
        values, names = dict[fx.Node, Any](), dict[fx.Node, str]()
        for node in part.graph.nodes:
            if node.op == "placeholder":
                values[node], names[node] = sample, source
                continue
            args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
            if node.op == "output":
                return names[node.args[0]], args[0]
            kind, module = node.target, None
            if node.op == "call_module":
                module = part.get_submodule(str(node.target))
                kind, values[node] = type(module), module(*args, **kwargs)
            elif node.op == "call_method":
                values[node] = getattr(args[0], str(node.target))(*args[1:], **kwargs)
            elif node.op == "call_function":
                values[node] = node.target(*args, **kwargs)
            else:
                raise UnknownLayerError("a constant tensor")
            if isinstance(values[node], Tensor):
                inputs = tuple(names[own] for own in node.all_input_nodes if own in names)
                names[node] = write(kind, Call(self._graph, module, args, kwargs, inputs, values[node]))
        raise AssertionError("a graph has an output")

    def _exit(self, place: int, value: str, x: Tensor) -> None:
        exit_, point = self._chain.exits[str(place)], self._chain.cuts[place]
        if not isinstance(exit_, ExitClassifier):
            raise UnknownLayerError("an exit of another kind")
        for layer in exit_:
            after = layer(x)
            value = write(type(layer), Call(self._graph, layer, (x,), {}, (value,), after))
            x = after
        logits = self._graph.take(value, exit_name(place))
        score, temperature = self._chain.scored_by(point.name)
        confidence = _confidence(self._graph, logits, score, temperature, classes=x.shape[-1])
        self._graph.take(confidence, confidence_name(place))


def _confidence(graph: OnnxGraph, logits: str, score: str, temperature: float, classes: int) -> str:
    """As :func:`explorer.core.exits.confidence` has it."""

    def number(value: float) -> str:
        return graph.constant(np.array(value, np.float32))

    scaled = logits if temperature == 1 else graph.add("Div", logits, number(temperature))
    shares, last = graph.add("Softmax", scaled, axis=-1), graph.constant([-1])
    if score == "max_softmax":
        return graph.add("ReduceMax", shares, last, keepdims=0)
    if score == "margin":
        two = graph.add("TopK", shares, graph.constant([2]), axis=-1)
        first, second = (graph.add("Gather", two, graph.constant(np.array(own)), axis=-1) for own in (0, 1))
        return graph.add("Sub", first, second)
    logs = graph.add("Log", graph.add("Max", shares, number(_TINY)))
    summed = graph.add("ReduceSum", graph.add("Mul", shares, logs), last, keepdims=0)
    sure = graph.add("Add", graph.add("Div", summed, number(log(classes))), number(1.0))
    return graph.add("Clip", sure, number(0.0), number(1.0))
