"""Junctions found, junctions replaced, and the checksum that guards placement."""

from collections import OrderedDict
from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
from torch import nn

from explorer.core.sparsity.layers import BlockConv, BlockLinear, IndexedLinear, SparseLayer
from explorer.core.sparsity.patterns import PATTERN_NAMES, PatternName
from explorer.core.sparsity.sparsify import find_junctions, placement_checksum, sparsify
from explorer.errors import UserError

QUARTER = Fraction(1, 4)


def nested() -> nn.Module:
    body = nn.Sequential(OrderedDict(conv=nn.Conv2d(4, 8, 3), norm=nn.BatchNorm2d(8)))
    return nn.Sequential(OrderedDict(body=body, flatten=nn.Flatten(), fc=nn.Linear(8, 4)))


class Shared(nn.Module):
    """One Linear under two names, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.again = self.first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.again(self.first(x))
        return result


def test_junctions_in_definition_order() -> None:
    conv, fc = find_junctions(nested())
    assert (conv.path, conv.kind, conv.inputs, conv.outputs) == ("body.conv", "Conv2d", 4, 8)
    assert conv.num_weights == 4 * 8 * 3 * 3
    assert conv.legal == tuple(Fraction(k, 4) for k in (1, 2, 3, 4))  # gcd(4, 8) = 4
    assert (fc.path, fc.kind, fc.num_weights, fc.stays_dense) == ("fc", "Linear", 8 * 4, "")


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (nn.Conv2d(1, 8, 3), "only legal density is 1 (1 inputs, 8 outputs)"),
        (nn.Linear(9, 10), "only legal density is 1 (9 inputs, 10 outputs)"),
        (nn.Conv2d(8, 8, 3, groups=8), "grouped convolution (groups=8)"),
        (nn.Conv1d(8, 8, 3, padding=1, padding_mode="reflect"), "padding mode 'reflect'"),
    ],
)
def test_junction_that_stays_dense_says_why(layer: nn.Module, why: str) -> None:
    (junction,) = find_junctions(nn.Sequential(layer))
    assert junction.stays_dense == why
    assert junction.legal == (1,)


def test_a_shared_module_is_one_junction_and_replaced_everywhere() -> None:
    module = Shared()
    assert [junction.path for junction in find_junctions(module)] == ["first"]
    sparsify(module, {"first": QUARTER}, "block", seed=0)
    assert isinstance(module.first, BlockLinear)
    assert module.again is module.first


class Tied(nn.Module):
    """Two Linear layers of one weight, each with its own bias; an embedding and a head of one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.second.weight = self.first.weight
        self.embed, self.head = nn.Embedding(4, 8), nn.Linear(8, 4, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.head(self.second(torch.relu(self.first(x))))
        return result


@pytest.mark.parametrize("pattern", PATTERN_NAMES)
def test_layers_of_one_weight_are_one_junction_and_stay_tied(pattern: PatternName) -> None:
    module = Tied()
    first, head = find_junctions(module)
    assert (first.path, first.stays_dense) == ("first", "")
    assert (head.path, head.stays_dense) == ("head", "its weight is also that of 'embed' (Embedding)")
    sparsify(module, {"first": QUARTER}, pattern, seed=0)
    assert isinstance(module.second, SparseLayer)
    shared = {id(p) for p in module.first.parameters()} & {id(p) for p in module.second.parameters()}
    assert len(shared) == 1  # the kept weights; each keeps its bias
    assert sum(p.numel() for p in module.parameters()) == 8 * 8 // 4 + 2 * 8 + 4 * 8
    x = torch.randn(3, 8)
    with torch.no_grad():
        module.first.bias.copy_(module.second.bias)
        torch.testing.assert_close(module.first(x), module.second(x))


class Standardised(nn.Conv2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(x, self.weight - self.weight.mean(), self.bias)


@pytest.mark.parametrize(
    ("layer", "path", "why"),
    [
        (nn.MultiheadAttention(8, 2), "0.out_proj", "inside nn.MultiheadAttention, which reads the weights"),
        (
            nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 8), 1),
            "0.layers.0.linear1",
            "inside nn.TransformerEncoder, which reads",
        ),
        (Standardised(4, 4, 3), "0", "Standardised has a forward of its own"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), "0", "its weight is computed"),
    ],
)
def test_layers_whose_weight_something_else_reads_stay_dense(layer: nn.Module, path: str, why: str) -> None:
    junctions = {junction.path: junction for junction in find_junctions(nn.Sequential(layer))}
    assert junctions[path].stays_dense.startswith(why)
    assert junctions[path].legal == (1,)


