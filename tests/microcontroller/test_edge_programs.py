"""Programs of all edge parts from one walk are those of the chains that are deployed, one by one."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from deployable import source_of
from edge_parts import CNN, CNN1D, DS_CNN, EIGHT, MLP, MOBILENET, RESNET
from torch import Tensor, nn

from explorer import backbones
from explorer.core.calibration import uncalibrated
from explorer.core.chain import Normalise
from explorer.core.network import Network
from explorer.data.dataset import DataSet
from explorer.data.subset import Subset
from explorer.deploy.bundle import Source
from explorer.errors import UserError
from explorer.microcontroller.edge_programs import lowered_points
from explorer.microcontroller.int8_edge import (
    edge_chain,
    edge_program,
    integers_of,
    lowered_edges,
    refusals,
    training_ranges,
)
from explorer.microcontroller.program import Program

ZOO = {"mlp": MLP, "cnn": CNN, "resnet": RESNET, "ds_cnn": DS_CNN, "cnn1d": CNN1D, "mobilenet": MOBILENET}


def equal(one: Any, other: Any) -> bool:
    """Whether values are the same, arrays bit for bit, forms and operations field by field."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if hasattr(one, "__dataclass_fields__"):
        names = [own.name for own in fields(one)]
        alike = (equal(getattr(one, name), getattr(other, name)) for name in names)
        return type(one) is type(other) and all(alike)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def same(one: Program, other: Program) -> bool:
    """Whether two programs compute the same by the same operations, whatever their tensors are called."""
    return (
        [type(op) for op in one.ops] == [type(op) for op in other.ops]
        and all(
            equal(getattr(a, own.name), getattr(b, own.name))
            for a, b in zip(one.ops, other.ops, strict=True)
            for own in fields(a)
            if own.name not in ("inputs", "output")
        )
        and [one.shapes[op.output] for op in one.ops] == [other.shapes[op.output] for op in other.ops]
    )


def chain_program(source: Source, split: str) -> Program:
    chain = edge_chain(source.restore(), split, source.calibration, source.data)
    return edge_program(chain, source.data)


@pytest.mark.parametrize("tensors", [1, 2])
@pytest.mark.parametrize("name", sorted(ZOO))
def test_programs_and_integers_are_those_of_the_chain(name: str, tensors: int) -> None:
    source = source_of(*ZOO[name], config=EIGHT, pattern="block", crossing_tensors=tensors, exit_kind="conv")
    edges = lowered_edges(source.restore(), source.data, source.calibration)
    assert [edge.point.name for edge in edges] == [own.name for own in source.restore().split_points]
    for edge in edges:
        alone = chain_program(source, edge.point.name)
        assert same(edge.program, alone)
        ranges = training_ranges(source.data)
        integers = integers_of(alone, edge.point.name, source.calibration, ranges)
        assert edge.integers is not None
        for own, other in zip(edge.program.weighted(), alone.weighted(), strict=True):
            assert equal(edge.integers.layers[own.output], integers.layers[other.output])
        pairs = zip(edge.program.ops, alone.ops, strict=True)
        assert all(edge.integers.scales[a.output] == integers.scales[b.output] for a, b in pairs)


def test_lowering_leaves_weights_and_batch_normalisations_alone() -> None:
    source = source_of(*DS_CNN, config=EIGHT)
    network, other = source.restore(), source.restore()
    edges = lowered_edges(network, source.data, source.calibration)
    assert all(
        torch.equal(one, two) for one, two in zip(network.parameters(), other.parameters(), strict=True)
    )
    kinds = [str(module) for module in network.modules()]
    assert kinds == [str(module) for module in other.modules()]
    weights = [op.weight_OIYX.copy() for edge in edges for op in edge.program.weighted()]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    kept = [op.weight_OIYX for edge in edges for op in edge.program.weighted()]
    assert all(np.array_equal(one, two) for one, two in zip(weights, kept, strict=True))


class Fork(nn.Module):
    """Two layers without C between ``two`` and ``three``; another branch goes around both."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Linear(6, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.tanh, self.softsign = nn.Tanh(), nn.Softsign()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = torch.relu(self.one(x))
        return self.three(self.softsign(self.tanh(self.two(y)) + y))  # type: ignore[no-any-return]


def test_the_first_layer_without_c_is_the_one_that_is_named() -> None:
    own = Subset(torch.randn(8, 6), torch.arange(8) % 3)
    data = DataSet("noise", own, own, own, 3, (6,), mean=(0.0,), std=(1.0,))
    network = Network(Fork(), torch.zeros(1, 6), num_classes=3, exit_features=4).eval()
    names = [point.name for point in network.split_points]
    normalise = Normalise([0.0], [1.0], (6,), "float32")
    found = lowered_points(network, network.split_points, normalise)
    assert isinstance(found["input"], Program)
    assert any(isinstance(found[name], Program) for name in names[1:])
    calibration = uncalibrated(names, [8])
    said = refusals(network, data, calibration)
    assert {name for name, own in found.items() if isinstance(own, UserError)} == set(said)
    assert said
    for name in said:
        with pytest.raises(UserError) as error:
            edge_program(edge_chain(network, name, calibration, data), data)
        assert str(error.value) == str(found[name]) == "--c-code: tanh: there is no C for Tanh"


def test_attention_is_refused_as_in_the_chain() -> None:
    source = source_of(backbones.transformer, {}, (4, 16), config=EIGHT)
    said = refusals(source.restore(), source.data, source.calibration)
    assert said
    for name, reason in said.items():
        with pytest.raises(UserError) as error:
            chain_program(source, name)
        assert str(error.value).endswith(reason)
