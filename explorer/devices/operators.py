"""Operators as a runtime executes them: their kinds, what they compute and move, and what that takes.

A kind is what decides how fast a runtime is: a dense convolution, one in groups, a product in blocks, and so
on. Kinds are those of ONNX Runtime, which runs both halves of a bundle: batch normalisations are folded,
activations behind a layer are fused into it, freely placed weights are spread into a dense layer.
"""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

KINDS = MappingProxyType(
    {
        "conv": "convolution, dense",
        "pointwise_conv": "convolution of one tap, dense",
        "depthwise_conv": "convolution, one group per channel",
        "grouped_conv": "convolution in groups, as `block` layers are",
        "gathered_conv": "the same behind a gather of channels",
        "linear": "product of one row with a weight",
        "block_linear": "the same in blocks: a batched product between transpositions",
        "gathered_linear": "the same behind a gather of features",
        "matmul": "product of several rows: tokens, attention",
        "block_matmul": "the same in blocks",
        "pool": "pooling",
        "elementwise": "sums, activations and the like that no layer takes up",
        "norm": "normalisation that no layer takes up",
        "softmax": "softmax, and what takes a confidence from it",
        "move": "copies: transpositions, gathers, concatenations",
        "encode": "the encoder of payloads of fewer than 32 bits",
        "decode": "the decoder of such payloads",
        "encode_floats": "the encoder of payloads of 32 bits",
        "decode_floats": "the decoder of such payloads",
        "other": "anything else",
    }
)
OTHER = "other"
CODEC_KINDS = ("encode", "decode", "encode_floats", "decode_floats")  # run outside the runtime's sessions

_WIDE = f"<U{max(map(len, KINDS))}"  # any kind may take the place of another


class Operator(NamedTuple):
    """One operator of a part, for one sample.

    Attributes:
        macs: Multiply-accumulates with kept weights.
        moved_bytes: Input, output and parameter bytes.
        kind: One of :data:`KINDS`.
        groups: Of a product in groups or blocks; 1 for all others.
        added_macs: What the runtime computes besides: with the zeros of freely placed weights.
        added_bytes: What it moves besides: those zeros, or what is gathered.

    Example:
        >>> Operator(macs=32, moved_bytes=208, kind="linear")
        Operator(macs=32, moved_bytes=208, kind='linear', groups=1, added_macs=0, added_bytes=0)
    """

    macs: int
    moved_bytes: int
    kind: str = OTHER
    groups: int = 1
    added_macs: int = 0
    added_bytes: int = 0


def operator_columns(operators: Iterable[Operator]) -> dict[str, NDArray[Any]]:
    """Operators as columns, for :func:`explorer.costs.latency.operator_times_s`.

    Args:
        operators: In any order; plain tuples of the same length will do.

    Returns:
        Arrays (n_operators,) by field of :class:`Operator`.

    Example:
        >>> columns = operator_columns([Operator(32, 208, "linear"), Operator(0, 16)])
        >>> columns["macs"].tolist(), columns["kind"].tolist()
        ([32.0, 0.0], ['linear', 'other'])
    """
    rows = [Operator(*own) for own in operators]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(Operator._fields)
    pairs = zip(Operator._fields, columns, strict=True)
    return {name: np.array(column, dtype=_WIDE if name == "kind" else float) for name, column in pairs}
