"""Layer shapes, densities and the contestants that compute them.

Shape suffixes: N batch, C channels, H height, W width, I/O inputs/outputs.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from explorer.core.sparsity.layers import sparse_layer
from explorer.core.sparsity.patterns import PATTERN_NAMES, legal_densities

DENSITIES = tuple(Fraction(1, groups) for groups in (1, 2, 4, 8, 16))


@dataclass(frozen=True)
class Shape:
    """A dense layer and its input.

    Attributes:
        inputs, outputs: Units, channels of a 3x3 convolution with padding 1.
        side: Height and width of its feature maps; 0 for a Linear.
    """

    inputs: int
    outputs: int
    side: int = 0

    @property
    def name(self) -> str:
        if self.side:
            return f"conv {self.inputs}->{self.outputs} {self.side}x{self.side}"
        return f"linear {self.inputs}x{self.outputs}"

    @property
    def batch_size(self) -> int:
        """Samples of a training step and of batched inference."""
        return 64 if self.side else 256

    def dense(self) -> nn.Linear | nn.Conv2d:
        if self.side:
            return nn.Conv2d(self.inputs, self.outputs, 3, padding=1)
        return nn.Linear(self.inputs, self.outputs)

    def sample(self, batch_size: int) -> Tensor:
        return torch.randn(batch_size, self.inputs, *(self.side, self.side) * bool(self.side))


SHAPES = (
    Shape(800, 400),
    Shape(1024, 1024),
    Shape(2048, 2048),
    Shape(4096, 4096),
    Shape(32, 64, 28),
    Shape(64, 64, 16),
    Shape(128, 128, 8),
    Shape(256, 256, 8),
)
QUICK_SHAPES = (Shape(1024, 1024), Shape(32, 64, 28), Shape(256, 256, 8))
OVERLAPPING = (
    # k = 2 of g needs an odd g that divides both sides, which no power of two has: the nearest shapes, at
    # densities slightly above 1/4 and 1/8
    (Shape(1008, 1008), Fraction(2, 7)),
    (Shape(1020, 1020), Fraction(2, 15)),
    (Shape(224, 224, 8), Fraction(2, 7)),
    (Shape(240, 240, 8), Fraction(2, 15)),
    # many overlapping groups, or few channels
    (Shape(16, 32, 8), Fraction(5, 16)),
    (Shape(32, 32, 16), Fraction(3, 8)),
    (Shape(64, 64, 16), Fraction(3, 8)),
    (Shape(64, 64, 16), Fraction(5, 8)),
)


class MaskedDense(nn.Module):
    """The dense layer with its weight multiplied by a fixed 0/1 mask in every step."""

    mask: Tensor

    def __init__(self, dense: nn.Linear | nn.Conv2d, density: Fraction) -> None:
        super().__init__()
        self.layer = dense
        kept = torch.rand(dense.weight.shape[:2]) < float(density)
        kept = kept.view(*kept.shape, *[1] * (dense.weight.dim() - 2))
        self.register_buffer("mask", kept.expand_as(dense.weight).to(dense.weight.dtype).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        weight = self.layer.weight * self.mask
        if isinstance(self.layer, nn.Linear):
            return F.linear(x, weight, self.layer.bias)
        return F.conv2d(x, weight, self.layer.bias, padding=1)


class CompressedRows(nn.Module):
    """Inference through torch's CSR matrix; it has no gradient that keeps the zeros."""

    weight: Tensor

    def __init__(self, dense: nn.Linear, density: Fraction) -> None:
        super().__init__()
        kept = torch.rand(dense.weight.shape) < float(density)
        self.register_buffer("weight", (dense.weight.detach() * kept).to_sparse_csr())
        self.bias = dense.bias

    def forward(self, x: Tensor) -> Tensor:
        return (self.weight @ x.T).T + self.bias


def contestants(shape: Shape, density: Fraction) -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """(name, builder) of every way to compute the layer at this density, dense first."""
    yield "dense", shape.dense
    if density == 1:
        yield "masked", lambda: MaskedDense(shape.dense(), density)
        return
    if density not in legal_densities(shape.inputs, shape.outputs):
        return
    if density.numerator > 1:
        yield f"block k={density.numerator}", lambda: sparse_layer(shape.dense(), "block", density, 0)
        return
    yield "masked", lambda: MaskedDense(shape.dense(), density)
    if not shape.side:
        yield "csr", lambda: CompressedRows(nn.Linear(shape.inputs, shape.outputs), density)
    for pattern in PATTERN_NAMES:
        name = "block k=1" if pattern == "block" else pattern
        # a default binds the loop's pattern
        yield name, lambda pattern=pattern: sparse_layer(shape.dense(), pattern, density, 0)


def stored_bytes(layer: nn.Module) -> int:
    """Length of the layer as a safetensors file; CSR keeps values, columns and row ends, a mask is stored."""
    tensors = {}
    for name, value in layer.state_dict().items():
        if value.layout == torch.sparse_csr:
            tensors[f"{name}.values"] = value.values()
            tensors[f"{name}.columns"] = value.col_indices().int()
            tensors[f"{name}.rows"] = value.crow_indices().int()
        else:
            tensors[name] = value.contiguous()
    return len(save(tensors))


def training_bytes(layer: nn.Module, step: Callable[[], None], optimizer: torch.optim.Optimizer) -> int:
    """Bytes of parameters, their gradients and the optimiser's state, after one step."""
    step()
    parameters = list(layer.parameters())
    state = [
        value for entry in optimizer.state.values() for value in entry.values() if isinstance(value, Tensor)
    ]
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return sum(tensor.numel() * tensor.element_size() for tensor in [*parameters, *gradients, *state])


def onnx_bytes(layer: nn.Module, x: Tensor) -> bytes:
    """The layer as one ONNX file."""
    program = torch.onnx.export(layer.eval(), (x,), dynamo=True, verbose=False)
    assert program is not None
    buffer = io.BytesIO()
    program.save(buffer)
    return buffer.getvalue()
