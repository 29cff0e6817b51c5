"""Find the junctions of any module and swap chosen ones for sparse layers."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from torch import nn

from explorer.core.layers import SparseLayer, sparse_layer
from explorer.core.patterns import KERNEL_PATTERN_NAMES, PatternName, legal_densities_of
from explorer.errors import UserError


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
    """

    path: str
    kind: str
    inputs: int
    outputs: int
    taps: int
    num_weights: int
    legal: tuple[Fraction, ...]
    stays_dense: str = ""


def find_junctions(module: nn.Module, pattern: PatternName = "block") -> tuple[Junction, ...]:
    """Junctions of ``module`` in definition order; a module used twice is one junction.

    Args:
        module: A dense module.
        pattern: Decides which densities are legal; the same for all connection patterns.
    """
    return tuple(
        _junction(path, layer, pattern)
        for path, layer in module.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)
    )


def _junction(path: str, layer: nn.Linear | nn.Conv1d | nn.Conv2d, pattern: PatternName) -> Junction:
    kind = type(layer).__name__
    if isinstance(layer, nn.Linear):
        inputs, outputs, taps, why = layer.in_features, layer.out_features, 1, ""
    else:
        inputs, outputs, taps = layer.in_channels, layer.out_channels, prod(layer.kernel_size)
        why = f"grouped convolution (groups={layer.groups})" if layer.groups > 1 else ""
        if layer.padding_mode != "zeros":
            why = f"padding mode {layer.padding_mode!r}"
    legal = legal_densities_of(pattern, inputs, outputs, taps)
    if not why and len(legal) == 1:
        in_kernel = pattern in KERNEL_PATTERN_NAMES
        cause = f"{pattern}: 1 tap" if in_kernel else f"{inputs} inputs, {outputs} outputs"
        why = f"only legal density is 1 ({cause})"
    if why:
        legal = (Fraction(1),)
    return Junction(path, kind, inputs, outputs, taps, layer.weight.numel(), legal, why)


def sparsify(module: nn.Module, densities: Mapping[str, Fraction], pattern: PatternName, seed: int) -> None:
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

    Raises:
        UserError: A path is no junction of ``module``, or its density is not legal there.
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
        dense = module.get_submodule(path)
        assert isinstance(dense, nn.Linear | nn.Conv1d | nn.Conv2d)
        placement_seed = zlib.crc32(f"{seed}/{path}".encode())
        sparse = sparse_layer(dense, pattern, densities[path], placement_seed, interleaved=place > 0)
        _replace(module, dense, sparse)


def _replace(module: nn.Module, dense: nn.Module, sparse: nn.Module) -> None:
    """Swap ``dense`` wherever it is used; a shared module has several paths."""
    for path, other in list(module.named_modules(remove_duplicate=False)):
        if other is dense:
            parent, _, name = path.rpartition(".")
            setattr(module.get_submodule(parent), name, sparse)


def placement_checksum(module: nn.Module) -> int:
    """CRC-32 over the kept positions of every junction that is placed by a seed.

    Stored beside the weights: positions are derived from the seed again at loading, and a generator that
    changed between library versions must not misplace weights silently.
    """
    checksum = 0
    for layer in module.modules():
        positions = getattr(layer, "positions", None) if isinstance(layer, SparseLayer) else None
        if positions is not None:
            checksum = zlib.crc32(positions.numpy().tobytes(), checksum)
    return checksum
