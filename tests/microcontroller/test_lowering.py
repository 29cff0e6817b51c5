"""From networks to programs: the same values, nothing superfluous, and refusals that name the layer."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explorer.core.calibration import uncalibrated
from explorer.core.chain import DeployedChain, Normalise
from explorer.core.network import Network
from explorer.core.sparsity.block import BlockConv, BlockLinear
from explorer.errors import UserError
from explorer.microcontroller.edge_programs import lowered_chain
from explorer.microcontroller.forms import Blocks, Depthwise
from explorer.microcontroller.program import Program, Transpose
from explorer.microcontroller.reference import run_floats, torch_order


def lowered(module: nn.Module, shape: tuple[int, ...]) -> tuple[Program, DeployedChain]:
    torch.manual_seed(0)
    network = Network(module.eval(), torch.zeros(1, *shape), num_classes=4, exit_features=8).eval()
    chain = DeployedChain(
        network, [], set(), uncalibrated([], (8,)), Normalise([0.0], [1.0], shape, "float32")
    )
    return lowered_chain(chain, shape), chain


def check_equal(module: nn.Module, shape: tuple[int, ...]) -> Program:
    program, chain = lowered(module, shape)
    raw = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    found = run_floats(program, raw)[program.crossing]
    with torch.inference_mode():
        (expected,) = chain(torch.from_numpy(raw))
    order = torch_order(found, program.shapes[program.crossing])
    np.testing.assert_allclose(order, expected.numpy(), atol=2e-5)
    return program


class Odd(nn.Module):
    """Every operation that is no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 6, 3, stride=2, padding=1, dilation=1)
        self.norm, self.act = nn.BatchNorm2d(6), nn.Hardswish()
        self.grouped = nn.Conv2d(12, 12, 3, padding=2, dilation=2, groups=3)
        self.fc = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.norm(self.act(self.conv(x))))
        y = torch.cat([y, torch.sigmoid(y)], 1)
        y = nn.functional.relu6(self.grouped(y) + y)
        return self.fc(y.mean((2, 3)))


def test_operations_that_are_no_layers() -> None:
    program = check_equal(Odd(), (4, 9, 7))
    forms = {op.name: op.form for op in program.weighted()}
    assert isinstance(forms["norm"], Depthwise)  # an activation lies between it and the convolution
    grouped = forms["grouped"]
    assert isinstance(grouped, Blocks)
    assert (grouped.groups, grouped.reads) == (3, 1)


@pytest.mark.parametrize("density", [Fraction(1, 4), Fraction(3, 4)])
def test_interleaving_is_done_by_the_layer_before(density: Fraction) -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        BlockConv(nn.Conv2d(8, 8, 3, padding=1), density, interleaved=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 16),
        nn.ReLU(),
        BlockLinear(nn.Linear(16, 4), Fraction(1, 4), interleaved=True),
    )
    program = check_equal(module, (3, 8, 8))
    assert not any(isinstance(op, Transpose) and not op.trivial for op in program.ops)
    assert [op.shuffle for op in program.weighted()] == [density.denominator, 1, 4, 1]


def test_interleaving_behind_several_readers_is_an_operation() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 4)
            self.block = BlockLinear(nn.Linear(8, 8), Fraction(1, 4), interleaved=True)

        def forward(self, x: Tensor) -> Tensor:
            y = self.first(x)
            result: Tensor = self.last(self.block(y) + y)
            return result

    program = check_equal(Twice(), (8,))
    assert sum(isinstance(op, Transpose) for op in program.ops) == 1


def test_blocks_that_are_placed_by_magnitude() -> None:
    sources = np.array([[0, 2], [1, 2], [3, 0], [1, 3]])
    layer = BlockLinear(nn.Linear(16, 8), Fraction(2, 4), sources=None)
    layer = BlockLinear(nn.Linear(16, 8), Fraction(1, 4), sources=sources[:, :1])
    program = check_equal(nn.Sequential(layer, nn.ReLU(), nn.Linear(8, 4)), (16,))
    form = next(program.weighted()).form
    assert isinstance(form, Blocks)
    assert form.sources is not None
    assert form.sources.tolist() == sources[:, :1].tolist()


def test_a_flattened_image_is_read_as_it_lies_by_a_dense_layer_only() -> None:
    def transposed(last: nn.Module) -> int:
        module = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), last)
        program = check_equal(module, (2, 6, 6))
        return sum(isinstance(op, Transpose) and not op.trivial for op in program.ops)

    assert transposed(nn.Linear(64, 4)) == 0
    assert transposed(BlockLinear(nn.Linear(64, 4), Fraction(1, 4))) == 1


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (nn.Softmax(1), r"--c-code: 1: there is no C for Softmax"),
        (nn.GELU(), r"--c-code: 1: there is no C for GELU"),
        (nn.AvgPool2d(3, 1, padding=1), r"--c-code: 1: there is no C for ceil_mode"),
        (nn.AdaptiveAvgPool2d(3), r"--c-code: 1: there is no C for pooling \(8, 8\) to \(3, 3\)"),
        (
            nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
            r"--c-code: 1: there is no C for padding with",
        ),
    ],
)
def test_what_there_is_no_c_for_is_refused_by_name(layer: Any, told: str) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), layer, nn.Flatten(), nn.LazyLinear(4))
    module(torch.zeros(1, 3, 8, 8))
    with pytest.raises(UserError, match=told):
        lowered(module, (3, 8, 8))
