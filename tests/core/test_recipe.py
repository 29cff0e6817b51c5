"""Learning rates by formula, and a recipe through JSON."""

import json
from dataclasses import asdict, replace
from math import cos, pi

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainings import RECIPE

from explorer.core.augmenter import AugmentStep
from explorer.core.losses import Distillation
from explorer.core.recipe import Recipe


def test_weights_of_exits() -> None:
    recipe = replace(RECIPE, exit_loss_weights=(("fc2", 0.0), ("fc3", 4.0)))
    assert RECIPE.exit_weights(["fc1", "fc2"]) == [0.5, 0.5]
    assert recipe.exit_weights(["fc1", "fc2", "fc3"]) == [0.5, 0.0, 4.0]


def test_learning_rates_of_both_phases() -> None:
    """Half a cosine each: the peak first, near zero last."""
    recipe = replace(RECIPE, epochs=2, exit_epochs=3, learning_rate=1.0)
    rates = [[recipe.learning_rate_at(epoch, step, 4) for step in range(4)] for epoch in range(5)]
    assert rates[0][0] == rates[2][0] == 1.0
    assert rates[1][-1] == pytest.approx((1 + cos(pi * 7 / 8)) / 2)
    assert rates[4][-1] == pytest.approx((1 + cos(pi * 11 / 12)) / 2)


def test_the_rate_rises_before_it_falls() -> None:
    """A quarter of 16 steps: 1/5 .. 4/5 of the peak, the peak, then half a cosine over the other 12."""
    recipe = replace(RECIPE, epochs=4, exit_epochs=1, learning_rate=1.0, warm_up=0.25)
    rates = [recipe.learning_rate_at(epoch, step, 4) for epoch in range(4) for step in range(4)]
    expected = [1 / 5, 2 / 5, 3 / 5, 4 / 5] + [(1 + cos(pi * step / 12)) / 2 for step in range(12)]
    assert rates == pytest.approx(expected)
    assert [replace(recipe, warm_up=1).learning_rate_at(epoch, 0, 4) for epoch in range(4)] == rates[::4]
    assert recipe.learning_rate_at(4, 0, 4) == 1.0  # exits alone begin at the peak


@given(st.integers(1, 9), st.integers(1, 20), st.floats(0, 0.99))
def test_no_rate_exceeds_the_peak(epochs: int, steps: int, warm_up: float) -> None:
    recipe = replace(RECIPE, epochs=epochs, learning_rate=1.0, warm_up=warm_up)
    rates = [recipe.learning_rate_at(epoch, step, steps) for epoch in range(epochs) for step in range(steps)]
    peak = rates.index(max(rates))
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


def test_json_round_trip() -> None:
    recipe = replace(
        RECIPE,
        exit_loss_weights=(("fc1", 0.5),),
        augment=(AugmentStep.of("crop_and_flip"), AugmentStep("mine:f")),
        self_distillation=Distillation(0.3, 4.0),
        teacher=Distillation(),
        quantised_epochs=3,
    )
    for own in (RECIPE, recipe):
        assert Recipe.from_json(json.loads(json.dumps(asdict(own)))) == own
