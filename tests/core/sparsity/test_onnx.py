"""Every sparse layer exports to standard ONNX operators and computes the same in ONNX Runtime."""

import io
import logging
import warnings
from fractions import Fraction

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from explorer.core.sparsity.layers import DenseLayer, sparse_layer
from explorer.core.sparsity.patterns import PatternName

pytestmark = pytest.mark.slow

CASES: list[tuple[str, DenseLayer, tuple[int, ...], PatternName, Fraction, bool]] = [
    ("block-linear", nn.Linear(24, 16), (24,), "block", Fraction(1, 4), False),
    ("block-linear-interleaved", nn.Linear(24, 16), (24,), "block", Fraction(1, 4), True),
    ("block-linear-overlapping", nn.Linear(24, 16), (24,), "block", Fraction(3, 4), True),
    ("block-linear-no-bias", nn.Linear(24, 16, bias=False), (24,), "block", Fraction(3, 4), False),
    ("block-conv1d", nn.Conv1d(8, 4, 3, padding=1), (8, 9), "block", Fraction(1, 4), False),
    ("block-conv1d-overlapping", nn.Conv1d(8, 4, 3), (8, 9), "block", Fraction(3, 4), True),
    ("block-conv2d-narrow", nn.Conv2d(8, 4, 3, padding=1), (8, 6, 7), "block", Fraction(1, 4), True),
    ("block-conv2d-wide", nn.Conv2d(32, 16, 3, stride=2), (32, 6, 7), "block", Fraction(1, 4), False),
    ("structured-linear", nn.Linear(24, 16), (24,), "structured", Fraction(1, 4), False),
    ("structured-conv1d", nn.Conv1d(8, 4, 3), (8, 9), "structured", Fraction(1, 4), False),
    ("random-linear", nn.Linear(24, 16), (24,), "random", Fraction(1, 4), False),
    ("random-conv2d", nn.Conv2d(8, 4, 3, padding=1), (8, 6, 7), "random", Fraction(1, 4), False),
    ("clash-free-linear", nn.Linear(24, 16), (24,), "clash_free", Fraction(1, 4), False),
    ("periodic-conv2d", nn.Conv2d(8, 4, 3, padding=1), (8, 6, 7), "periodic", Fraction(1, 3), False),
]


def exported(layer: nn.Module, x: Tensor, dynamic: bool = False) -> bytes:
    """The layer as one ONNX file, with a free batch axis if ``dynamic``."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    shapes = ({0: torch.export.Dim("batch")},) if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(layer.eval(), (x,), dynamo=True, verbose=False, dynamic_shapes=shapes)
    assert program is not None
    buffer = io.BytesIO()
    program.save(buffer)
    return buffer.getvalue()


def assert_runs_alike(layer: nn.Module, file: bytes, x: Tensor) -> None:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(result, layer(x).numpy(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("dense", "shape", "pattern", "density", "interleaved"),
                         [case[1:] for case in CASES], ids=[case[0] for case in CASES])  # fmt: skip
def test_exports_to_standard_operators(
    dense: DenseLayer, shape: tuple[int, ...], pattern: PatternName, density: Fraction, interleaved: bool
) -> None:
    layer = sparse_layer(dense, pattern, density, 0, interleaved)
    x = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    file = exported(layer, x)
    model = onnx.load_from_string(file)
    onnx.checker.check_model(model)
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert not model.functions
    assert_runs_alike(layer, file, x)


@pytest.mark.parametrize("dense", [nn.Linear(24, 16), nn.Conv2d(24, 16, 3)], ids=["linear", "conv2d"])
@pytest.mark.parametrize("density", [Fraction(1, 4), Fraction(3, 4)], ids=str)
def test_exports_with_a_free_batch_axis(dense: DenseLayer, density: Fraction) -> None:
    layer = sparse_layer(dense, "block", density, 0, interleaved=True)
    shape = (24,) if isinstance(dense, nn.Linear) else (24, 5, 5)
    file = exported(layer, torch.randn(3, *shape), dynamic=True)
    for batch_size in (1, 5):
        assert_runs_alike(layer, file, torch.randn(batch_size, *shape))


def test_block_file_holds_only_kept_weights() -> None:
    dense, x = nn.Linear(512, 512), torch.zeros(1, 512)
    block = len(exported(sparse_layer(dense, "block", Fraction(1, 4), 0), x))
    assert block <= 0.27 * len(exported(dense, x))


def test_scattered_file_holds_values_and_64_bit_positions() -> None:
    """Three words per kept weight, as positions cannot be derived from the seed in ONNX; no dense weight."""
    dense, x = nn.Linear(512, 512), torch.zeros(1, 512)
    layer = sparse_layer(dense, "structured", Fraction(1, 8), 0)
    kept = 512 * 512 // 8
    assert len(exported(layer, x)) == pytest.approx(kept * (4 + 8) + 512 * 4, rel=0.1)
