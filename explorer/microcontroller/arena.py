"""Where tensors lie in one static block of memory: planned when the code is written, never at run time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from explorer.microcontroller.program import Add, Map, Op, Program, Transpose

ALIGNMENT = 4  # bytes


@dataclass(frozen=True)
class Buffer:
    """Bytes that are needed from one operation to another, both included.

    Example:
        >>> Buffer(64, first=0, last=2).overlaps(Buffer(8, first=2, last=3))
        True
    """

    size: int
    first: int
    last: int

    def overlaps(self, other: "Buffer") -> bool:
        """Whether both are needed at once."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Arena:
    """A plan.

    Attributes:
        size: Bytes of the whole.
        tensors: Where each tensor begins, in bytes.
        scratch: Where the working memory of each operation begins, by the operation's place.

    Example:
        >>> Arena(64, {"input": 0}, {}).tensors["input"]
        0
    """

    size: int
    tensors: Mapping[str, int]
    scratch: Mapping[int, int]


def planned(program: Program, sizes: Mapping[str, int], scratch: Mapping[int, int]) -> Arena:
    """Plan the arena of a program.

    A tensor lives from the operation that writes it to the last one that reads it. Sums and activations write
    over an input that nobody reads later, and another order that is the same in memory takes none.

    Args:
        program: Whose tensors they are.
        sizes: Bytes of every tensor.
        scratch: Bytes of working memory, by the operation's place.

    Example:
        >>> from explorer.microcontroller.forms import Shape
        >>> ops = [Op("x", (), "x"), *(Map(b, (a,), b, "sigmoid") for a, b in ("xy", "yz"))]
        >>> shapes = {name: Shape(1, 1, 4) for name in "xyz"}
        >>> planned(Program(tuple(ops), shapes, "z", None), dict.fromkeys("xyz", 16), {1: 8}).size
        24
    """
    owners = _owners(program)
    buffers, names = list[Buffer](), list[str | int]()
    for owner in dict.fromkeys(owners.values()):
        own = [name for name in owners if owners[name] == owner]
        first, last = _lifetime(program, own)
        buffers.append(Buffer(_aligned(max(sizes[name] for name in own)), first, last))
        names.append(owner)
    for place, size in scratch.items():
        buffers.append(Buffer(_aligned(size), place, place))
        names.append(place)
    starts = placed(buffers)
    size = max((start + own.size for start, own in zip(starts, buffers, strict=True)), default=0)
    where = dict(zip(names, starts, strict=True))
    tensors = {name: where[owner] for name, owner in owners.items()}
    return Arena(size, tensors, {place: where[place] for place in scratch})


def placed(buffers: Sequence[Buffer]) -> list[int]:
    """Where each buffer begins, in bytes: the largest first, each at the lowest place that is free.

    Example:
        >>> placed([Buffer(8, 0, 1), Buffer(16, 1, 2), Buffer(8, 3, 3)])
        [16, 0, 0]
    """
    starts = dict[int, int]()
    for number in sorted(range(len(buffers)), key=lambda own: (-buffers[own].size, buffers[own].first, own)):
        own = buffers[number]
        taken = sorted(
            (starts[other], starts[other] + buffers[other].size)
            for other in starts
            if buffers[other].overlaps(own)
        )
        start = 0
        for begin, end in taken:
            if begin - start >= own.size:
                break
            start = max(start, end)
        starts[number] = start
    return [starts[number] for number in range(len(buffers))]


def _owners(program: Program) -> dict[str, str]:
    """The tensor in whose memory each one lies."""
    owners = dict[str, str]()
    for place, op in enumerate(program.ops):
        owners[op.output] = op.output
        for name in _may_write_over(op):
            shared = [other for other in owners if owners[other] == owners[name]]
            free = _lifetime(program, shared)[1] <= place
            if free or isinstance(op, Transpose):
                owners[op.output] = owners[name]
                break
    return owners


def _may_write_over(op: Op) -> Sequence[str]:
    if isinstance(op, Add | Map) or (isinstance(op, Transpose) and op.trivial):
        return op.inputs
    return ()


def _lifetime(program: Program, tensors: Sequence[str]) -> tuple[int, int]:
    """Places of the first operation that writes one of them and of the last that reads or writes one."""
    places = [
        place
        for place, op in enumerate(program.ops)
        if op.output in tensors or any(name in tensors for name in op.inputs)
    ]
    if any(name in program.outputs for name in tensors):
        places.append(len(program.ops))
    return min(places), max(places)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
