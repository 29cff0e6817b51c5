"""The ``clash_free`` pattern: connections that parallel memories can deliver without waiting.

Dey et al., "Pre-Defined Sparse Neural Networks with Hardware Acceleration" (JETCAS 2019, arXiv 1812.01164):
the left units lie in z memories of depth D = inputs / z, unit n in memory n mod z at address n div z. Each
cycle reads one address of every memory, D cycles are a *sweep* that reads every unit once, and fan-out many
sweeps make the junction. Reads are handed to the outputs in order, fan-in each (memories always in the order
0 .. z-1; the paper's dithering of that order is left out). So fan-in and fan-out are exact.

No unit meets an output twice, by construction. Fan-in <= inputs, so an output's reads lie in one sweep, where
all units differ, or in the end of one and the start of the next. There memory m gives the output its last a_m
addresses of the first sweep and its first b_m of the second. fan-in <= inputs reads in a row visit a memory
at most D times, so a_m + b_m <= D and a start of b_m addresses other than those a_m always exists. Type 1
repeats the same sweep: any ``inputs`` reads in a row differ. Types 2 and 3 draw uniformly from the sweeps
that keep the b_m addresses apart from the a_m; nothing is ever drawn again.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ClashFreeType = Literal[1, 2, 3]
DEFAULT_TYPE: ClashFreeType = 2


@dataclass(frozen=True, eq=False)
class Schedule:
    """Which memory and address each parallel read of each cycle goes to.

    Attributes:
        inputs: Left units.
        fan_in: Reads handed to each output.
        memories: Number z of parallel memories.
        memory: Memory of every read, shape (cycles, z).
        address: Address within that memory, shape (cycles, z).

    Example:
        >>> schedule = clash_free_schedule(inputs=6, outputs=4, density=Fraction(1, 2), seed=0)
        >>> schedule.memories, schedule.depth
        (3, 2)
        >>> sorted(schedule.units[:6].tolist())  # a sweep reads each unit once
        [0, 1, 2, 3, 4, 5]
    """

    inputs: int
    fan_in: int
    memories: int
    memory: NDArray[np.int64]
    address: NDArray[np.int64]

    @property
    def depth(self) -> int:
        """Addresses per memory D, which is also the number of cycles of a sweep."""
        return self.inputs // self.memories

    @property
    def units(self) -> NDArray[np.int64]:
        """Left units in the order in which they are read, shape (reads,)."""
        return (self.address * self.memories + self.memory).reshape(-1)


def has_clash(schedule: Schedule) -> bool:
    """Whether any cycle reads one memory more than once.

    Example:
        >>> has_clash(clash_free_schedule(inputs=6, outputs=4, density=Fraction(1, 2), seed=0))
        False
        >>> has_clash(Schedule(4, 2, memories=2, memory=np.array([[0, 0]]), address=np.array([[0, 1]])))
        True
    """
    ordered = np.sort(schedule.memory, axis=1)
    return bool((ordered[:, 1:] == ordered[:, :-1]).any())


def parallel_memories(inputs: int, fan_in: int) -> int:
    """The number z of memories: the largest divisor of ``inputs`` up to ``fan_in``.

    So D is whole, a cycle serves at most two outputs, and z = fan-in (an output per cycle) where that
    divides the inputs. The paper leaves z to the designer, who trades area for speed.

    Example:
        >>> parallel_memories(inputs=12, fan_in=4), parallel_memories(inputs=12, fan_in=5)
        (4, 4)
    """
    return next(z for z in range(fan_in, 0, -1) if inputs % z == 0)


def clash_free_schedule(
    inputs: int, outputs: int, density: Fraction, seed: int, kind: ClashFreeType = DEFAULT_TYPE
) -> Schedule:
    """The reads of a whole junction: fan-out sweeps of D cycles.

    Args:
        inputs: Units on the left.
        outputs: Units on the right.
        density: A legal one, see :func:`explorer.core.sparsity.patterns.legal_densities`.
        seed: Draws the addresses.
        kind: Type of the paper. In cycle t memory m is read at (phi_m + t) mod D for 1 (one seed vector phi)
            and 2 (a new one each sweep), in the order of a new permutation each sweep for 3.

    Example:
        >>> schedule = clash_free_schedule(inputs=6, outputs=4, density=Fraction(1, 2), seed=0)
        >>> schedule.address.shape, schedule.memory[0]
        ((4, 3), array([0, 1, 2]))
    """
    fan_in, sweeps = int(density * inputs), int(density * outputs)
    memories = parallel_memories(inputs, fan_in)
    rng = np.random.default_rng(seed)
    sweep = _start_at(rng.integers(inputs // memories, size=memories), inputs // memories)
    if kind == 3:
        sweep = rng.permuted(sweep, axis=0)
    addresses = [sweep]
    for end in range(inputs, sweeps * inputs, inputs):
        ends, starts = _shared_reads(end, fan_in, memories)
        if kind == 2:
            sweep = _next_seed_vector(sweep, ends + starts, rng)
        elif kind == 3:
            sweep = _next_permutations(sweep, ends, starts, rng)
        addresses.append(sweep)
    address = np.concatenate(addresses)
    memory = np.broadcast_to(np.arange(memories), address.shape)
    return Schedule(inputs, fan_in, memories, memory, address)


def clash_free_connections(
    inputs: int, outputs: int, density: Fraction, seed: int, kind: ClashFreeType = DEFAULT_TYPE
) -> NDArray[np.int64]:
    """Kept connections as flat positions ``output * inputs + input``, ascending.

    Example:
        >>> positions = clash_free_connections(inputs=6, outputs=4, density=Fraction(1, 2), seed=0)
        >>> np.bincount(positions // 6), np.bincount(positions % 6)  # fan-in of outputs, fan-out of inputs
        (array([3, 3, 3, 3]), array([2, 2, 2, 2, 2, 2]))
    """
    units = clash_free_schedule(inputs, outputs, density, seed, kind).units
    fan_in = int(density * inputs)
    return np.sort(np.arange(units.size) // fan_in * inputs + units)


def _shared_reads(end: int, fan_in: int, memories: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Reads of every memory before and behind the end of a sweep for the output that lies across it.

    Args:
        end: Reads up to the end of the sweep; the output's first a = end mod fan-in reads lie before it.
        fan_in: Reads of an output.
        memories: That are read in parallel.
    """
    before = end % fan_in
    behind = -end % fan_in
    memory = np.arange(memories)
    # the last reads of a cycle are those of the last memories, the first those of the first
    return (before + memory) // memories, (behind + memories - 1 - memory) // memories


def _start_at(phi: NDArray[np.int64], depth: int) -> NDArray[np.int64]:
    """Addresses (phi_m + t) mod D, shape (D, z)."""
    return (phi + np.arange(depth)[:, None]) % depth


def _next_seed_vector(
    sweep: NDArray[np.int64], shared: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """A sweep whose seed vector lies 0 .. D - a_m - b_m behind the last one (anywhere if none is shared).

    The last a_m addresses are phi - a_m .. phi - 1 and the next b_m are phi' .. phi' + b_m - 1 (mod D).
    """
    depth = len(sweep)
    steps = rng.integers(np.minimum(depth - shared + 1, depth))
    return _start_at(sweep[0] + steps, depth)


def _next_permutations(
    sweep: NDArray[np.int64], ends: NDArray[np.int64], starts: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """New permutations whose first b_m addresses are not among the last a_m of ``sweep``."""
    cycles = np.arange(len(sweep))[:, None]
    at_end = cycles >= len(sweep) - ends
    start_order = np.argsort(rng.random(sweep.shape) + at_end, axis=0)  # those at the end come last
    candidates = np.take_along_axis(sweep, start_order, axis=0)
    rest_order = np.argsort(np.where(cycles < starts, cycles - len(sweep), rng.random(sweep.shape)), axis=0)
    return np.take_along_axis(candidates, rest_order, axis=0)
