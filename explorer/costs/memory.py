"""Peak activation memory by liveness: which tensors must exist at the same time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Buffer:
    """One tensor of a graph in execution order.

    Attributes:
        name: Unique name.
        sources: Names of the tensors it is computed from.
        size_bytes: Bytes of the tensor for one sample.
        view_of: Name of the source whose memory it shares; empty if it has its own.

    Example:
        >>> flat = Buffer("flat", sources=("x",), size_bytes=400, view_of="x")
        >>> peak_live_bytes([Buffer("x", (), 400), flat, Buffer("y", ("flat",), 40)], "y")
        440
    """

    name: str
    sources: tuple[str, ...]
    size_bytes: int
    view_of: str = ""


def peak_live_bytes(buffers: Sequence[Buffer], result: str) -> int:
    """Largest sum of bytes alive at once while ``buffers`` are computed in order.

    A tensor is alive from its computation to its last use; the result stays alive to the end. An operator's
    inputs and output exist together (nothing is done in place but what ``view_of`` says); scratch memory
    inside an operator and the encoder's output are not counted.

    Args:
        buffers: In execution order, the network's input first.
        result: Name of the tensor that is handed on.

    Example:
        >>> chain = [Buffer("x", (), 400), Buffer("y", ("x",), 100), Buffer("z", ("y",), 200)]
        >>> skip = [*chain, Buffer("sum", ("x", "z"), 200)]  # holds x longer
        >>> peak_live_bytes(chain, "z"), peak_live_bytes(skip, "sum")
        (500, 800)
    """
    owner: dict[str, str] = {}
    for buffer in buffers:
        owner[buffer.name] = owner[buffer.view_of] if buffer.view_of else buffer.name
    last_use = _last_uses(buffers, owner)
    last_use[owner[result]] = len(buffers)
    live, peak = 0, 0
    ends: dict[int, int] = {}
    for step, buffer in enumerate(buffers):
        if not buffer.view_of:
            live += buffer.size_bytes
            end = last_use[buffer.name]
            ends[end] = ends.get(end, 0) + buffer.size_bytes
        peak = max(peak, live)
        live -= ends.pop(step, 0)
    return peak


def _last_uses(buffers: Sequence[Buffer], owner: Mapping[str, str]) -> dict[str, int]:
    last_use: dict[str, int] = {}
    for step, buffer in enumerate(buffers):
        last_use[owner[buffer.name]] = step
        for source in buffer.sources:
            last_use[owner[source]] = step
    return last_use
