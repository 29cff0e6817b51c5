"""As what a layer runs once it is sparse: kind and groups of its operator, and what it computes in vain.

`block` layers run as products in groups, behind a gather where groups overlap or take distant inputs. Freely
placed weights are spread into a dense layer when a session is opened, so they save no time there.
"""

from dataclasses import dataclass
from fractions import Fraction

from explorer.core.sparsity.patterns import PatternName, block_shape
from explorer.devices.operators import OTHER

_IN_BLOCKS = {"conv": "grouped_conv", "pointwise_conv": "grouped_conv"} | {
    name: f"block_{name}" for name in ("linear", "matmul")
}
_GATHERED = {"grouped_conv": "gathered_conv", "block_linear": "gathered_linear"}


@dataclass(frozen=True)
class Execution:
    """How an operator runs, see :class:`explorer.devices.operators.Operator`.

    Example:
        >>> Execution("linear")
        Execution(kind='linear', groups=1, added_macs=0, added_bytes=0)
    """

    kind: str = OTHER
    groups: int = 1
    added_macs: int = 0
    added_bytes: int = 0


PLAIN = Execution()


def sparse_execution(
    kind: str,
    pattern: PatternName,
    density: Fraction,
    interleaved: bool,
    dense_macs: int,
    dense_bytes: int,
    input_bytes: int,
) -> Execution:
    """How a layer runs that keeps a share of its weights.

    Args:
        kind: Of the dense layer.
        pattern: Places the kept connections.
        density: Below 1.
        interleaved: Whether groups of a `block` layer read inputs that do not lie together.
        dense_macs: Of the dense layer, for one sample.
        dense_bytes: Of its weights.
        input_bytes: Of what it reads.

    Example:
        >>> layer = {"interleaved": False, "dense_macs": 64, "dense_bytes": 256, "input_bytes": 32}
        >>> sparse_execution("linear", "block", Fraction(1, 4), **layer)
        Execution(kind='block_linear', groups=4, added_macs=0, added_bytes=0)
        >>> sparse_execution("linear", "random", Fraction(1, 4), **layer)  # runs dense
        Execution(kind='linear', groups=1, added_macs=48, added_bytes=192)
        >>> sparse_execution("linear", "block", Fraction(3, 4), **layer)  # reads three groups
        Execution(kind='gathered_linear', groups=4, added_macs=0, added_bytes=192)
    """
    if pattern != "block" or kind not in _IN_BLOCKS:
        zeros = 1 - density
        return Execution(kind, 1, int(dense_macs * zeros), int(dense_bytes * zeros))
    groups, reads = block_shape(density)
    blocks = _IN_BLOCKS[kind]
    if reads == 1 and not (interleaved and blocks == "grouped_conv"):
        return Execution(blocks, groups)
    return Execution(_GATHERED.get(blocks, blocks), groups, 0, 2 * reads * input_bytes)
