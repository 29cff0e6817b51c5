"""torch's exporter, which takes networks of any layers; half a second and more for each, however small."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

import onnx
import torch

from explorer.core.chain import DeployedChain
from explorer.deploy.onnx_graph import BATCH, OPSET
from explorer.errors import UserError
from explorer.runtime.stages import INPUT


def exported(chain: DeployedChain, input_shape: tuple[int, ...]) -> onnx.ModelProto:
    """Export the chain with a free batch axis.

    Args:
        chain: In eval mode.
        input_shape: Of a raw sample, without batch.

    Raises:
        UserError: A part cannot be exported to standard operators; says which and why.

    Example:
        >>> from torch import nn
        >>> from explorer.core.calibration import uncalibrated
        >>> from explorer.core.network import Network
        >>> from explorer.core.chain import Normalise
        >>> network = Network(nn.Sequential(nn.Linear(4, 2), nn.Mish()), torch.zeros(1, 4), 2, 4).eval()
        >>> normalise = Normalise([0.0], [1.0], (4,), "float32")
        >>> model = exported(DeployedChain(network, [], set(), uncalibrated([], (8,)), normalise), (4,))
        >>> [node.op_type for node in model.graph.node]
        ['Gemm', 'Mish']
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
                dynamic_shapes=({0: torch.export.Dim(BATCH)},),
            )
            assert program is not None
            model: onnx.ModelProto = program.model_proto
    except Exception as error:  # the exporter has many ways to fail, and they are the network's
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise UserError(f"the network cannot be exported to ONNX: {reason}") from error
    foreign = sorted({f"{node.domain}:{node.op_type}" for node in model.graph.node if node.domain})
    if foreign or model.functions:
        raise UserError(f"the network needs operators outside the ONNX standard: {', '.join(foreign)}")
    return model


@cache
def _remember_operators() -> None:
    """Let the exporter make its table of operators once: it reads hundreds of functions anew at every export.

    That is a third of a small network's export (torch 2.13). The table is private; where it is not found,
    exports take as long as they take.
    """
    with suppress(ImportError, AttributeError):
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        made = cache(ONNXRegistry.from_torchlib)
        ONNXRegistry.from_torchlib = staticmethod(made)  # type: ignore[method-assign]


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
