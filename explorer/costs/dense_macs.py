"""Multiply-accumulates of the dense counterpart as fvcore counts them, of a module and at every split point.

fvcore calls a MAC a "flop" and sees dense shapes only, so the dense counterpart is what it is asked about;
the effective MACs of a sparse network come with its trace (:mod:`explorer.core.graph.trace`). FLOPs are
2 x MACs.
"""

import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from explorer.backbones import build_backbone
from explorer.core.bottleneck import Bottleneck, with_bottleneck
from explorer.core.graph.dataflow import total_macs
from explorer.core.graph.recording import bilinear_macs
from explorer.core.input_pool import pooled_shape
from explorer.core.network import Network

# operators whose fvcore "flops" are multiply-accumulates of a product
_MAC_OPERATORS = (
    *("conv", "linear", "addmm", "mm", "bmm", "matmul", "baddbmm", "einsum", "attention", "bilinear"),
)
# Operators that are known to multiply and accumulate nothing, by what they do; beside those that fvcore
# passes over. Biases, activations, pooling and normalisation count none by convention.
_ACTIVATIONS = """relu relu6 leaky_relu prelu rrelu elu selu celu gelu silu mish glu hardtanh hardswish
    hardsigmoid hardshrink softshrink sigmoid log_sigmoid tanh softmax log_softmax softplus threshold"""
_POOLING = """max_pool1d max_pool2d max_pool3d max_pool1d_with_indices max_pool2d_with_indices
    max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d
    adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d mean
    upsample_nearest1d upsample_nearest2d upsample_nearest3d"""
_NORMALISATION = "batch_norm layer_norm group_norm instance_norm rms_norm"
_SUMS_AND_COMPARISONS = """add sub rsub neg abs sign min max amin amax argmin argmax minimum maximum clamp_min
    clamp_max topk sort where lt le ne eq gt ge logical_and logical_or logical_not round ceil trunc"""
_MOVES = """alias clone expand_as repeat repeat_interleave tile movedim swapaxes swapdims unflatten numpy_T
    ravel view_as reshape_as view_as_real view_as_complex real imag conj resolve_conj pad reflection_pad1d
    reflection_pad2d replication_pad1d replication_pad2d pixel_shuffle pixel_unshuffle channel_shuffle flip
    rot90 im2col unfold index_select take embedding one_hot masked_select scatter tensor_split unsafe_chunk
    diagonal as_strided concat hstack vstack tril triu lift_fresh feature_dropout alpha_dropout"""
_FREE = frozenset(f"{_ACTIVATIONS} {_POOLING} {_NORMALISATION} {_SUMS_AND_COMPARISONS} {_MOVES}".split())


def _attention_macs(inputs: list[Any], _: list[Any]) -> Counter[str]:
    """Queries (.., T, D) by keys (.., S, D), then weights by values (.., S, V); fvcore has no rule for it."""
    queries, keys, values = (tensor.type().sizes() for tensor in inputs[:3])
    return Counter(attention=prod(queries[:-1]) * keys[-2] * (queries[-1] + values[-1]))


def _bilinear_macs(inputs: list[Any], _: list[Any]) -> Counter[str]:
    """Inputs (.., in1) and (.., in2), weight (outputs, in1, in2); fvcore has no rule for it."""
    first, _second, weight = (tensor.type().sizes() for tensor in inputs[:3])
    return Counter(bilinear=bilinear_macs(prod(first[:-1]), weight))


@dataclass(frozen=True)
class DenseCount:
    """fvcore's count of a dense module: MACs, and how often it met which operators without any.

    Example:
        >>> from torch import zeros
        >>> count = count_dense(nn.Sequential(nn.Linear(8, 4), nn.GELU()), zeros(1, 8))
        >>> count.macs, dict(count.uncounted)
        (32, {'aten::gelu': 1})
    """

    macs: int
    uncounted: Counter[str]


def uncounted_arithmetic(operators: Mapping[str, int]) -> dict[str, int]:
    """Those of ``operators`` that may multiply and accumulate, which nobody counted; unknown ones are.

    Example:
        >>> uncounted_arithmetic({"aten::relu": 3, "aten::fft_rfft": 1})
        {'aten::fft_rfft': 1}
    """
    return {name: calls for name, calls in operators.items() if not _is_free(name)}


