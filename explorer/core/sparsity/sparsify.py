"""Find the junctions of any module and swap chosen ones for sparse layers."""

import zlib
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod

from torch import nn

from explorer.core.sparsity.layers import (
    DRAWN,
    BlockConv,
    BlockLinear,
    DenseLayer,
    InitialWeights,
    SparseLayer,
    sparse_layer,
)
from explorer.core.sparsity.patterns import KERNEL_PATTERN_NAMES, PatternName, legal_densities_of
from explorer.errors import UserError

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass(frozen=True)
class Junction:
    """One Linear or convolution of a dense module.

    Attributes:
        path: Module path, such as ``features.3``.
        kind: ``Linear``, ``Conv1d`` or ``Conv2d``.
        inputs, outputs: Units (channels for convolutions).
        taps: Weights per connection: kernel size, 1 for ``Linear``.
        num_weights: Weights when dense, biases apart.
        legal: Legal densities under the pattern asked for, ascending.
        stays_dense: Why no density below 1 is possible; empty if some is.
        trained: Whether its weights do not come from the seed, as far as is known.
        frozen: Whether training leaves its weights as they are.

    Example:
        >>> (junction,) = find_junctions(nn.Linear(8, 4))
        >>> junction.kind, junction.num_weights, [str(density) for density in junction.legal]
        ('Linear', 32, ['1/4', '1/2', '3/4', '1'])
        >>> find_junctions(nn.Sequential(nn.Conv2d(8, 8, 3, groups=8)))[0].stays_dense
        'grouped convolution (groups=8)'
    """

    path: str
    kind: str
    inputs: int
    outputs: int
    taps: int
    num_weights: int
    legal: tuple[Fraction, ...]
    stays_dense: str = ""
    trained: bool = False
    frozen: bool = False


def find_junctions(
    module: nn.Module,
    pattern: PatternName = "block",
    read_directly: Set[str] = frozenset(),
    trained: Set[str] = frozenset(),
) -> tuple[Junction, ...]:
    """Junctions of ``module`` in definition order; layers that share one weight are one junction.

    Args:
        module: A dense module.
        pattern: Decides which densities are legal; the same for all connection patterns.
        read_directly: Parameters that some forward reads by itself, as the network's trace knows them.
        trained: Parameters that do not come from the seed.

    Example:
        >>> module = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3))
        >>> [(own.path, own.num_weights, own.stays_dense) for own in find_junctions(module)]
        [('0', 72, 'only legal density is 1 (1 inputs, 8 outputs)'), ('2', 1152, '')]
    """
    junctions: list[Junction] = []
    for sharing in _modules_by_weight(module):
        reasons = [_stays_dense(module, path, layer) for path, layer in sharing.items()]
        path, layer = next((path, layer) for path, layer in sharing.items() if isinstance(layer, DenseLayer))
        if any(f"{path}.weight" in read_directly for path in sharing):
            reasons.append("its weight is read outside the layer, too")
        junction = _junction(path, layer, pattern, next(filter(None, reasons), ""))
        known = any(f"{own}.{name}" in trained for own, held in sharing.items() for name in _weights(held))
        frozen = not any(weight.requires_grad for weight in _weights(layer).values())
        junctions.append(replace(junction, trained=known, frozen=frozen))
    return tuple(junctions)


def _weights(layer: nn.Module) -> dict[str, nn.Parameter]:
    """What a layer's weight is or is computed from; to compute it may change the layer (spectral norm)."""
    weight = layer._parameters.get("weight")
    if weight is not None:
        return {"weight": weight}
    return {name: parameter for name, parameter in layer.named_parameters() if name != "bias"}


def _modules_by_weight(module: nn.Module) -> list[dict[str, nn.Module]]:
    """For each weight of a Linear or convolution: all modules that hold it, by path."""
    sharing: dict[int, dict[str, nn.Module]] = {}
    for path, layer in module.named_modules():
        if isinstance(layer, DenseLayer):
            held: list[object] = [layer._parameters.get("weight", layer)]  # a computed weight is nobody's
        else:
            held = [parameter for parameter in layer._parameters.values() if parameter is not None]
        for weight in held:
            sharing.setdefault(id(weight), {})[path] = layer
    return [held for held in sharing.values() if any(isinstance(m, DenseLayer) for m in held.values())]


def _stays_dense(module: nn.Module, path: str, layer: nn.Module) -> str:
    """Why the weight of a layer may not be thinned out; empty if it may."""
    name = type(layer).__name__
    if not isinstance(layer, DenseLayer):
        return f"its weight is also that of {path!r} ({name})"
    steps = path.split(".")
    for depth in range(1, len(steps)):
        around = module.get_submodule(".".join(steps[:depth]))
        if type(around).__module__.startswith("torch.nn") and not isinstance(around, _CONTAINERS):
            return f"inside nn.{type(around).__name__}, which reads the weights itself"
    if type(layer).forward not in (nn.Linear.forward, nn.Conv1d.forward, nn.Conv2d.forward):
        return f"{name} has a forward of its own"
    if "weight_mask" in layer._buffers:
        return "pruned by torch.nn.utils.prune, which masks dense weights (prune.remove keeps their values)"
    if "weight" not in layer._parameters:
        return "its weight is computed from other parameters"
    if isinstance(layer, nn.Linear):
        return ""
    if layer.padding_mode != "zeros":
        return f"padding mode {layer.padding_mode!r}"
    return f"grouped convolution (groups={layer.groups})" if layer.groups > 1 else ""


