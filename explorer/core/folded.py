"""Batch normalisations taken up by the layers before them, in the network itself.

The counts of :mod:`explorer.core.graph.folding` say which layers can; here their weights change.
"""

from collections.abc import Collection

import torch
from torch import nn

from explorer.core.network import Network
from explorer.core.sparsity.base import SparseLayer


@torch.no_grad()
def fold_norms(network: Network, crossing: Collection[str]) -> int:
    """Fold every batch normalisation that can be, and leave an identity in its place.

    Args:
        network: In eval mode; its weights change. Parts that were cut before still hold the normalisations.
        crossing: Names of the values that are sent; a layer whose own output is sent stays as it is.

    Returns:
        How many were folded.

    Example:
        >>> backbone = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))
        >>> network = Network(backbone, torch.zeros(1, 4), num_classes=2, exit_features=4).eval()
        >>> fold_norms(network, crossing=[])
        1
    """
    modules = {
        node.name: str(node.target) for node in network.backbone.graph.nodes if node.op == "call_module"
    }
    folded = 0
    for name, value in network.dataflow.values.items():
        if not value.folds_into or value.folds_into in crossing:
            continue
        layer = network.backbone.get_submodule(modules[value.folds_into])
        norm = network.backbone.get_submodule(modules[name])
        if isinstance(norm, nn.Identity):  # folded before
            continue
        assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
        _fold(layer, norm)
        network.backbone.set_submodule(modules[name], nn.Identity())
        folded += 1
    return folded


def _fold(layer: nn.Module, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    """Change a layer's weights to ``scale W`` and its bias to ``scale (b - mean) + shift``."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    shift = torch.zeros_like(scale)
    if norm.affine:
        scale, shift = scale * norm.weight.double(), norm.bias.double()
    assert isinstance(layer, SparseLayer | nn.Linear | nn.Conv1d | nn.Conv2d)
    bias = torch.zeros_like(scale) if layer.bias is None else layer.bias.double()
    new_bias = scale * (bias - norm.running_mean.double()) + shift
    if isinstance(layer, SparseLayer):
        weight: nn.Parameter = getattr(layer, layer.kept)
        everywhere = scale.view(-1, 1, 1).expand(layer.outputs, layer.inputs, layer.taps)
        weight.copy_(weight.double() * layer.kept_of(everywhere))
    else:
        layer.weight.copy_(layer.weight.double() * scale.view(-1, *[1] * (layer.weight.dim() - 1)))
    layer.bias = nn.Parameter(new_bias.float())
