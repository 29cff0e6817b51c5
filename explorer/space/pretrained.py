"""Trained weights that a factory brings along, and what becomes of them in sparse layers."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import nn

from explorer.backbones import build_backbone
from explorer.core.sparsity.layers import InitialWeights
from explorer.core.sparsity.sparsify import Junction


def trained_parameters(
    module: nn.Module,
    factory: str,
    arguments: Mapping[str, Any],
    input_shape: tuple[int, ...],
    num_classes: int,
    seed: int,
) -> frozenset[str]:
    """Parameters of ``module`` that its factory does not draw: they are the same for another seed.

    Those of one value, as batch norms start with, tell nothing and are left out.

    Args:
        module: What the factory gave for ``seed``.
        factory: ``package.module:function``.
        arguments: Its arguments.
        input_shape: Without batch.
        num_classes: Logits.
        seed: Of ``module``.

    Example:
        >>> from explorer.utils.imports import name_of
        >>> how = (name_of(nn.Linear(4, 2)), {}, (4,), 2, 0)
        >>> sorted(trained_parameters(build_backbone(*how), *how))
        ['bias', 'weight']
    """
    other = dict(build_backbone(factory, arguments, input_shape, num_classes, seed + 1).named_parameters())
    return frozenset(
        name
        for name, parameter in module.named_parameters()
        if name in other
        and parameter.shape == other[name].shape
        and torch.equal(parameter, other[name])
        and bool((parameter != parameter.flatten()[:1]).any())
    )


def weights_come_from(junction: Junction, density: Fraction, initial: InitialWeights) -> str:
    """Where the weights of a junction come from at a density, in words.

    Example:
        >>> trained = Junction("fc", "Linear", 4, 4, 1, 16, (), trained=True)
        >>> weights_come_from(trained, Fraction(1, 4), InitialWeights("keep"))
        'trained, kept and scaled by density^-1/2'
        >>> weights_come_from(trained, Fraction(1, 4), InitialWeights("draw"))
        'drawn anew, though trained ones exist'
    """
    frozen = ", frozen" if junction.frozen else ""
    if density == 1:
        return ("trained" if junction.trained else "drawn by seed") + frozen
    if initial.source == "dense":
        return f"those of the trained dense network, kept and scaled by density^-1/2{frozen}"
    if initial.source == "keep":
        scales = initial.rescale == "all" or (initial.rescale == "linear" and junction.kind == "Linear")
        scaled = " and scaled by density^-1/2" if scales else ""
        return f"{'trained' if junction.trained else 'drawn by seed'}, kept{scaled}{frozen}"
    if junction.trained:
        return f"drawn anew, though trained ones exist{frozen}"
    return f"drawn by seed{frozen}"


def origins(junction: Junction, densities: Sequence[Fraction], initial: InitialWeights) -> str:
    """:func:`weights_come_from` at density 1 and below, as far as these are among the choices.

    Example:
        >>> trained = Junction("fc", "Linear", 4, 4, 1, 16, (), trained=True)
        >>> origins(trained, [Fraction(1, 4), Fraction(1)], InitialWeights("draw"))
        'trained; below 1: drawn anew, though trained ones exist'
    """
    dense = [weights_come_from(junction, Fraction(1), initial)] * (1 in densities)
    sparse = [weights_come_from(junction, min(densities), initial)] * (min(densities) < 1)
    return "; below 1: ".join(dict.fromkeys([*dense, *sparse]))
