"""The chain as ONNX: written down or exported once, cleaned of what is not computed, and cut into files.

Files hold standard operators only. Positions of freely placed weights are stored in as few bytes as they
need, see :mod:`explorer.core.sparsity.positions`; the eight that ONNX reads would outweigh the weights.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from explorer.core.chain import DeployedChain
from explorer.core.sparsity.positions import narrow_type
from explorer.deploy.direct import direct_model
from explorer.deploy.exporter import exported
from explorer.deploy.onnx_graph import described, model_of
from explorer.runtime.stages import INPUT


def export_chain(chain: DeployedChain, input_shape: tuple[int, ...]) -> onnx.ModelProto:
    """The chain with a free batch axis: by :mod:`explorer.deploy.direct`, or else by torch's exporter.

    Args:
        chain: In eval mode.
        input_shape: Of a raw sample, without batch.

    Raises:
        UserError: A part cannot be exported to standard operators; says which and why.

    Example:
        >>> from explorer.core.calibration import uncalibrated
        >>> from explorer.core.network import Network
        >>> from explorer.core.chain import Normalise
        >>> import torch
        >>> backbone = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
        >>> network = Network(backbone, torch.zeros(1, 4), num_classes=2, exit_features=4).eval()
        >>> cuts, normalise = [network.split_point("1")], Normalise([0.0], [1.0], (4,), "float32")
        >>> chain = DeployedChain(network, cuts, set(), uncalibrated(["1"], (8,)), normalise)
        >>> model = export_chain(chain, input_shape=(4,))
        >>> [node.op_type for node in model.graph.node]
        ['Gemm', 'Relu', 'Gemm']
        >>> shapes = {"crossing.0": (3,), "logits": (2,)}
        >>> file = onnx.load_from_string(sliced(model, "crossing.0", {"logits": "crossing"}, shapes))
        >>> [node.op_type for node in file.graph.node], file.graph.input[0].name
        (['Gemm'], 'input')
    """
    model = direct_model(chain, input_shape)
    if model is None:
        model = exported(chain, input_shape)
    _narrow_positions(model.graph)
    return model


def sliced(
    model: onnx.ModelProto, start: str, outputs: Mapping[str, str], shapes: Mapping[str, Sequence[int]]
) -> bytes:
    """One file of the chain: what computes some values from one value.

    Args:
        model: Of :func:`export_chain`.
        start: Name of the value that comes in, called ``input`` in the file.
        outputs: Names of the values that are asked for, and what they are called in the file.
        shapes: Of all these values, without batch.

    Returns:
        A serialised model without metadata, names of source files or intermediate shapes.

    Example:
        >>> sliced(model, "crossing.0", {"logits": "crossing"}, shapes)  # doctest: +SKIP
    """
    graph = model.graph
    needed, nodes = set(outputs), list[Any]()
    for node in reversed(graph.node):
        if needed & set(node.output) and start not in node.output:
            nodes.insert(0, _bare(node))
            needed |= {name for name in node.input if name}
    renamed = {start: INPUT} | {name: own for name, own in outputs.items() if name != start}
    nodes += [helper.make_node("Identity", [INPUT], [own]) for name, own in outputs.items() if name == start]
    for node in nodes:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    constants = [own for own in graph.initializer if own.name in needed]
    graph = helper.make_graph(
        nodes,
        "network",
        [described(INPUT, shapes[start])],
        [described(own, shapes[name]) for name, own in outputs.items()],
        constants,
    )
    file = model_of(graph, model.ir_version)
    onnx.checker.check_model(file)
    return bytes(file.SerializeToString(deterministic=True))


def _bare(node: Any) -> Any:
    """A copy of a node without what the exporter notes beside the computation: traces, paths, classes."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    del copy.metadata_props[:]
    copy.ClearField("doc_string")
    copy.ClearField("name")
    return copy


def _narrow_positions(graph: Any) -> None:
    """Store large constant positions in the smallest type, and widen them where they are read."""
    constants = {own.name: own for own in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    widened = list[Any]()
    for node in graph.node:
        for place, name in enumerate(node.input):
            own = constants.get(name)
            if own is None or own.data_type != onnx.TensorProto.INT64:
                continue
            values = numpy_helper.to_array(own)
            kind = narrow_type(values.size, _extent(node, values, constants, made_by))
            if kind is None or values.min() < 0:
                continue
            stored, wide = f"{name}.narrow", f"{name}.wide"
            if stored not in constants:
                constants[stored] = numpy_helper.from_array(values.astype(kind), stored)
                graph.initializer.append(constants[stored])
                widened.append(helper.make_node("Cast", [stored], [wide], to=onnx.TensorProto.INT64))
            node.input[place] = wide
    everything = [*widened, *graph.node]
    del graph.node[:]
    graph.node.extend(everything)


def _extent(
    node: Any, positions: np.ndarray[Any, Any], constants: Mapping[str, Any], made_by: Mapping[str, Any]
) -> int:
    """Places that positions may point at: those of the zeros that weights are scattered into, where so."""
    zeros = made_by.get(node.input[0]) if node.op_type == "ScatterND" else None
    shape = (
        constants.get(zeros.input[0]) if zeros is not None and zeros.op_type == "ConstantOfShape" else None
    )
    return int(positions.max(initial=0)) + 1 if shape is None else int(numpy_helper.to_array(shape)[0])
