"""What edge parts of a network have in common is computed once: tensors known by what they follow from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.microcontroller.forms import Floats, Shape
from explorer.microcontroller.program import Normalise, Op, Program, Weighted
from explorer.microcontroller.reference import computed

Range = tuple[float, float]
_PLAIN = (
    "kind",
    "window",
    "clamp",
    "shuffle",
    "stride",
    "before",
    "function",
    "tables",
    "rows",
    "columns",
)  # of operations


def origin(
    op: Op, shape: Shape, inputs: Sequence[str], arrays: Sequence[NDArray[Any]], about: Sequence[Any] = ()
) -> str:
    """A digest of all that a tensor follows from, but for the samples.

    Args:
        op: Which writes it.
        shape: Its own.
        inputs: Digests of what the operation reads.
        arrays: Numbers that it is computed with.
        about: What else there is.

    Example:
        >>> one, other = Op("a", ("x",), "y"), Op("b", ("z",), "y")
        >>> origin(one, Shape(1, 1, 2), ["0"], []) == origin(other, Shape(1, 1, 2), ["0"], [])
        True
    """
    own = [getattr(op, name) for name in _PLAIN if hasattr(op, name)]
    form = type(getattr(op, "form", None))
    found = sha256(repr((type(op), form, own, shape, list(inputs), list(about))).encode())
    for array in arrays:
        found.update(repr((array.dtype, array.shape)).encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


@dataclass(frozen=True, eq=False)
class SharedRanges:
    """Smallest and largest values of tensors over some samples, for the programs of one network.

    Attributes:
        raw: Samples (N, ...) as they come, with PyTorch's axes.

    Example:
        >>> start = Normalise("input", (), "input", np.ones(1), np.full(1, 2.0), "float32")
        >>> program = Program((start,), {"input": Shape(1, 1, 1)}, "input", None)
        >>> SharedRanges(np.array([[3.0], [5.0]], np.float32)).of(program)
        {'input': (1.0, 2.0)}
    """

    raw: Floats
    _known: dict[str, tuple[Floats, Range]] = field(default_factory=dict, repr=False)

    def of(self, program: Program) -> dict[str, Range]:
        """Of every tensor of a program in floats."""
        origins = dict[str, str]()
        for op in program.ops:
            shape, inputs = program.shapes[op.output], [origins[name] for name in op.inputs]
            own = origins[op.output] = origin(op, shape, inputs, _arrays(op))
            if own not in self._known:
                values = computed(op, [self._known[key][0] for key in inputs], self.raw, shape)
                self._known[own] = values, (float(values.min()), float(values.max()))
        return {name: self._known[key][1] for name, key in origins.items()}


def _arrays(op: Op) -> Sequence[Floats]:
    if isinstance(op, Normalise):
        return op.mean, op.std
    return (op.weight_OIYX, op.bias_O) if isinstance(op, Weighted) else ()
