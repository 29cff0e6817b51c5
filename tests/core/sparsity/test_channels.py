"""Gathered channels are those of ``index_select``, gradient included; their memory format stays."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from explorer.core.sparsity.channels import gather_channels, reading_places
from explorer.core.sparsity.layers import BlockConv, sparse_layer


@settings(deadline=None, max_examples=40)
@given(
    count=st.integers(1, 6),
    reads=st.integers(1, 3),
    extents=st.sampled_from([(), (3,), (2, 3), (1, 1)]),
    channels_last=st.booleans(),
    seed=st.integers(0, 99),
)
def test_is_index_select(
    count: int, reads: int, extents: tuple[int, ...], channels_last: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    channels = torch.arange(count).repeat(reads)[torch.randperm(count * reads, generator=generator)]
    x = torch.randn(2, count, *extents, generator=generator, dtype=torch.float64)
    if channels_last and len(extents) == 2:
        x = x.to(memory_format=torch.channels_last)
    x.requires_grad_()
    gathered = gather_channels(x, channels, reading_places(channels, count))
    expected = x.index_select(1, channels)
    assert torch.equal(gathered, expected)
    upstream = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    (mine,), (theirs,) = (torch.autograd.grad(y, x, upstream) for y in (gathered, expected))
    torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("density", [Fraction(1, 4), Fraction(3, 8)], ids=str)
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format], ids=str)
def test_a_convolution_keeps_the_memory_format(density: Fraction, memory_format: torch.memory_format) -> None:
    """Forward and backward, so that layers around it meet one format only."""
    layer = sparse_layer(nn.Conv2d(64, 64, 3, padding=1), "block", density, 0, interleaved=True)
    layer.to(memory_format=memory_format)
    seen: list[Tensor] = []
    x = torch.randn(2, 64, 6, 5).to(memory_format=memory_format).requires_grad_()
    y = layer(x)
    x.register_hook(seen.append)
    y.backward(torch.ones_like(y))
    assert y.is_contiguous(memory_format=memory_format)
    assert seen[0].is_contiguous(memory_format=memory_format)


def test_inference_is_left_to_an_operator_that_can_be_exported() -> None:
    layer = sparse_layer(nn.Conv2d(8, 8, 3), "block", Fraction(1, 4), 0, interleaved=True).eval()
    assert isinstance(layer, BlockConv)
    assert layer.places is not None
    x = torch.randn(2, 8, 5, 5, requires_grad=True)
    evaluated = layer(x)
    torch.testing.assert_close(evaluated, layer.train()(x))
    names = set()
    node = evaluated.grad_fn
    while node is not None:
        names.add(node.name())
        node = node.next_functions[0][0] if node.next_functions else None
    assert "IndexSelectBackward0" in names