def test_named_junctions_are_replaced_others_stay() -> None:
    module = nested()
    fc = module.get_submodule("fc")
    sparsify(module, {"body.conv": QUARTER, "fc": Fraction(1)}, "block", seed=0)
    assert isinstance(module.get_submodule("body.conv"), BlockConv)
    assert module.get_submodule("fc") is fc  # density 1 is the dense layer itself
    assert module(torch.zeros(2, 4, 3, 3)).shape == (2, 4)


def test_density_for_no_junction() -> None:
    with pytest.raises(
        UserError, match=r"density given for 'conv', which is no junction; junctions: body\.conv, fc"
    ):
        sparsify(nested(), {"conv": QUARTER}, "block", seed=0)


def test_illegal_density() -> None:
    with pytest.raises(UserError, match=r"density 1/3 is not legal for junction 'fc'"):
        sparsify(nested(), {"fc": Fraction(1, 3)}, "block", seed=0)
    with pytest.raises(
        UserError, match=r"density 1/4 is not legal for junction '0': grouped convolution \(groups=4\)"
    ):
        sparsify(nn.Sequential(nn.Conv1d(4, 4, 3, groups=4)), {"0": QUARTER}, "block", seed=0)


def scattered(seed: int) -> nn.Sequential:
    module = nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 16))
    sparsify(module, {"0": QUARTER, "1": QUARTER}, "structured", seed)
    return module


def test_equal_junctions_get_different_placements() -> None:
    first, second = scattered(seed=0)
    assert isinstance(first, IndexedLinear)
    assert isinstance(second, IndexedLinear)
    assert first.positions.tolist() != second.positions.tolist()


def test_first_sparse_junction_groups_neighbours_later_ones_interleave() -> None:
    module = nn.Sequential(*(nn.Linear(16, 16) for _ in range(4)))
    densities = {"3": QUARTER, "0": Fraction(1), "2": QUARTER, "1": QUARTER}  # "0" stays dense
    sparsify(module, densities, "block", seed=0)
    blocks = [layer for layer in module if isinstance(layer, BlockLinear)]
    assert [block.interleaved for block in blocks] == [False, True, True]


def test_every_input_reaches_every_output_of_block_layers_in_a_row() -> None:
    module = nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 16))
    sparsify(module, {"0": QUARTER, "1": QUARTER}, "block", seed=0)
    jacobian = torch.autograd.functional.jacobian(module, torch.zeros(16))
    assert (jacobian != 0).all()  # 4 x 4 groups of 4: each path exists exactly once


def test_checksum_follows_the_placement_and_nothing_else() -> None:
    torch.manual_seed(0)
    checksum = placement_checksum(scattered(seed=0))
    torch.manual_seed(1)  # other weights, same places
    assert placement_checksum(scattered(seed=0)) == checksum
    assert placement_checksum(scattered(seed=1)) != checksum


def test_checksum_without_scattered_junctions() -> None:
    module = nested()
    sparsify(module, {"fc": QUARTER}, "block", seed=0)
    assert any(isinstance(layer, SparseLayer) for layer in module.modules())
    assert placement_checksum(module) == 0  # block places by rule: there is nothing to guard


@pytest.mark.parametrize(
    ("norm", "names"),
    [
        (nn.utils.parametrizations.spectral_norm, ["parametrizations.weight.original"]),
        (nn.utils.parametrizations.weight_norm, [f"parametrizations.weight.original{own}" for own in (0, 1)]),
    ],
)
def test_weights_that_are_computed_are_looked_at_and_not_computed(
    norm: Callable[[nn.Module], nn.Module], names: list[str]
) -> None:
    """In training mode every look at a weight behind a spectral norm changes the network."""
    module = nn.Sequential(norm(nn.Conv2d(4, 8, 3, groups=2)), nn.Flatten(), norm(nn.Linear(8, 6)))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    conv, linear = find_junctions(module, trained=frozenset(f"2.{name}" for name in names))
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert (conv.num_weights, linear.num_weights) == (8 * 4 * 9 // 2, 8 * 6)
    assert (conv.trained, linear.trained, conv.frozen) == (False, True, False)
    module[0].requires_grad_(False)
    assert [own.frozen for own in find_junctions(module)] == [True, False]
