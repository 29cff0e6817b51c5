"""Predefined sparsity: which connections of a junction are kept, fixed before training.

*Connection patterns* keep whole connections. A junction joins ``inputs`` to ``outputs`` units with fan-in
d_in and fan-out d_out; both are integers only if the density is k / gcd(inputs, outputs), k = 1 .. gcd (Dey
et al., JETCAS 2019, sec. II, arXiv 1812.01164). For convolutions the units are channels and a kept connection
is a whole kernel. *Kernel patterns* keep every connection of a convolution, but not all taps of its kernel;
see :mod:`explorer.core.sparsity.periodic`.
"""

from collections.abc import Callable
from fractions import Fraction
from math import gcd, log

import numpy as np
from numpy.typing import NDArray

from explorer.core.sparsity.clash_free import clash_free_connections
from explorer.errors import UserError

PatternName = str
Connections = Callable[[int, int, Fraction, int], NDArray[np.int64]]

CONNECTION_PATTERNS: dict[PatternName, Connections] = {}
KERNEL_PATTERN_NAMES: tuple[PatternName, ...] = ("periodic",)


def connection_pattern(name: PatternName) -> Callable[[Connections], Connections]:
    """Register a function as the connection pattern ``name``; from then on spaces may ask for it.

    The function takes inputs, outputs, a legal density and a seed, and gives the kept connections as flat
    positions ``output * inputs + input``, ascending, density * inputs * outputs of them.

    Example:
        >>> connection_pattern("block")(lambda inputs, outputs, density, seed: np.arange(0))
        Traceback (most recent call last):
            ...
        ValueError: pattern 'block' is registered already
    """

    def register(connections: Connections) -> Connections:
        if name in pattern_names():
            raise ValueError(f"pattern {name!r} is registered already")
        CONNECTION_PATTERNS[name] = connections
        return connections

    return register


def pattern_names() -> tuple[PatternName, ...]:
    """Every pattern that a space may ask for.

    Example:
        >>> pattern_names()
        ('block', 'structured', 'random', 'clash_free', 'periodic')
    """
    return (*CONNECTION_PATTERNS, *KERNEL_PATTERN_NAMES)


def legal_densities(inputs: int, outputs: int) -> tuple[Fraction, ...]:
    """Densities for which fan-in and fan-out are both integers, ascending; the last is 1.

    Example:
        >>> [str(density) for density in legal_densities(inputs=8, outputs=12)]
        ['1/4', '1/2', '3/4', '1']
    """
    steps = gcd(inputs, outputs)
    return tuple(Fraction(k, steps) for k in range(1, steps + 1))


def legal_densities_of(pattern: PatternName, inputs: int, outputs: int, taps: int) -> tuple[Fraction, ...]:
    """Legal densities of a junction under ``pattern``, ascending; the last is 1.

    A connection pattern needs whole fan-in and fan-out, a kernel pattern whole taps: p / taps.

    Example:
        >>> [str(density) for density in legal_densities_of("block", inputs=3, outputs=6, taps=9)]
        ['1/3', '2/3', '1']
        >>> len(legal_densities_of("periodic", inputs=3, outputs=6, taps=9))
        9
    """
    if pattern in KERNEL_PATTERN_NAMES:
        return tuple(Fraction(kept, taps) for kept in range(1, taps + 1))
    return legal_densities(inputs, outputs)


def exact_density(
    density: float, inputs: int, outputs: int, where: str, pattern: PatternName = "block", taps: int = 1
) -> Fraction:
    """The legal density equal to ``density``.

    Raises:
        UserError: ``density`` is not legal for this junction; the message names the nearest legal ones.

    Example:
        >>> exact_density(0.25, inputs=8, outputs=4, where="fc1")
        Fraction(1, 4)
        >>> exact_density(0.3, inputs=8, outputs=4, where="fc1")
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: fc1: density must be k / 4 for 8 inputs ... nearest: 1/4, 1/2, 3/4
    """
    legal = legal_densities_of(pattern, inputs, outputs, taps)
    nearest = min(legal, key=lambda candidate: abs(candidate - density))
    if abs(float(nearest) - density) > 1e-9:
        around = sorted(sorted(legal, key=lambda candidate: abs(candidate - density))[:3])
        raise UserError(
            f"{where}: density must be k / {len(legal)} for {_rule(pattern, inputs, outputs, taps)}, "
            f"got {density:g}; nearest: {', '.join(map(str, around))}"
        )
    return nearest


def _rule(pattern: PatternName, inputs: int, outputs: int, taps: int) -> str:
    if pattern in KERNEL_PATTERN_NAMES:
        return f"kernels of {taps} taps under {pattern} (whole taps kept)"
    return f"{inputs} inputs and {outputs} outputs (fan-in and fan-out whole numbers)"


def snap_density(density: float, choices: tuple[Fraction, ...]) -> Fraction:
    """The choice, of an ascending list, nearest to ``density`` by ratio; ties go to the denser one.

    Example:
        >>> snap_density(0.3, legal_densities(inputs=8, outputs=4))
        Fraction(1, 4)
    """
    return min(reversed(choices), key=lambda choice: abs(log(float(choice) / density)))


