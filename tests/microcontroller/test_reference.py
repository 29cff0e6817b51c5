"""The float reference computes what PyTorch computes, wherever the window lies."""

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.microcontroller.forms import Depthwise, Shape, Window
from explorer.microcontroller.program import Concat, Map, Thin, Transpose, Weighted
from explorer.microcontroller.reference import mapped, moved, products, torch_order

small = st.integers(1, 3)


@settings(max_examples=60, deadline=None)
@given(small, small, small, small, small, small, st.integers(0, 2), st.integers(0, 2), st.booleans())
def test_convolutions(
    ky: int, kx: int, sy: int, sx: int, dy: int, dx: int, py: int, px: int, depthwise: bool
) -> None:
    rng = np.random.default_rng(0)
    inputs, outputs = 4, 4 if depthwise else 6
    x = rng.normal(size=(2, inputs, 9, 8)).astype(np.float32)
    weight = rng.normal(size=(outputs, 1 if depthwise else inputs, ky, kx)).astype(np.float32)
    expected = F.conv2d(
        torch.from_numpy(x),
        torch.from_numpy(weight),
        None,
        (sy, sx),
        (py, px),
        (dy, dx),
        groups=inputs if depthwise else 1,
    ).numpy()
    window = Window((ky, kx), (sy, sx), (py, px), (dy, dx))
    op = Weighted("conv", ("x",), "y", weight, np.zeros(outputs, np.float32), window)
    if depthwise:
        op = Weighted("conv", ("x",), "y", weight, np.zeros(outputs, np.float32), window, Depthwise())
    shape = Shape(expected.shape[2], expected.shape[3], outputs)
    found = products(op, x.transpose(0, 2, 3, 1), shape, zero=0)
    np.testing.assert_allclose(found.transpose(0, 3, 1, 2), expected, atol=1e-5)


def test_activations() -> None:
    x = np.linspace(-6, 6, 49, dtype=np.float32)
    for function, theirs in (("hard_swish", F.hardswish), ("sigmoid", torch.sigmoid)):
        found = mapped(Map("act", ("x",), "y", function), x)  # type: ignore[arg-type]
        np.testing.assert_allclose(found, theirs(torch.from_numpy(x)).numpy(), atol=1e-6)


def test_moves() -> None:
    x = np.arange(2 * 4 * 4 * 3).reshape(2, 4, 4, 3)
    thin = moved(Thin("thin", ("x",), "y", (2, 2), 1), [x], Shape(2, 2, 6), zero=-1)
    assert np.array_equal(thin[..., 1:4], x[:, ::2, ::2])
    assert (thin[..., [0, 4, 5]] == -1).all()
    joined = moved(Concat("cat", ("x", "x"), "y"), [x, x], Shape(4, 4, 6), zero=0)
    assert np.array_equal(joined[..., 3:], x)
    flat = moved(Transpose("flatten", ("x",), "y", 1, 16, 3), [x], Shape(1, 1, 48), zero=0)
    assert np.array_equal(flat.reshape(2, -1), torch_order(x, Shape(4, 4, 3)))
