"""What each tensor of a graph costs, by formula, and what cannot be traced."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explorer.core.graph.trace import trace
from explorer.core.sparsity.patterns import PATTERN_NAMES, PatternName
from explorer.core.sparsity.sparsify import sparsify
from explorer.errors import UserError


class Forward(nn.Module):
    """A module with one Linear(4, 3) and a forward given as a function of it and the input."""

    def __init__(self, function: Callable[[Any, Tensor], Any]) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.calls = nn.Parameter(torch.ones(()), requires_grad=False)
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def test_costs_of_a_convolution_and_a_linear_layer() -> None:
    module = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(), nn.Linear(16, 3))
    values = list(trace(module, torch.zeros(1, 2, 4, 4)).dataflow.values.values())
    x, activations = 2 * 4 * 4, 4 * 2 * 2  # a 3x3 kernel leaves 2x2 positions
    assert [(value.shape, value.macs, value.moved_bytes, value.view_of) for value in values] == [
        ((2, 4, 4), 0, 0, ""),
        ((4, 2, 2), (2 * 4 * 9) * 4, 4 * (x + activations + (2 * 9 + 1) * 4), ""),
        ((4, 2, 2), 0, 4 * 2 * activations, ""),
        ((16,), 0, 0, "_1"),  # flatten is a view of the activation
        ((16,), 0, 0, "_2"),  # dropout does nothing in eval mode
        ((3,), 16 * 3, 4 * (16 + 3 + (16 + 1) * 3), ""),
    ]
    assert values[1].size_bytes == 4 * activations
    assert all(value.can_cross for value in values)


@pytest.mark.parametrize("pattern", PATTERN_NAMES)
def test_sparse_layers_count_kept_connections(pattern: PatternName) -> None:
    module = nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 4))
    sparsify(module, {"0": Fraction(1, 4)}, pattern, seed=0)
    first, second = list(trace(module, torch.zeros(1, 8)).dataflow.values.values())[1:]
    assert first.macs == 16 * 2  # fan-in 2
    assert first.moved_bytes == 4 * (8 + 16 + 16 * 2 + 16)  # input, output, kept weights, biases
    assert second.macs == 16 * 4


def test_operator_of_two_tensors_moves_both() -> None:
    costs = trace(Forward(lambda module, x: module.fc(x + x.relu())), torch.zeros(1, 4)).dataflow.values
    assert costs["add"].moved_bytes == 4 * (4 + 4 + 4)


def test_matrix_product_of_activations_counts() -> None:
    def attend(module: Any, x: Tensor) -> Any:
        tokens = x.view(x.size(0), 2, 2)  # (B, T, E)
        return module.fc((tokens @ tokens.transpose(1, 2)).flatten(1))

    costs = trace(Forward(attend), torch.zeros(1, 4)).dataflow.values
    assert costs["matmul"].macs == 2 * 2 * 2  # T * T * E
    assert "size" not in costs  # an integer is no tensor


def test_inplace_modules_are_made_out_of_place_and_modes_are_kept() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True), nn.BatchNorm1d(3))
    traced = trace(module, torch.zeros(1, 4))
    _, relu, norm = module
    assert not relu.inplace
    assert traced.dataflow.values["_1"].view_of == ""
    assert module.training
    assert traced.graph_module.training
    assert norm.num_batches_tracked == 0


def branch(module: Any, x: Tensor) -> Any:
    return x if x.sum() > 0 else -x


def frozen_noise(module: Any, x: Tensor) -> Any:
    return module.fc(x + torch.randn(4))


def noise_in_training(module: Any, x: Tensor) -> Any:
    return module.fc(x + torch.from_numpy(np.random.rand(4)).float() if module.training else x)


def changed_view(module: Any, x: Tensor) -> Any:
    y = module.fc(x)
    y.view(-1).add_(x.sum())  # of a view: the tensor itself changes too
    return y


def counter(module: Any, x: Tensor) -> Any:
    return module.fc(x) * module.calls.add_(1)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (branch, "Forward: torch.fx cannot trace the module: .*control flow"),
        (lambda module, x: module.fc(x[:, :2]), r"Forward: an input of shape \(1, 4\) does not run through"),
        (lambda module, x: x.unflatten(1, (3, 3)), r"Forward: an input of shape \(1, 4\) does not run"),
        (lambda module, x: (x, x), "the output must be one tensor .* got several values"),
        (lambda module, x: x.view(-1, 2, 2), r"the output must be .* got shape \(2, 2\) per sample"),
        (lambda module, x: x.sum(), r"the output must be .* got shape \(\) per sample"),
        (frozen_noise, "Forward: the traced graph differs from the module by .* may not use randomness"),
        (
            noise_in_training,
            "Forward: .* would train otherwise .*: the loss of step 1 differs; a forward",
        ),
        (changed_view, "Forward: the traced graph differs from the module by"),
        (counter, "may not use randomness or state in eval mode"),
    ],
)
def test_what_cannot_be_traced(function: Callable[[Any, Tensor], Any], message: str) -> None:
    torch.manual_seed(0)
    with pytest.raises(UserError, match=message):
        trace(Forward(function), torch.zeros(1, 4))


def test_two_inputs_are_refused() -> None:
    with pytest.raises(UserError, match="TwoInputs: the backbone must take exactly one input tensor"):
        trace(TwoInputs(), torch.zeros(1, 4))


class TwoInputs(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Optional(nn.Module):
    """As transformers have it: arguments that need not be given."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor, mask: Tensor | None = None, *rest: Any, scale: float = 2.0) -> Tensor:
        if mask is not None:
            x = x * mask
        return self.fc(x) * scale


