"""The networks of the papers as plain numbers: widths, fan-out, density, weights, MACs.

Capogrosso et al. (FDL 2024, arXiv 2407.11763) set the large sparse 800-40-40-10 against the small dense
800-3-3-10 of equal weight count; Dey et al. (JETCAS 2019, arXiv 1812.01164) report 800-100-10 at half density
and the dense 784-112-10. MNIST's 784 pixels are padded with zeros at the end to reach 800, as the published
code does.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import torch
from torch import nn

from explorer.backbones import build_backbone
from explorer.core.sparsity.patterns import PATTERN_NAMES, PatternName, legal_densities, snap_density
from explorer.core.sparsity.sparsify import find_junctions, sparsify
from explorer.errors import UserError

NUM_CLASSES = 10
DENSE = "dense"
FACTORY = "explorer.backbones:mlp"
LINEAR_PATTERNS: tuple[PatternName, ...] = tuple(name for name in PATTERN_NAMES if str(name) != "periodic")


@dataclass(frozen=True)
class PaperNetwork:
    """A fully connected network given as the papers give it.

    Attributes:
        widths: Units of each layer, inputs first.
        fan_out: Kept connections per input unit of each junction.
        family: Networks compared with each other; one figure of them is meaningful.
    """

    widths: tuple[int, ...]
    fan_out: tuple[int, ...]
    family: str

    @property
    def name(self) -> str:
        """Widths, and the fan-out where it is sparse: ``800-40-40-10 fan-out 2,9,10``."""
        widths = "-".join(map(str, self.widths))
        return widths + (f" fan-out {','.join(map(str, self.fan_out))}" if self.is_sparse else "")

    @property
    def densities(self) -> tuple[Fraction, ...]:
        """Kept / possible connections of each junction.

        Raises:
            UserError: A fan-out leaves no whole-numbered fan-in, or is larger than the junction allows.
        """
        return tuple(
            fan_out_density(inputs, outputs, fan_out)
            for (inputs, outputs), fan_out in zip(pairwise(self.widths), self.fan_out, strict=True)
        )

    @property
    def is_sparse(self) -> bool:
        return self.fan_out != self.widths[1:]

    @property
    def num_weights(self) -> int:
        """Kept weights, biases apart; also the multiply-accumulates of one inference."""
        return sum(inputs * fan for inputs, fan in zip(self.widths, self.fan_out, strict=False))

    @property
    def patterns(self) -> tuple[str, ...]:
        """Patterns it is trained with."""
        return LINEAR_PATTERNS if self.is_sparse else (DENSE,)

    @property
    def dense_twin(self) -> "PaperNetwork":
        return PaperNetwork(self.widths, self.widths[1:], self.family)


def fan_out_density(inputs: int, outputs: int, fan_out: int) -> Fraction:
    """The density that ``fan_out`` means; see the class for what it raises."""
    density = Fraction(fan_out, outputs)
    if density not in legal_densities(inputs, outputs):
        raise UserError(
            f"fan-out {fan_out}: {inputs} inputs and {outputs} outputs need a fan-out of 1 .. {outputs} with "
            f"a whole fan-in = inputs x fan-out / outputs, got fan-in {Fraction(inputs * fan_out, outputs)}"
        )
    return density


def uniform(widths: tuple[int, ...], density: Fraction, family: str) -> PaperNetwork:
    """Every junction at the legal density nearest to ``density``."""
    fan_out = tuple(
        int(snap_density(float(density), legal_densities(inputs, outputs)) * outputs)
        for inputs, outputs in pairwise(widths)
    )
    return PaperNetwork(widths, fan_out, family)


PAPER = PaperNetwork((800, 40, 40, 10), (2, 9, 10), "paper")
SMALL_DENSE = PaperNetwork((800, 3, 3, 10), (3, 3, 10), "paper")
DEY = PaperNetwork((800, 100, 10), (50, 10), "dey")
DEY_DENSE = PaperNetwork((784, 112, 10), (112, 10), "dey")
WIDE = (800, 240, 240, 10)
NETWORKS: tuple[PaperNetwork, ...] = (
    PAPER,
    SMALL_DENSE,
    PAPER.dense_twin,
    DEY,
    DEY.dense_twin,
    DEY_DENSE,
    *(
        uniform(WIDE, density, "wide")
        for density in (Fraction(1), Fraction(1, 4), Fraction(1, 8), Fraction(1, 16))
    ),
    PaperNetwork(
        WIDE, (15, 30, 10), "wide"
    ),  # dense where few weights are: Dey et al. advise denser late junctions
)


def build(network: PaperNetwork, pattern: str, seed: int) -> nn.Module:
    """The untrained backbone; equal arguments give equal weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        arguments = {"hidden": list(network.widths[1:-1])}
        backbone = build_backbone(FACTORY, arguments, (network.widths[0],), NUM_CLASSES, seed)
        if pattern != DENSE:
            paths = [junction.path for junction in find_junctions(backbone)]
            densities = dict(zip(paths, network.densities, strict=True))
            sparsify(backbone, densities, pattern, seed)  # type: ignore[arg-type]
        return backbone
