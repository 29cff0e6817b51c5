"""Names of networks and operating points that a person can say; keys and ids stay what machines go by."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from explorer.core.graph.split_points import OUTPUT
from explorer.space.candidate import NetworkSpec


def network_words(spec: NetworkSpec) -> tuple[str, str]:
    """What a network is, and how dense it is: its backbone with what was chosen of it, and its densities.

    Returns:
        Two short texts. Two networks of a run may share both, such as those of two patterns.

    Example:
        >>> from dataclasses import replace
        >>> from explorer.space.files import load_space
        >>> how = ("explorer.backbones:cnn", '{"channels": [16, 32], "kernel": 3}', "block")
        >>> densities = (("conv1", Fraction(1)), ("conv2", Fraction(1, 4)))
        >>> spec = NetworkSpec("cnn", *how, densities, 64, load_space("digits")[0].recipe, "{}")
        >>> network_words(spec)
        ('cnn 16-32 3', '1/4 to 1')
        >>> network_words(replace(spec, input_pool=2))[0]
        'cnn 16-32 3 input pool 2'
    """
    chosen = [spec.backbone, *(_argument_text(value) for value in spec.argument_values.values())]
    chosen += [f"input pool {spec.input_pool}"] * (spec.input_pool > 1)
    return " ".join(chosen), density_text(share for _, share in spec.densities)


def point_name(words: tuple[str, str], split_point: str) -> str:
    """The name of an operating point, from the words of its network and where that is cut.

    Example:
        >>> point_name(("cnn 16-32", "1/4"), "pool2"), point_name(("cnn 16-32", "dense"), "output")
        ('cnn 16-32 at pool2, 1/4', 'cnn 16-32 on the edge, dense')
    """
    where = "on the edge" if split_point == OUTPUT else f"at {split_point}"
    return f"{words[0]} {where}, {words[1]}"


def density_text(densities: Iterable[Fraction]) -> str:
    """One density, or the least and the largest; ``dense`` where nothing is left out.

    Example:
        >>> density_text([Fraction(1, 8), Fraction(1, 2)]), density_text([Fraction(1)]), density_text([])
        ('1/8 to 1/2', 'dense', 'dense')
    """
    own = sorted(set(densities))
    if not own or own[0] == 1:
        return "dense"
    return str(own[0]) if len(own) == 1 else f"{own[0]} to {own[-1]}"


def _argument_text(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(_argument_text(part) for part in value)
    return str(value)
