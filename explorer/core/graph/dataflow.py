"""A traced backbone as a plain list of values: what each is computed from, how large it is, what it costs.

Whatever traced the backbone, split points, memory and costs read only this list. One fused multiply-add is
one MAC; biases, activations, pooling and normalisation count none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

from explorer.core.sparsity.execution import PLAIN, Execution

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Value:
    """What one step of a backbone computes for one sample: a tensor, or several (``chunk``).

    Attributes:
        name: Name of the node in the traced graph.
        path: What a person calls it: a module path, or a function inside one.
        inputs: Names of the values it is computed from, each once.
        shape: Shape without the batch axis; that of a batch of one where the first axis is not the batch;
            empty for several tensors.
        can_cross: A floating-point tensor with the batch as first axis and at least one more.
        macs: Effective multiply-accumulates: kept connections only.
        size_bytes: Bytes of its tensors, float32 (a complex number is two).
        moved_bytes: Input, output and parameter bytes; 0 for the network's input and for views.
        view_of: Input whose memory it shares (flatten, chunk, dropout in eval mode), else empty.
        state: Floating-point and complex parameters and buffers it reads; tied ones under their first name.
        indices: Bytes of the positions that sparse layers in it store when deployed, by name of their weight.
        element_wise: Each of its elements needs only those at its own place, so that it can take the memory
            of an operand that nothing reads afterwards.
        folds_into: For a batch normalisation the layer that can take it up, see
            :mod:`explorer.core.graph.folding`; else empty.
        folded_bytes: Of the bias that this layer then gets, if it had none.
        execution: How a runtime computes it.
        fusible: Whether it is an activation that a runtime lets the layer before compute.

    Example:
        >>> hidden = Value("relu", "relu1", ("fc",), (8, 4, 4), True, 0, 512, 1024, "", ())
        >>> hidden.elements
        128
    """

    name: str
    path: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    can_cross: bool
    macs: int
    size_bytes: int
    moved_bytes: int
    view_of: str
    state: tuple[str, ...]
    indices: tuple[tuple[str, int], ...] = ()
    element_wise: bool = False
    folds_into: str = ""
    folded_bytes: int = 0
    execution: Execution = PLAIN
    fusible: bool = False

    @property
    def elements(self) -> int:
        """Number of values, for one tensor."""
        return prod(self.shape)


@dataclass(frozen=True)
class Dataflow:
    """All values of a backbone in execution order, the network's input first.

    Attributes:
        values: By name.
        result: Name of the logits.
        state_bytes: Bytes per parameter and buffer named in :attr:`Value.state`.

    Example:
        >>> import torch
        >>> from explorer.core.graph.trace import trace
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
        >>> flow = trace(net, torch.zeros(1, 4)).dataflow
        >>> [(value.path, value.shape, value.macs) for value in flow.values.values()], flow.dominators()
        ([('input', (4,), 0), ('0', (3,), 12), ('1', (3,), 0), ('2', (2,), 6)],
         ['input_1', '_0', '_1', '_2'])
    """

    values: Mapping[str, Value]
    result: str
    state_bytes: Mapping[str, int]

    @property
    def source(self) -> str:
        """Name of the network's input."""
        return next(iter(self.values))

    @cached_property
    def dependent(self) -> frozenset[str]:
        """Values that depend on the input; others come from parameters alone, on any side that needs them."""
        found = {self.source}
        for name, value in self.values.items():
            if not found.isdisjoint(value.inputs):
                found.add(name)
        return frozenset(found)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.values)}

    def dominators(self) -> list[str]:
        """Values that every path from the input to the output runs through, in order, both included.

        Immediate dominators of a DAG in topological order: the nearest common dominator of a value's inputs
        (Cooper, Harvey & Kennedy, "A Simple, Fast Dominance Algorithm", 2001). Values that come from
        parameters alone exist on both sides and do not count.
        """
        immediate: dict[str, str] = {}
        depth = {self.source: 0}
        for name, value in self.values.items():
            sources = [source for source in value.inputs if source in depth]
            if sources:
                common = sources[0]
                for other in sources[1:]:
                    while common != other:
                        deeper = max(common, other, key=depth.__getitem__)
                        common, other = (other if deeper == common else common), immediate[deeper]
                immediate[name], depth[name] = common, depth[common] + 1
        chain = [self.result]
        while chain[-1] != self.source:
            chain.append(immediate[chain[-1]])
        return chain[::-1]

    def between(self, start: Iterable[str], end: Iterable[str]) -> list[Value]:
        """What must be computed to get from the values ``start`` to ``end``, in order, without ``start``.

        From the network's input: the edge part's values. Up to the logits: the server part's.
        """
        given = set(start)
        needed = set(end) - given
        pending = list(needed)
        while pending:
            fresh = set(self.values[pending.pop()].inputs) - needed - given
            needed |= fresh
            pending += fresh
        return [self.values[name] for name in sorted(needed, key=self._positions.__getitem__)]

    def stored_bytes(self, values: Iterable[Value]) -> int:
        """Bytes of the parameters and buffers that ``values`` read, each once."""
        names = {name for value in values for name in value.state}
        return sum(self.state_bytes[name] for name in names)


def index_bytes(values: Iterable[Value]) -> int:
    """Bytes of the positions that the sparse layers of ``values`` store when deployed, each table once.

    Example:
        >>> import torch
        >>> from fractions import Fraction
        >>> from explorer.core.graph.trace import trace
        >>> from explorer.core.sparsity.sparsify import sparsify
        >>> net = torch.nn.Sequential(torch.nn.Linear(32, 24), torch.nn.ReLU(), torch.nn.Linear(24, 2))
        >>> sparsify(net, {"0": Fraction(1, 4)}, "random", seed=0)
        >>> index_bytes(trace(net, torch.zeros(1, 32)).dataflow.values.values())  # 192 of two bytes
        384
    """
    return sum(dict(own for value in values for own in value.indices).values())


def total_macs(values: Iterable[Value]) -> int:
    """Multiply-accumulates of ``values``.

    Example:
        >>> import torch
        >>> from explorer.core.graph.trace import trace
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
        >>> total_macs(trace(net, torch.zeros(1, 4)).dataflow.values.values())  # 4 * 3 + 3 * 2
        18
    """
    return sum(value.macs for value in values)
