"""Peak activation memory by liveness: which tensors must exist at the same time.

Two peaks are counted. Naively every operator writes a tensor of its own. A compiled edge does better: an
element-wise operator (an activation, a residual addition) writes over an operand of its own size that nothing
reads afterwards, which costs what fusing it into the operator before it costs. ONNX Runtime declares so for
each of these operators (``MayInplace`` in its kernel definitions), and TensorFlow Lite for Microcontrollers
fuses activations into layers.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self


@dataclass(frozen=True)
class Buffer:
    """One tensor of a graph in execution order.

    Attributes:
        name: Unique name.
        sources: Names of the tensors it is computed from.
        size_bytes: Bytes of the tensor for one sample.
        view_of: Name of the source whose memory it shares; empty if it has its own.
        element_wise: Whether each of its elements needs only those of its sources at the same place.

    Example:
        >>> flat = Buffer("flat", sources=("x",), size_bytes=400, view_of="x")
        >>> peak_live_bytes([Buffer("x", (), 400), flat, Buffer("y", ("flat",), 40)], "y")
        440
    """

    name: str
    sources: tuple[str, ...]
    size_bytes: int
    view_of: str = ""
    element_wise: bool = False


def peak_live_bytes(buffers: Sequence[Buffer], result: str, in_place: bool = False) -> int:
    """Largest sum of bytes alive at once while ``buffers`` are computed in order.

    A tensor is alive from its computation to its last use; the result stays alive to the end. An operator's
    inputs and output exist together; scratch memory inside an operator and the encoder's output are not
    counted.

    Args:
        buffers: In execution order, the network's input first.
        result: Name of the tensor that is handed on.
        in_place: Whether element-wise operators write over an operand that ends with them, see
            :func:`written_over`.

    Example:
        >>> chain = [Buffer("x", (), 400), Buffer("y", ("x",), 100), Buffer("z", ("y",), 200)]
        >>> skip = [*chain, Buffer("sum", ("x", "z"), 200)]  # holds x longer
        >>> peak_live_bytes(chain, "z"), peak_live_bytes(skip, "sum")
        (500, 800)
        >>> relu = [*chain, Buffer("relu", ("z",), 200, element_wise=True)]
        >>> peak_live_bytes(relu, "relu"), peak_live_bytes(relu, "relu", in_place=True)
        (500, 500)
        >>> wide = [Buffer("x", (), 100), Buffer("y", ("x",), 400), Buffer("z", ("y",), 400, "", True)]
        >>> peak_live_bytes(wide, "z"), peak_live_bytes(wide, "z", in_place=True)
        (800, 500)
    """
    owner: dict[str, str] = {}
    for buffer in buffers:
        owner[buffer.name] = owner[buffer.view_of] if buffer.view_of else buffer.name
    last_use = _last_uses(buffers, owner)
    last_use[owner[result]] = len(buffers)
    taken = written_over(buffers, owner, last_use) if in_place else {}
    live, peak = 0, 0
    ends: dict[int, int] = {}
    for step, buffer in enumerate(buffers):
        if not buffer.view_of:
            if buffer.name in taken:  # what would end here lives on as this
                ends[step] -= buffer.size_bytes
            else:
                live += buffer.size_bytes
            end = last_use[buffer.name]
            ends[end] = ends.get(end, 0) + buffer.size_bytes
        peak = max(peak, live)
        live -= ends.pop(step, 0)
    return peak


def written_over(
    buffers: Sequence[Buffer], owner: Mapping[str, str], last_use: Mapping[str, int]
) -> dict[str, str]:
    """Which tensor each element-wise operator writes over, by name; none is written over twice.

    It must be an operand that is read nowhere later, neither itself nor through a view, and is as large as
    the result: one that is repeated along an axis is not. Where the operator reads the same memory in two
    ways, as in x + x', it would read what it has just written.

    Args:
        buffers: In execution order.
        owner: Name of the tensor whose memory each one is.
        last_use: Step of the last use of the memory, by name of its owner.

    Example:
        >>> skip = [Buffer("x", (), 8), Buffer("y", ("x",), 8), Buffer("sum", ("x", "y"), 8, "", True)]
        >>> itself = {buffer.name: buffer.name for buffer in skip}
        >>> written_over(skip, itself, last_use={"x": 2, "y": 2, "sum": 3})
        {'sum': 'x'}
    """
    size = {buffer.name: buffer.size_bytes for buffer in buffers}
    taken: dict[str, str] = {}
    for step, buffer in enumerate(buffers):
        reads = Counter(owner[source] for source in buffer.sources)
        for source in buffer.sources if buffer.element_wise and not buffer.view_of else ():
            own = owner[source]
            fits = size[source] == size[own] == buffer.size_bytes
            if fits and last_use[own] == step and reads[own] == 1:
                taken[buffer.name] = own
                break
    return taken


def _last_uses(buffers: Sequence[Buffer], owner: Mapping[str, str]) -> dict[str, int]:
    last_use: dict[str, int] = {}
    for step, buffer in enumerate(buffers):
        last_use[owner[buffer.name]] = step
        for source in buffer.sources:
            last_use[owner[source]] = step
    return last_use


class Peaks(NamedTuple):
    """Largest sum of live tensors: every operator with an output of its own, and element-wise ones in place.

    Example:
        >>> Peaks.of([Buffer("x", (), 8), Buffer("relu", ("x",), 8, element_wise=True)], "relu")
        Peaks(naive=16, in_place=8)
    """

    naive: int
    in_place: int

    @classmethod
    def of(cls, buffers: Sequence[Buffer], result: str) -> Self:
        """Of tensors in execution order."""
        return cls(peak_live_bytes(buffers, result), peak_live_bytes(buffers, result, in_place=True))
