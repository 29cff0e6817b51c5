"""The networks a search by model starts with: every variant at two sizes, cheapest first.

A regression needs to have seen each variant, and a first front shall be there soon.
"""

from collections.abc import Iterator

from explorer.engine.surrogate.architectures import Architecture, Architectures

_PLACES = (0.3, 0.9)  # on the ladder of uniform densities, from sparse to dense
STARTS_OF_A_VARIANT = len(_PLACES)
MAX_STARTS = 24  # of a space with many variants, an even choice


def starts(architectures: Architectures) -> list[Architecture]:
    """Networks to train before the model proposes any.

    Example:
        >>> from explorer.engine.proposals import Proposer
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> inventory = build_inventory(load_space("digits")[0], (1, 8, 8), 10)
        >>> found = starts(Architectures(inventory, Proposer(inventory, {}).network))
        >>> [(own.variant, own.places) for own in found[:2]]
        [(0, (2, 2, 0)), (1, (2, 2, 0))]
    """
    found: list[Architecture] = []
    for place in _PLACES:
        rung = [_at(architectures.ladder(number), place) for number in architectures.countable]
        found += sorted(rung, key=lambda one: _macs(architectures, one))
    unique = list(dict.fromkeys(found))
    return list(_evenly(unique, MAX_STARTS))


def _at(ladder: list[Architecture], place: float) -> Architecture:
    return ladder[round(place * (len(ladder) - 1))]


def _macs(architectures: Architectures, one: Architecture) -> float:
    densities = architectures.densities(one.variant, [one])
    return float(architectures.costs(one.variant).totals(densities)[0, 0])


def _evenly(some: list[Architecture], most: int) -> Iterator[Architecture]:
    step = max(len(some) / most, 1.0)
    yield from (some[int(place * step)] for place in range(min(len(some), most)))
