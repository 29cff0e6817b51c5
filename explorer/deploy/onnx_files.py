"""The chain as ONNX: exported once, cleaned of whatever is not computed, and cut into files.

Files hold standard operators only. Positions of freely placed weights are stored in as few bytes as they
need, see :mod:`explorer.core.sparsity.positions`; the exporter's eight would outweigh the weights.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from explorer.core.sparsity.positions import narrow_type
from explorer.deploy.chain import DeployedChain
from explorer.errors import UserError
from explorer.runtime.stages import INPUT

OPSET = 20
_BATCH = "batch"


def export_chain(chain: DeployedChain, input_shape: tuple[int, ...]) -> onnx.ModelProto:
    """Export the chain with a free batch axis.

    Args:
        chain: In eval mode.
        input_shape: Of a raw sample, without batch.

    Raises:
        UserError: A part cannot be exported to standard operators; says which and why.

    Example:
        >>> from explorer.core.calibration import uncalibrated
        >>> from explorer.core.network import Network
        >>> from explorer.deploy.chain import Normalise
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
    sample = torch.zeros(2, *input_shape)
    _remember_operators()
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                chain.eval(),
                (sample,),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=chain.names,
                dynamic_shapes=({0: torch.export.Dim(_BATCH)},),
            )
            assert program is not None
            model: onnx.ModelProto = program.model_proto
    except Exception as error:  # the exporter has many ways to fail, and they are the network's
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise UserError(f"the network cannot be exported to ONNX: {reason}") from error
    foreign = sorted({f"{node.domain}:{node.op_type}" for node in model.graph.node if node.domain})
    if foreign or model.functions:
        raise UserError(f"the network needs operators outside the ONNX standard: {', '.join(foreign)}")
    _narrow_positions(model.graph)
    return model


@cache
def _remember_operators() -> None:
    """Let the exporter read its table of operators once: it parses 497 functions anew at every export.

    That is a third of a small network's export (torch 2.13). The table is private; where it is not found,
    exports take as long as they take.
    """
    with suppress(ImportError, AttributeError):
        from torch.onnx._internal.exporter import _registration

        library: Any = _registration.onnxscript_apis  # type: ignore[attr-defined]
        library.get_torchlib_ops = cache(library.get_torchlib_ops)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of itself: its warnings are no user's business."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnx_ir", "onnxscript")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


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
    file = helper.make_model(
        helper.make_graph(
            nodes,
            "network",
            [_described(INPUT, shapes[start])],
            [_described(own, shapes[name]) for name, own in outputs.items()],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=model.ir_version,
    )
    onnx.checker.check_model(file)
    return bytes(file.SerializeToString(deterministic=True))


def _described(name: str, shape: Sequence[int]) -> Any:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [_BATCH, *shape])


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