def free_operators(operators: Mapping[str, int]) -> dict[str, int]:
    """Those of ``operators`` that cost no multiply-accumulate.

    Example:
        >>> free_operators({"aten::relu_": 3, "batch_norm": 2, "aten::fft_rfft": 1})
        {'aten::relu_': 3, 'batch_norm': 2}
    """
    return {name: calls for name, calls in operators.items() if _is_free(name)}


def _is_free(operator: str) -> bool:
    """Whether an operator (``aten::relu_``, ``batch_norm``) is known to cost none."""
    return operator.removeprefix("aten::").removesuffix("_") in _FREE


def count_dense(module: nn.Module, sample: Tensor) -> DenseCount:
    """Count a *dense* static module (no sparse layer, no exit branch) with fvcore.

    Example:
        >>> from torch import zeros
        >>> count_dense(nn.Conv2d(1, 4, 3, padding=1), zeros(1, 1, 10, 10)).macs
        3600
    """
    from fvcore.nn import FlopCountAnalysis  # slow to import, and not needed to look at a run

    analysis = (
        FlopCountAnalysis(module, sample).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    )
    analysis.set_op_handle("aten::scaled_dot_product_attention", _attention_macs)
    analysis.set_op_handle("aten::bilinear", _bilinear_macs)
    analysis.tracer_warnings("none")
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)
    by_operator = analysis.by_operator()
    macs = sum(count for name, count in by_operator.items() if name in _MAC_OPERATORS)
    uncounted = Counter(analysis.unsupported_ops())
    uncounted.update({name: 1 for name, count in by_operator.items() if name not in _MAC_OPERATORS and count})
    return DenseCount(int(macs), uncounted)


@dataclass(frozen=True)
class DenseCounts:
    """fvcore's view of a dense backbone: edge and server MACs per split point, operators not counted.

    Example:
        >>> counts = dense_counts("explorer.backbones:mlp", '{"hidden": [4]}', (8,), 2, exit_features=8)
        >>> counts.server_macs
        {'input': 40, 'relu1': 8, 'output': 0}
    """

    edge_macs: Mapping[str, int]
    server_macs: Mapping[str, int]
    uncounted: Mapping[str, int]


@lru_cache(maxsize=256)
def dense_counts(
    factory: str,
    arguments: str,
    input_shape: tuple[int, ...],
    num_classes: int,
    exit_features: int,
    bottleneck: Bottleneck | None = None,
    max_crossing_tensors: int = 1,
    input_pool: int = 1,
) -> DenseCounts:
    """Count the dense counterpart cut at each of its split points; cached, since training changes nothing.

    Args:
        factory: ``package.module:function``.
        arguments: Chosen arguments as JSON text.
        input_shape: Without batch.
        num_classes: Logits.
        exit_features: Of the exit classifiers (not counted here).
        bottleneck: The learned bottleneck, which the dense counterpart has too.
        max_crossing_tensors: Decides which split points there are.
        input_pool: Extent of the average pooling before the backbone, which counts no MACs.

    Example:
        >>> dense_counts("explorer.backbones:mlp", '{"hidden": [4]}', (8,), 2, exit_features=8).edge_macs
        {'input': 0, 'relu1': 32, 'output': 40}
    """
    inner = pooled_shape(input_shape, input_pool)
    module = build_backbone(factory, json.loads(arguments), inner, num_classes, seed=0)
    module = with_bottleneck(module, torch.zeros(1, *inner), bottleneck)
    network = Network(
        *(module, torch.zeros(1, *input_shape), num_classes, exit_features),
        max_crossing_tensors=max_crossing_tensors,
        probe=False,
        input_pool=input_pool,
    ).eval()
    stages, points = network.stages, network.split_points
    counts = [count_dense(s, torch.zeros(1, *p.shape)) for s, p in zip(stages, points[:-1], strict=True)]
    uncounted = sum((count.uncounted for count in counts), Counter[str]())
    between = network.dataflow.between
    own = [total_macs(between(before.nodes, after.nodes)) for before, after in pairwise(points)]

    def counted(first: int, last: int) -> int:
        """Of some stages; what several of them compute from parameters alone, a part computes once."""
        part = total_macs(between(points[first].nodes, points[last].nodes))
        return sum(count.macs for count in counts[first:last]) - (sum(own[first:last]) - part)

    edge = {point.name: counted(0, index) for index, point in enumerate(points)}
    server = {point.name: counted(index, len(stages)) for index, point in enumerate(points)}
    return DenseCounts(edge, server, dict(uncounted))
