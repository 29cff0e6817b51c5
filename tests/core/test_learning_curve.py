"""Learning curves: which epochs, how many samples, what they say, and that looking changes nothing."""

import json
from dataclasses import asdict, replace

import torch
from hypothesis import given
from hypothesis import strategies as st
from trainings import RECIPE, data, network

from explorer.core.learning_curve import (
    COST_SHARE,
    LearningCurve,
    accuracies,
    checked_epochs,
    checked_samples,
)
from explorer.core.training import train


@given(st.integers(1, 200))
def test_the_last_epoch_is_looked_at(total: int) -> None:
    epochs = checked_epochs(total)
    assert epochs[-1] == total
    assert epochs[0] >= 1
    assert len(epochs) == min(total, 4)


@given(st.integers(1, 50), st.integers(1, 50_000), st.integers(1, 10_000))
def test_all_looks_together_stay_below_their_share(epochs: int, train_samples: int, validation: int) -> None:
    """By count: a forward pass is a third of a step."""
    samples = checked_samples(epochs, train_samples, validation)
    assert samples <= validation
    assert len(checked_epochs(epochs)) * samples / 3 <= COST_SHARE * epochs * train_samples + 1e-6


def test_the_curve_says_losses_and_accuracies() -> None:
    trained, subset = network(), data(400)
    record = train(trained, subset, replace(RECIPE, epochs=6), validation=subset).record
    curve = record.curve
    assert len(curve.losses) == 6
    assert curve.losses[-1] == record.final_loss < curve.losses[0]
    assert curve.epochs == (2, 3, 5, 6)
    assert curve.names == (*trained.exit_names, "output")
    some = subset.head(curve.samples)
    with torch.no_grad():
        shares = [float((own.argmax(1) == some.labels).double().mean()) for own in trained(some.inputs)]
    assert list(curve.accuracies[-1]) == shares == accuracies(trained, some)


def test_looking_changes_no_weight() -> None:
    looked, alone = network(), network()
    train(looked, data(400), RECIPE, validation=data(100))
    train(alone, data(400), RECIPE)
    assert all(torch.equal(looked.weights()[name], tensor) for name, tensor in alone.weights().items())


def test_a_stop_leaves_the_curve_whole() -> None:
    whole, first, then = network(), network(), network()
    recipe = replace(RECIPE, epochs=4)
    expected = train(whole, data(400), recipe, validation=data(50)).record.curve
    state = train(first, data(400), recipe, 2, validation=data(50)).state
    assert train(then, data(400), recipe, state=state, validation=data(50)).record.curve == expected
    assert LearningCurve.from_json(json.loads(json.dumps(asdict(expected)))) == expected
