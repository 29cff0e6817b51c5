"""Growth of the hypervolume against fronts computed anew, and its expectation against every order."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.front.growth import hypervolume_growth
from explorer.front.pareto import hypervolume


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 4))
def test_growth_is_the_hypervolume_of_the_first_and_its_mean_over_all_orders(
    seed: int, axes: int, networks: int
) -> None:
    rng = np.random.default_rng(seed)
    losses = [rng.random((rng.integers(0, 6), axes)) for _ in range(networks)]
    low, high = np.zeros(axes), np.full(axes, 0.9)

    def after(order: tuple[int, ...]) -> list[float]:
        firsts = (np.concatenate([losses[place] for place in order[: k + 1]]) for k in range(networks))
        return [hypervolume(first, high, low) for first in firsts]

    grown, expected = hypervolume_growth(losses, low, high)
    assert grown == pytest.approx(after(tuple(range(networks))), abs=0.01)
    assert expected == pytest.approx(
        np.mean([after(own) for own in permutations(range(networks))], axis=0), abs=0.01
    )
    assert (np.diff(grown) >= 0).all()
    assert (np.diff(expected) >= -1e-12).all()
    assert grown[-1] == pytest.approx(expected[-1])


def test_many_networks_without_points_reach_nothing() -> None:
    grown, expected = hypervolume_growth([np.empty((0, 2))] * 300, np.zeros(2), np.ones(2))
    assert grown.tolist() == [0.0] * 300
    assert expected == pytest.approx(np.zeros(300), abs=1e-9)
