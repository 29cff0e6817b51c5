"""Fake quantisation: values by formula, gradients straight through, and networks that train under it."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from trainings import RECIPE, data, network

from explorer.core.fake_quantisation import FakeQuantisation, rounded_tensor, rounded_weight
from explorer.core.graph.same_training import Precision
from explorer.core.network import Network
from explorer.core.recipe import Recipe
from explorer.core.sparsity.layers import sparse_layer
from explorer.core.sparsity.patterns import KERNEL_PATTERN_NAMES, PatternName
from explorer.core.training import train
from explorer.microcontroller.quantise import Scale

QUANTISED = replace(RECIPE, epochs=4, quantised_epochs=2)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=50, deadline=None)
@given(st.floats(-1e3, 1e3), st.floats(1e-2, 1e3), st.integers(0, 2**32 - 1))
def test_a_tensor_is_what_its_integers_stand_for(low: float, width: float, seed: int) -> None:
    values = low + width * torch.rand(200, generator=torch.Generator().manual_seed(seed))
    own = Scale.of(float(values.min()), float(values.max()))
    rounded = rounded_tensor(values)
    integers = rounded / own.step + own.zero
    torch.testing.assert_close(integers, integers.round(), rtol=0, atol=1e-3)
    assert -128 <= integers.round().min() <= integers.round().max() <= 127
    assert (rounded - values).abs().max() <= 0.51 * own.step
    assert rounded_tensor(torch.zeros(3)).tolist() == [0, 0, 0]


def test_gradients_pass_straight_through() -> None:
    """The derivative of L = sum(c x') by x is c: that of the identity, in the whole range."""
    x = torch.tensor([-1.006, -0.7, 0.0, 0.001, 0.3, 1.0], requires_grad=True)
    c = torch.arange(1.0, 7.0)
    (c * rounded_tensor(x)).sum().backward()
    assert torch.equal(x.grad, c)


def test_a_layer_learns_from_the_rounded_product() -> None:
    """Of L = sum(c * (x' W'^T + b)) the gradients are c^T x', c W' and the sum of c."""
    layer = nn.Linear(4, 2)
    whole = Network(nn.Sequential(layer), torch.zeros(1, 4), 2, exit_features=4)
    x, c = drawn(8, 4), drawn(8, 2, seed=1)
    before = layer.weight.detach().clone()
    with FakeQuantisation(whole).rounding():
        weight = rounded_weight(before, torch.arange(2))
        torch.testing.assert_close(layer.weight.detach(), weight, rtol=0, atol=0)
        logits = whole.features(x)[-1]
        (c * logits).sum().backward()
    torch.testing.assert_close(logits, rounded_tensor(x) @ weight.T + layer.bias)
    torch.testing.assert_close(layer.weight.grad, c.T @ rounded_tensor(x))
    assert layer.bias.grad is not None
    torch.testing.assert_close(layer.bias.grad, c.sum(0))
    assert torch.equal(layer.weight.detach(), before)
    torch.testing.assert_close(whole.features(x)[-1], x @ before.T + layer.bias)  # nothing is rounded now


def test_weights_come_back_after_an_error() -> None:
    own = network()
    before = own.weights()
    with pytest.raises(KeyError), FakeQuantisation(own).rounding():
        raise KeyError
    assert all(torch.equal(tensor, before[name]) for name, tensor in own.weights().items())
    assert not any(module._forward_pre_hooks for module in own.modules())


@pytest.mark.parametrize(
    ("dense", "pattern", "density", "interleaved"),
    [
        (nn.Linear(12, 6), "block", Fraction(1, 3), False),
        (nn.Linear(12, 6), "block", Fraction(2, 3), True),
        (nn.Conv2d(8, 4, 3), "block", Fraction(1, 4), True),
        (nn.Linear(12, 6), "structured", Fraction(1, 3), False),
        (nn.Conv1d(8, 4, 3), "random", Fraction(1, 4), False),
        (nn.Conv2d(8, 4, 3), "periodic", Fraction(4, 9), False),
    ],
)
def test_sparse_layers_have_a_step_for_each_output(
    dense: nn.Linear | nn.Conv1d | nn.Conv2d, pattern: PatternName, density: Fraction, interleaved: bool
) -> None:
    """The same weights, kept from a dense layer that is zero elsewhere, are rounded alike."""
    layer = sparse_layer(dense, pattern, density, seed=0, interleaved=interleaved)
    everywhere = drawn(*dense.weight.shape) * 10.0 ** torch.arange(layer.outputs).view(
        -1, *[1] * (dense.weight.dim() - 1)
    )
    kept = torch.zeros_like(everywhere)
    of_taps = pattern in KERNEL_PATTERN_NAMES
    (kept.view(-1) if of_taps else kept.view(layer.outputs * layer.inputs, -1))[layer.kept_positions()] = 1
    expected = rounded_weight(everywhere * kept, torch.arange(layer.outputs))
    weight = getattr(layer, layer.kept)
    with torch.no_grad():
        weight.copy_(layer.kept_of(everywhere))
    sample = torch.zeros(1, layer.inputs, *(7,) * (dense.weight.dim() - 2))
    classifier = nn.Linear(layer(sample).flatten(1).shape[1], 2)
    whole = Network(nn.Sequential(layer, nn.Flatten(), classifier), sample, 2, exit_features=4)
    with FakeQuantisation(whole).rounding():
        torch.testing.assert_close(weight.detach(), layer.kept_of(expected), rtol=1e-6, atol=0)


@given(st.floats(1e-3, 1e3), st.booleans())
def test_folding_a_normalisation_changes_no_integer(scale: float, negative: bool) -> None:
    weight, outputs = drawn(3, 40), torch.arange(3)
    factor = -scale if negative else scale
    folded = rounded_weight(factor * weight, outputs)
    steps = weight.abs().amax(1, keepdim=True) / 127
    at_a_tie = ((weight / steps) % 1 - 0.5).abs() < 1e-3
    torch.testing.assert_close(
        folded[~at_a_tie], (factor * rounded_weight(weight, outputs))[~at_a_tie], rtol=1e-5, atol=0
    )


def weights_after(recipe: Recipe, *pieces: int) -> dict[str, Tensor]:
    state = None
    for until in (*pieces, recipe.total_epochs):
        trained = network()
        state = train(trained, data(50), recipe, until, state).state
    return trained.weights()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_seed_gives_the_same_weights_with_or_without_a_stop(precision: Precision) -> None:
    recipe = replace(QUANTISED, precision=precision)
    whole, plain = weights_after(recipe), weights_after(replace(recipe, quantised_epochs=0))
    for other in (weights_after(recipe), weights_after(recipe, 1, 3)):
        assert all(torch.equal(other[name], tensor) for name, tensor in whole.items())
    assert any(not torch.equal(whole[name], tensor) for name, tensor in plain.items())


def test_epochs_before_the_last_are_those_of_any_training() -> None:
    one, other = network(), network()
    train(one, data(50), QUANTISED, until_epoch=2)
    train(other, data(50), replace(QUANTISED, quantised_epochs=0), until_epoch=2)
    assert all(torch.equal(tensor, other.weights()[name]) for name, tensor in one.weights().items())


def test_exits_that_are_trained_alone_follow_a_rounded_backbone() -> None:
    recipe = replace(QUANTISED, exit_epochs=2)
    assert [recipe.quantises(epoch) for epoch in range(6)] == [False, False, True, True, True, True]
    assert not any(replace(recipe, quantised_epochs=0).quantises(epoch) for epoch in range(6))
    assert all(replace(recipe, quantised_epochs=9).quantises(epoch) for epoch in range(6))
    frozen = replace(recipe, backbone="frozen")
    trained, before = network(), network().weights()
    train(trained, data(50), frozen)
    after = trained.weights()
    assert all(torch.equal(after[n], own) for n, own in before.items() if n.startswith("backbone."))
    plain = network()
    train(plain, data(50), replace(frozen, quantised_epochs=0))
    assert any(not torch.equal(after[name], own) for name, own in plain.weights().items())
