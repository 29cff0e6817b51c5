"""Reference networks that every search starts with: what an engineer would do without one."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import log
from typing import Any

from explorer.core.graph.split_points import INPUT, OUTPUT
from explorer.core.sparsity.patterns import snap_density
from explorer.engine.proposals import Proposer
from explorer.space.variants import Variant


@dataclass(frozen=True)
class Reference:
    """A known network enqueued before the search proposes anything.

    Attributes:
        name: ``dense``, ``all_edge``, ``all_server``, ``large_sparse``, ``small_dense`` or
            ``small_dense_pooled``.
        params: Optuna parameters of the candidate.

    Example:
        >>> Reference("dense", {"backbone": "mlp", "mlp.split_point": 0.5}).params["backbone"]
        'mlp'
    """

    name: str
    params: dict[str, Any]


def references(proposer: Proposer) -> list[Reference]:
    """Reference candidates of every backbone that the space contains, those that train fastest first.

    Example:
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> proposer = Proposer(build_inventory(load_space("digits")[0], (1, 8, 8), 10), {})
        >>> [reference.name for reference in references(proposer) if reference.params["backbone"] == "mlp"]
        ['small_dense', 'large_sparse', 'dense', 'all_edge', 'all_server']
    """
    return [ref for backbone in proposer.space.backbones for ref in _backbone_references(proposer, backbone)]


def _backbone_references(proposer: Proposer, backbone: str) -> Iterator[Reference]:
    if not (usable := proposer.inventory.usable(backbone)):
        return
    alike = [v for v in usable if v.bottleneck == usable[0].bottleneck]
    least = min(v.input_pool for v in alike)
    by_size = sorted((v for v in alike if v.input_pool == least), key=lambda v: v.num_weights(v.densest))
    small, large = by_size[0], by_size[-1]
    names = [point.name for point in large.split_points]
    low, high = proposer.space.confidence_thresholds.low, proposer.space.confidence_thresholds.high
    dense = large.densest
    middle = names[len(names) // 2]
    if OUTPUT in names and small is not large:
        target = small.num_weights(small.densest)
        sparse = min(_uniform_densities(large), key=lambda d: abs(log(large.num_weights(d) / target)))
        # a wide network takes longer to train, however few of its weights are kept
        yield Reference("small_dense", proposer.params(small, small.densest, OUTPUT, low))
        if pooled := [v for v in alike if v.input_pool > least]:
            kept = large.num_weights(sparse)
            rival = min(pooled, key=lambda v: abs(log(v.num_weights(v.densest) / kept)))
            yield Reference("small_dense_pooled", proposer.params(rival, rival.densest, OUTPUT, low))
        yield Reference("large_sparse", proposer.params(large, sparse, OUTPUT, low))
    yield Reference("dense", proposer.params(large, dense, middle, (low + high) / 2))
    if OUTPUT in names:
        yield Reference("all_edge", proposer.params(large, dense, OUTPUT, low))
    if INPUT in names and high >= 1.0:
        yield Reference("all_server", proposer.params(large, dense, INPUT, 1.0))


def _uniform_densities(variant: Variant) -> Iterator[dict[str, Fraction]]:
    """Assignments in which every junction is as near as it can be to one common density."""
    for target in sorted({choice for choices in variant.densities.values() for choice in choices}):
        yield {path: snap_density(float(target), choices) for path, choices in variant.densities.items()}
