"""Multiply-accumulates of the dense twin, counted by fvcore.

fvcore calls a MAC a "flop" and sees dense shapes only, so the dense twin is what it is asked about; the
effective MACs of a sparse network come with its trace (:mod:`explorer.core.tracing`). FLOPs are 2 x MACs.
"""

import logging
from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import Any

from fvcore.nn import FlopCountAnalysis
from fvcore.nn.jit_handles import get_shape
from torch import Tensor, nn

# operators whose fvcore "flops" are multiply-accumulates of a matrix product
_MAC_OPERATORS = ("conv", "linear", "addmm", "mm", "bmm", "matmul", "baddbmm", "einsum", "attention")


def _attention_macs(inputs: list[Any], _: list[Any]) -> Counter[str]:
    """Queries (.., T, D) by keys (.., S, D), then weights by values (.., S, V); fvcore has no rule for it."""
    queries, keys, values = (get_shape(tensor) for tensor in inputs[:3])
    return Counter(attention=prod(queries[:-1]) * keys[-2] * (queries[-1] + values[-1]))


@dataclass(frozen=True)
class DenseCount:
    """fvcore's count of a dense module: MACs, and operators it met but could not count."""

    macs: int
    uncounted: Counter[str]


def count_dense(module: nn.Module, sample: Tensor) -> DenseCount:
    """Count a *dense* static module (no sparse layer, no exit branch) with fvcore."""
    analysis = (
        FlopCountAnalysis(module, sample).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    )
    analysis.set_op_handle("aten::scaled_dot_product_attention", _attention_macs)
    analysis.tracer_warnings("none")
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)
    by_operator = analysis.by_operator()
    macs = sum(count for name, count in by_operator.items() if name in _MAC_OPERATORS)
    uncounted = Counter(analysis.unsupported_ops())
    uncounted.update({name: 1 for name, count in by_operator.items() if name not in _MAC_OPERATORS and count})
    return DenseCount(int(macs), uncounted)