def ladder(legal: tuple[Fraction, ...], limit: int) -> tuple[Fraction, ...]:
    """At most ``limit`` of the ``legal`` densities, spread evenly by ratio, both ends included.

    Each rung takes the simplest legal density (smallest denominator, so fewest blocks) no farther off than
    half the way to the next rung, else the nearest. Rungs that fall together are merged, so fewer than
    ``limit`` may come back.

    Example:
        >>> [str(density) for density in ladder(legal_densities(inputs=64, outputs=64), limit=4)]
        ['1/64', '1/8', '1/2', '1']
    """
    if len(legal) <= limit:
        return legal
    if limit == 1:
        return legal[-1:]
    rungs = np.geomspace(float(legal[0]), float(legal[-1]), limit)
    half_step = log(rungs[1] / rungs[0]) / 2
    inner = {_simplest_near(float(rung), half_step, legal) for rung in rungs[1:-1]}
    return tuple(sorted(inner | {legal[0], legal[-1]}))


def _simplest_near(rung: float, half_step: float, legal: tuple[Fraction, ...]) -> Fraction:
    near = [density for density in legal if abs(log(float(density) / rung)) <= half_step]
    return min(near, key=lambda density: (density.denominator, -density), default=snap_density(rung, legal))


def block_shape(density: Fraction) -> tuple[int, int]:
    """Groups g and groups read k of the ``block`` pattern: density = k / g in lowest terms.

    Example:
        >>> block_shape(Fraction(6, 8))
        (4, 3)
    """
    return density.denominator, density.numerator


def block_source_groups(density: Fraction) -> NDArray[np.int64]:
    """Which input groups each output group reads: a, a+1, .., a+k-1 (mod g); shape (g, k).

    Example:
        >>> block_source_groups(Fraction(2, 3))
        array([[0, 1],
               [1, 2],
               [2, 0]])
    """
    groups, reads = block_shape(density)
    return (np.arange(groups)[:, None] + np.arange(reads)[None, :]) % groups


def kept_connections(
    pattern: PatternName,
    inputs: int,
    outputs: int,
    density: Fraction,
    seed: int,
    interleaved: bool = False,
) -> NDArray[np.int64]:
    """Kept connections as flat positions ``output * inputs + input``, ascending; shape (|W|,).

    ``block`` is a rule without chance and ignores ``seed``; ``interleaved`` input groups take every g-th unit
    instead of a run of neighbours, so that the groups of the junction before mix (the channel shuffle of
    ShuffleNet, CVPR 2018). ``structured`` has exact fan-in and fan-out, and so has ``clash_free``, see
    :mod:`explorer.core.sparsity.clash_free`. ``random`` has the same number of connections, placed freely.

    Example:
        >>> kept_connections("block", inputs=4, outputs=2, density=Fraction(1, 2), seed=0)
        array([0, 1, 6, 7])
    """
    if interleaved and pattern == "block":
        return np.flatnonzero(_block_adjacency(inputs, outputs, density, interleaved))
    return CONNECTION_PATTERNS[pattern](inputs, outputs, density, seed)


def adjacency(
    pattern: PatternName,
    inputs: int,
    outputs: int,
    density: Fraction,
    seed: int,
    interleaved: bool = False,
) -> NDArray[np.bool_]:
    """The kept connections as a matrix of shape (outputs, inputs), for inspection.

    Example:
        >>> adjacency("block", 4, 2, Fraction(1, 2), seed=0).astype(int)
        array([[1, 1, 0, 0],
               [0, 0, 1, 1]])
        >>> adjacency("block", 4, 2, Fraction(1, 2), seed=0, interleaved=True).astype(int)
        array([[1, 0, 1, 0],
               [0, 1, 0, 1]])
    """
    kept = np.zeros(inputs * outputs, dtype=np.bool_)
    kept[kept_connections(pattern, inputs, outputs, density, seed, interleaved)] = True
    return kept.reshape(outputs, inputs)


@connection_pattern("block")
def _block(inputs: int, outputs: int, density: Fraction, seed: int) -> NDArray[np.int64]:
    return np.flatnonzero(_block_adjacency(inputs, outputs, density, interleaved=False))


@connection_pattern("structured")
def _structured(inputs: int, outputs: int, density: Fraction, seed: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    return np.flatnonzero(_structured_adjacency(inputs, outputs, density, rng))


@connection_pattern("random")
def _random(inputs: int, outputs: int, density: Fraction, seed: int) -> NDArray[np.int64]:
    kept = int(density * inputs * outputs)
    return np.sort(np.random.default_rng(seed).choice(inputs * outputs, size=kept, replace=False))


connection_pattern("clash_free")(clash_free_connections)


def _block_adjacency(inputs: int, outputs: int, density: Fraction, interleaved: bool) -> NDArray[np.bool_]:
    groups, _ = block_shape(density)
    reads = np.zeros((groups, groups), dtype=np.bool_)
    np.put_along_axis(reads, block_source_groups(density), True, axis=1)
    units = np.arange(inputs)
    group_of_input = units % groups if interleaved else units // (inputs // groups)
    return np.repeat(reads, outputs // groups, axis=0)[:, group_of_input]


def _structured_adjacency(
    inputs: int, outputs: int, density: Fraction, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Give each output in turn the inputs with most fan-out left, ties by chance.

    The remaining fan-outs never differ by more than one, so the last output always finds enough.
    """
    fan_in, fan_out = int(density * inputs), int(density * outputs)
    remaining = np.full(inputs, fan_out)
    kept = np.zeros((outputs, inputs), dtype=np.bool_)
    for row in kept:
        chosen = np.argsort(-(remaining + rng.random(inputs)))[:fan_in]
        row[chosen] = True
        remaining[chosen] -= 1
    assert not remaining.any()
    return kept


PATTERN_NAMES = tuple(CONNECTION_PATTERNS)