def test_further_arguments_keep_their_defaults() -> None:
    module = Optional()
    traced = trace(module, torch.zeros(1, 4))
    x = torch.randn(2, 4)
    torch.testing.assert_close(traced.graph_module(x), 2 * module.fc(x))


def test_a_wrong_input_size_is_the_users_to_mend() -> None:
    with pytest.raises(UserError, match=r"Sequential: an input of shape \(1, 5\) does not run through"):
        trace(nn.Sequential(nn.Linear(4, 3)), torch.zeros(1, 5))


class Gate(nn.Module):
    """Branches on values, as a submodule."""

    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            return x
        return -x


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.gate = nn.Linear(4, 3), Gate()

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(self.fc(x))


def test_a_refusal_names_reason_module_and_line() -> None:
    where = r"\(module 'gate' \(Gate\), test_trace.py line \d+: `if x.sum\(\) > 0:`\)"
    with pytest.raises(
        UserError, match=rf"^Gated: torch.fx cannot trace .* control flow {where}; it reads values"
    ):
        trace(Gated(), torch.zeros(1, 4))
    with pytest.raises(UserError, match=r"\(its forward, test_trace.py line \d+: `return x if x.sum\(\)"):
        trace(Forward(branch), torch.zeros(1, 4))


def test_samples_that_change_each_other_are_refused() -> None:
    torch.manual_seed(0)
    with pytest.raises(UserError, match="Forward: the logits of a sample change with the other samples"):
        trace(Forward(lambda module, x: module.fc(x).softmax(0)), torch.zeros(1, 4))


def assert_size(module: Any, x: Tensor) -> Any:
    torch._assert(x.shape[1] % 3 == 0, "width must be divisible by 3")
    return module.fc(x)


def test_a_failed_assertion_is_told_in_one_line() -> None:
    with pytest.raises(UserError, match=r"run through: width must be divisible by 3$"):
        trace(Forward(assert_size), torch.zeros(1, 4))


def test_a_fixed_batch_size_is_refused() -> None:
    with pytest.raises(UserError, match=r"Forward: a batch of several samples does not run through: .*shape"):
        trace(Forward(lambda module, x: module.fc(x.view(1, 4))), torch.zeros(1, 4))


def test_a_name_that_torch_fx_needs_is_refused() -> None:
    module = Forward(lambda module, x: module.fc(x * module.code))
    module.code = nn.Parameter(torch.ones(4))
    with pytest.raises(UserError, match=r"Forward: torch.fx needs the name 'code' for itself"):
        trace(module, torch.zeros(1, 4))


def test_a_name_that_counters_would_misread_is_refused() -> None:
    module = nn.Sequential(nn.Linear(4, 3))
    module.add_module("a/b", nn.ReLU())
    with pytest.raises(UserError, match=r"Sequential: module names may not contain '/', .* got 'a/b'"):
        trace(module, torch.zeros(1, 4))
