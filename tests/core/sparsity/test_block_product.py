"""The product by hand is what autograd makes of the same batched product, in every layout that it meets."""

from fractions import Fraction
from math import prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from explorer.core.sparsity.block import BY_HAND, BlockLinear
from explorer.core.sparsity.block_product import block_product
from explorer.core.sparsity.layers import sparse_layer
from explorer.core.sparsity.patterns import kept_connections

DOUBLE = torch.float64


def dense_weight(weight_GIO: Tensor, density: Fraction, interleaved: bool, inputs: int) -> Tensor:
    """(outputs, inputs), by the kept positions of the pattern; differentiable."""
    groups, _, size_out = weight_GIO.shape
    outputs, size = groups * size_out, inputs // groups
    kept = kept_connections("block", inputs, outputs, density, 0, interleaved)
    output, unit = torch.from_numpy(kept) // inputs, torch.from_numpy(kept) % inputs
    source, place = (unit % groups, unit // groups) if interleaved else (unit // size, unit % size)
    read = (source - output // size_out) % groups
    values = weight_GIO[output // size_out, read * size + place, output % size_out]
    flat = torch.zeros(outputs * inputs, dtype=weight_GIO.dtype).index_put((torch.from_numpy(kept),), values)
    return flat.view(outputs, inputs)


@settings(deadline=None, max_examples=60)
@given(
    groups=st.integers(2, 5),
    reads=st.integers(1, 4),
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    batch=st.integers(1, 4),
    interleaved=st.booleans(),
    biased=st.booleans(),
    samples_last=st.tuples(st.booleans(), st.booleans()),
)
def test_is_the_masked_dense_product(
    groups: int,
    reads: int,
    sizes: tuple[int, int],
    batch: int,
    interleaved: bool,
    biased: bool,
    samples_last: tuple[bool, bool],
) -> None:
    density = Fraction(min(reads, groups - 1), groups)
    groups, reads = density.denominator, density.numerator  # in lowest terms
    inputs, outputs = groups * sizes[0], groups * sizes[1]
    generator = torch.Generator().manual_seed(prod((groups, reads, *sizes, batch)))

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=DOUBLE)

    x = drawn(inputs, batch).t() if samples_last[0] else drawn(batch, inputs)
    upstream = drawn(outputs, batch).t() if samples_last[1] else drawn(batch, outputs)
    weight_GIO, bias = drawn(groups, reads * sizes[0], sizes[1]), drawn(outputs) if biased else None
    leaves = [x, weight_GIO] + ([] if bias is None else [bias])
    for leaf in leaves:
        leaf.requires_grad_()
    before = [leaf.detach().clone() for leaf in leaves]
    by_hand = block_product(x, weight_GIO, bias, interleaved)
    expected = nn.functional.linear(x, dense_weight(weight_GIO, density, interleaved, inputs), bias)
    torch.testing.assert_close(by_hand, expected)
    for mine, theirs in zip(
        torch.autograd.grad(by_hand, leaves, upstream),
        torch.autograd.grad(expected, leaves, upstream),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)
    for leaf, was in zip(leaves, before, strict=True):
        assert torch.equal(leaf, was)  # nothing is written into what was given


def steps(layer: BlockLinear, x: Tensor) -> list[Tensor]:
    """Three steps with momentum: what they leave, and the gradient of the input.

    AdamW divides by the size of a gradient, so of the smallest gradients it shows the rounding alone.
    """
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.01, momentum=0.9)
    x = x.clone().requires_grad_()
    for _ in range(3):
        x.grad = None
        optimiser.zero_grad()
        layer(x).square().sum(1).mean().backward()
        optimiser.step()
    assert x.grad is not None
    state = [value for entry in optimiser.state.values() for value in entry.values()]
    return [x.grad, *(parameter.detach() for parameter in layer.parameters()), *state]


@pytest.mark.parametrize("density", [Fraction(1, 4), Fraction(1, 8), Fraction(3, 8)], ids=str)
@pytest.mark.parametrize("interleaved", [False, True])
def test_training_steps_are_those_of_autograd(density: Fraction, interleaved: bool) -> None:
    """In float32, and in the size in which it is used."""
    torch.manual_seed(0)
    x, dense = torch.randn(32, 1024), nn.Linear(1024, 1024)
    layers = [sparse_layer(dense, "block", density, 0, interleaved) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    by_hand, by_autograd = layers
    assert isinstance(by_hand, BlockLinear)
    assert isinstance(by_autograd, BlockLinear)
    assert by_hand.by_hand
    by_autograd.by_hand = False
    for mine, theirs in zip(steps(by_hand, x), steps(by_autograd, x), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_only_large_layers_placed_by_the_rule_train_by_hand() -> None:
    side = 4 * int(BY_HAND**0.5) // 2
    large, small = (
        sparse_layer(nn.Linear(side, units), "block", Fraction(1, 4), 0) for units in (side + 4, side)
    )
    assert isinstance(large, BlockLinear)
    assert isinstance(small, BlockLinear)
    assert small.num_weights == BY_HAND
    assert large.by_hand
    assert not small.by_hand


def test_gradients_lie_as_what_they_belong_to() -> None:
    """So neither the optimiser nor the layer before has to copy them."""
    weight_GIO = torch.randn(4, 6, 3, requires_grad=True)
    for x in (torch.randn(5, 8), torch.randn(8, 5).t()):
        x.requires_grad_()
        y = block_product(x, weight_GIO[:, :2], bias=None)
        assert y.t().is_contiguous()
        (gradient,) = torch.autograd.grad(y.sum(), x)
        assert gradient.stride() == x.stride()


def test_what_is_frozen_gets_no_gradient() -> None:
    weight_GIO, bias = torch.randn(2, 3, 4), torch.randn(8, requires_grad=True)
    y = block_product(torch.randn(5, 6), weight_GIO, bias)
    (gradient,) = torch.autograd.grad(y.sum(), bias)
    assert gradient.tolist() == [5.0] * 8  # once for each sample


def test_autocast_takes_half_precision() -> None:
    x, weight_GIO = torch.randn(5, 6, requires_grad=True), torch.randn(2, 3, 4, requires_grad=True)
    bias = torch.randn(8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = block_product(x, weight_GIO, bias)
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert {leaf.grad.dtype for leaf in (x, weight_GIO, bias) if leaf.grad is not None} == {torch.float32}
    assert x.grad is not None
    expected = weight_GIO.detach().sum(2).flatten().expand(5, 6)
    torch.testing.assert_close(x.grad, expected, rtol=0.05, atol=0.05)
