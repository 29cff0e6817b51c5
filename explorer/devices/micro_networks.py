"""Small networks that are timed to calibrate a device: operators alone, and chains as bundles hold them."""

from explorer.devices.micro_builder import FLOAT_BYTES, Builder, MicroNetwork
from explorer.devices.operators import Operator


def micro_networks() -> list[MicroNetwork]:
    """Networks of every kind of operator, from small to as large as edge devices run; about a hundred.

    Example:
        >>> [network.name for network in micro_networks()[:2]]
        ['1x28x28 conv 8 k3 s1 g1 r0', '3x32x32 conv 16 k3 s1 g1 r0']
    """
    return [
        *(chain.finished() for chain in (*_convolutions(), *_products(), *_others(), *_mixed())),
        *_codecs(),
    ]


def _convolutions() -> list[Builder]:
    dense = [(1, 28, 8, 3), (3, 32, 16, 3), (8, 16, 16, 3), (16, 8, 32, 3), (16, 16, 16, 3), (32, 8, 64, 3)]
    dense += [(32, 16, 32, 3), (64, 8, 64, 3), (1, 28, 6, 5), (16, 8, 16, 3), (1, 8, 16, 3), (64, 4, 128, 3)]
    dense += [
        (16, 16, 32, 1),
        (32, 8, 64, 1),
        (64, 8, 64, 1),
        (64, 16, 128, 1),
        (8, 28, 16, 1),
        (16, 4, 16, 1),
    ]
    chains = [Builder((i, e, e)).conv(o, k) for i, e, o, k in dense]
    chains += [Builder((c, e, e)).conv(c, 3, groups=c) for c, e in ((16, 16), (32, 8), (64, 8), (64, 16))]
    for inputs, extent, outputs, groups in (
        *((16, 8, 32, 4), (32, 16, 32, 8), (64, 8, 64, 16), (32, 8, 64, 2), (64, 8, 64, 4), (16, 8, 32, 16)),
        *((16, 16, 16, 8), (64, 4, 64, 32)),
    ):
        chains += [Builder((inputs, extent, extent)).conv(outputs, 3, groups=groups, reads=r) for r in (0, 1)]
    wide = ((16, 8, 32, 8, 3), (32, 16, 32, 8, 3), (64, 8, 64, 16, 5), (64, 4, 64, 4, 3))
    return chains + [Builder((i, e, e)).conv(o, 3, groups=g, reads=r) for i, e, o, g, r in wide]


def _products() -> list[Builder]:
    dense = ((64, 10), (64, 32), (256, 64), (784, 128), (800, 800), (128, 128), (1024, 256), (32, 10))
    chains = [Builder((i,)).linear(o) for i, o in dense]
    blocks = [(64, 32, 4, 1), (64, 32, 16, 1), (256, 64, 8, 1), (784, 112, 16, 1), (800, 800, 16, 1)]
    blocks += [(128, 128, 2, 1), (800, 800, 4, 1), (64, 64, 8, 3), (800, 800, 16, 5), (256, 64, 8, 3)]
    blocks += [(128, 64, 16, 3), (784, 112, 8, 3)]
    chains += [Builder((i,)).block_linear(o, g, r) for i, o, g, r in blocks]
    chains += [
        Builder((t, i)).matmul(o) for t, i, o in ((16, 32, 32), (16, 64, 128), (64, 32, 64), (4, 32, 64))
    ]
    return chains + [
        Builder((t, i)).block_linear(o, g)
        for t, i, o, g in ((16, 32, 32, 4), (16, 64, 128, 8), (64, 32, 64, 2))
    ]


def _others() -> list[Builder]:
    chains = [Builder((c, e, e)).pool(s) for c, e, s in ((16, 16, 2), (32, 8, 2), (8, 28, 2), (64, 16, 2))]
    chains += [Builder((c, e, e)).pool(e, "AveragePool") for c, e in ((64, 4), (32, 8))]
    shapes = ((32,), (16, 16, 16), (64, 16, 16), (64, 8, 8))
    chains += [Builder(shape).relu() for shape in shapes] + [Builder(shape).add() for shape in shapes]
    chains += [Builder(shape).relu().add().relu() for shape in shapes[:2]]
    chains += [Builder(s).gelu() for s in ((16, 64), (64, 128))] + [
        Builder(s).norm() for s in ((16, 32), (64, 64))
    ]
    chains += [Builder(shape).confidence() for shape in ((10,), (100,), (16, 16))]
    return chains + [Builder(shape).transpose() for shape in ((16, 32), (16, 16, 16), (64, 64))]


def _mixed() -> list[Builder]:
    """Chains, in which what two operators share is not counted twice."""
    chains = [
        Builder((64,)).linear(32).linear(16).linear(10),
        Builder((64,)).linear(128).linear(64).linear(10).confidence(),
        Builder((784,)).linear(100).linear(100).linear(10),
        Builder((784,)).block_linear(112, 16).block_linear(112, 8).linear(10),
        Builder((64,)).block_linear(32, 8).block_linear(32, 4).linear(10),
        Builder((64,)).block_linear(64, 16, 3).block_linear(64, 8, 3).linear(10),
        Builder((1, 8, 8)).conv(16, 3).pool(2).conv(32, 3).pool(2).linear(10),
        Builder((1, 8, 8)).conv(16, 3).pool(2).conv(32, 3, groups=8).pool(2).linear(10),
        Builder((1, 28, 28)).conv(8, 3).pool(2).conv(16, 3).pool(2).linear(32).linear(10),
        Builder((3, 32, 32)).conv(16, 3).conv(16, 3).conv(32, 3, stride=2).conv(32, 3).pool(16).linear(10),
        Builder((16, 16, 16)).conv(16, 3).conv(16, 3).add().relu(),
        Builder((16, 16, 16)).conv(16, 3, groups=4, reads=1).conv(16, 3, groups=4, reads=1).add().relu(),
        Builder((64, 8, 8)).conv(64, 3, groups=64).conv(64, 1).conv(64, 3, groups=64).conv(64, 1),
        Builder((16, 32)).norm().matmul(64).gelu().matmul(32).add(),
    ]
    return chains


def _codecs() -> list[MicroNetwork]:
    """Encoder and decoder; MACs and bytes as :mod:`explorer.costs.model` counts them."""
    found = []
    for elements in (16, 256, 4096):
        for bits in (4, 8, 32):
            moved = FLOAT_BYTES * elements + elements * bits // 8
            for name in ("encode", "decode"):
                coded = bits < 32
                own = Operator(elements * coded, moved, name if coded else f"{name}_floats")
                found.append(
                    MicroNetwork(f"{name} {elements} at {bits} bits", (own,), codec=(elements, bits))
                )
    return found