def _junction(path: str, layer: DenseLayer, pattern: PatternName, why: str) -> Junction:
    if isinstance(layer, nn.Linear):
        inputs, outputs, taps, groups = layer.in_features, layer.out_features, 1, 1
    else:
        inputs, outputs, taps = layer.in_channels, layer.out_channels, prod(layer.kernel_size)
        groups = layer.groups
    legal = legal_densities_of(pattern, inputs, outputs, taps)
    if not why and len(legal) == 1:
        in_kernel = pattern in KERNEL_PATTERN_NAMES
        cause = f"{pattern}: 1 tap" if in_kernel else f"{inputs} inputs, {outputs} outputs"
        why = f"only legal density is 1 ({cause})"
    if why:
        legal = (Fraction(1),)
    size = inputs // groups * outputs * taps
    return Junction(path, type(layer).__name__, inputs, outputs, taps, size, legal, why)


def sparsify(
    module: nn.Module,
    densities: Mapping[str, Fraction],
    pattern: PatternName,
    seed: int,
    initial: InitialWeights = DRAWN,
) -> None:
    """Replace junctions of ``module`` in place; density 1 leaves the dense layer as it is.

    The first sparse junction groups neighbouring inputs (pixels that belong together); later ones interleave
    theirs, or consecutive ``block`` layers would fall apart into separate networks. MNIST 784-240-240-10 at
    densities 1/8, 1/8, 1/10, two seeds: 96.2 % so, 75.8 % with neighbours everywhere, 95.3 % interleaved
    everywhere.

    Args:
        module: A dense module.
        densities: Legal density per junction path; junctions not named stay dense.
        pattern: Places the kept connections.
        seed: With the path it seeds each junction's placement, so junctions differ.
        initial: What sparse layers start from.

    Raises:
        UserError: A path is no junction of ``module``, or its density is not legal there.

    Example:
        >>> module = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))
        >>> sparsify(module, {"0": Fraction(1, 2)}, "block", seed=0)
        >>> module
        Sequential(
          (0): BlockLinear(8, 6, pattern=block, density=1/2)
          (1): ReLU()
          (2): Linear(in_features=6, out_features=3, bias=True)
        )
    """
    junctions = {junction.path: junction for junction in find_junctions(module, pattern)}
    for path, density in densities.items():
        if path not in junctions:
            raise UserError(
                f"density given for {path!r}, which is no junction; junctions: {', '.join(junctions)}"
            )
        if density not in junctions[path].legal:
            why = junctions[path].stays_dense or f"must be k / {len(junctions[path].legal)}"
            raise UserError(f"density {density} is not legal for junction {path!r}: {why}")
    sparse_paths = [path for path in junctions if densities.get(path, 1) < 1]
    for place, path in enumerate(sparse_paths):
        (sharing,) = (held for held in _modules_by_weight(module) if path in held)
        first: SparseLayer | None = None
        for dense in sharing.values():
            assert isinstance(dense, DenseLayer)
            placement_seed = zlib.crc32(f"{seed}/{path}".encode())
            density, interleaved = densities[path], place > 0
            sparse = sparse_layer(dense, pattern, density, placement_seed, interleaved, initial)
            if first is not None:
                _tie_weights(sparse, first)
            first = first or sparse
            _replace(module, dense, sparse)


def _tie_weights(layer: SparseLayer, first: SparseLayer) -> None:
    """Two layers of one dense weight go on sharing what is kept of it; each has its own bias."""
    for name, parameter in list(first.named_parameters(recurse=False)):
        if name != "bias":
            setattr(layer, name, parameter)


def _replace(module: nn.Module, dense: nn.Module, sparse: nn.Module) -> None:
    """Swap ``dense`` wherever it is used; a shared module has several paths."""
    for path, other in list(module.named_modules(remove_duplicate=False)):
        if other is dense:
            parent, _, name = path.rpartition(".")
            setattr(module.get_submodule(parent), name, sparse)


def placement_checksum(module: nn.Module) -> int:
    """CRC-32 over the kept positions of every junction that is placed by a seed, or by magnitudes.

    Stored beside the weights: positions are derived again at loading, and neither a generator that changed
    between library versions nor a factory with other weights may misplace weights silently.

    Example:
        >>> dense, density = nn.Linear(8, 4), Fraction(1, 4)
        >>> layers = [sparse_layer(dense, "structured", density, seed) for seed in (0, 0, 1)]
        >>> first, same, other = map(placement_checksum, layers)
        >>> first == same, first == other
        (True, False)
    """
    checksum = 0
    for layer in module.modules():
        positions = getattr(layer, "positions", None) if isinstance(layer, SparseLayer) else None
        if positions is None and isinstance(layer, BlockLinear | BlockConv) and layer.by_magnitude:
            positions = layer.kept_positions()
        if positions is not None:
            checksum = zlib.crc32(positions.cpu().numpy().tobytes(), checksum)
    return checksum
