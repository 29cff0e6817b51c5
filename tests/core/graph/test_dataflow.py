"""What a value list says about parts: which values each side computes, holds and pays for."""

import torch
from factories import mask_used_twice
from torch import Tensor, fx, nn
from zoo import ZOO, build

from explorer.core.graph.dataflow import total_macs
from explorer.core.graph.recording import record_values
from explorer.core.graph.trace import trace
from explorer.core.network import Network
from explorer.costs.dense_macs import DenseCounts, dense_counts
from explorer.costs.split_costs import split_costs

KINDS = {kind.name: kind for kind in ZOO}


def network(name: str) -> Network:
    kind = KINDS[name]
    return Network(build(kind), torch.zeros(1, *kind.input_shape), 3, exit_features=8)


def test_what_comes_from_parameters_alone_is_charged_to_the_side_that_needs_it() -> None:
    found = network("ParametersOnly")
    flow, points = found.dataflow, {point.name: point.nodes for point in found.split_points}
    mask = 5 * 8
    server = {name: total_macs(flow.between(node, [flow.result])) for name, node in points.items()}
    # fc1 4 x 8, fc2 8 x 8, fc3 8 x 3; the mask is multiplied in behind "relu_1"
    assert server == {
        "input": 32 + 64 + mask + 24,
        "relu": 64 + mask + 24,
        "relu_1": mask + 24,
        "mul": 24,
        "output": 0,
    }
    assert flow.stored_bytes(flow.between([flow.source], points["relu_1"])) == 4 * (4 * 8 + 8 + 8 * 8 + 8)
    assert flow.stored_bytes(flow.between(points["mul"], [flow.result])) == 4 * (8 * 3 + 3)


def test_each_part_computes_it_once() -> None:
    module = mask_used_twice(input_shape=(4,), num_classes=3)
    found = Network(module, torch.zeros(1, 4), 3, exit_features=8).eval()
    counts = dense_counts("factories:mask_used_twice", "{}", (4,), 3, 8)
    by_name = {split.name: split for split in split_costs(found, counts)}
    mask = 5 * 8
    assert {name: (split.edge_macs, split.server_macs) for name, split in by_name.items()} == {
        "input": (0, 32 + mask + 64 + 24),
        "fc1": (32, mask + 64 + 24),
        "relu": (32 + mask, mask + 64 + 24),
        "fc2": (32 + mask + 64, mask + 24),
        "tanh": (32 + mask + 64, 24),
        "output": (32 + mask + 64 + 24, 0),
    }
    for split in by_name.values():  # fvcore counts the stages; what several compute is taken off again
        assert (split.edge_macs_dense, split.server_macs_dense) == (split.edge_macs, split.server_macs)


class Halves(nn.Module):
    """Uses the halves of a tensor one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.fc = nn.Linear(4, 8), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        left, right = torch.relu(self.first(x)).chunk(2, 1)
        return self.fc(torch.tanh(torch.sigmoid(left)) + right)


def test_pieces_hold_the_memory_of_the_whole_tensor() -> None:
    found = Network(Halves(), torch.zeros(1, 4), 3, exit_features=8)
    values = found.dataflow.values
    assert [values[name].view_of for name in ("chunk", "getitem", "getitem_1")] == ["relu", "chunk", "chunk"]
    zeros = dict.fromkeys([point.name for point in found.split_points], 0)
    *_, last = split_costs(found, DenseCounts(zeros, zeros, {}))
    # tanh: all 8 values (the right half is needed later), its input and its output
    assert last.peak_activation_bytes == 4 * (8 + 4 + 4)
    # the half keeps the memory of the whole, so only tanh and the sum write over what they read
    assert last.edge_ram_bytes == 4 * (8 + 4)


class Mixed(nn.Module):
    """Operators that change each element by itself, and others that do not."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm = nn.Linear(4, 4), nn.LayerNorm(4)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.hardswish(self.fc(x))
        x = self.norm(x) + x
        return torch.softmax(x, 1).clamp(0, 1) * 2


def test_element_wise_is_what_each_element_needs_alone() -> None:
    values = trace(Mixed(), torch.zeros(1, 4)).dataflow.values.values()
    assert {value.name: value.element_wise for value in values} == {
        "x": False,
        "fc": False,
        "hardswish": True,
        "norm": False,
        "add": True,
        "softmax": False,
        "clamp": True,
        "mul": True,
    }


class Swish(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


class PlusTurned(nn.Module):
    """Reads each element at two places: what is written over it would be read again."""

    def forward(self, x: Tensor) -> Tensor:
        return x + x.mT


def test_a_module_that_stays_whole_is_element_wise_if_all_in_it_is() -> None:
    graph = fx.Graph()
    swish = graph.call_module("swish", (graph.placeholder("x"),))
    graph.output(graph.call_module("turned", (swish,)))
    whole = fx.GraphModule(nn.ModuleDict({"swish": Swish(), "turned": PlusTurned()}), graph)
    values, _ = record_values(whole, torch.zeros(1, 3, 3), paths={})
    assert {name: value.element_wise for name, value in values.items()} == {
        "x": False,
        "swish": True,
        "turned": False,
    }


def test_operators_of_several_results_hold_them_all() -> None:
    class Best(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            values, _ = torch.max(x.unflatten(1, (3, 2)), 2)
            return values

    values = trace(Best(), torch.zeros(1, 6)).dataflow.values
    assert values["max_1"].size_bytes == 4 * (3 + 3)
    assert values["max_1"].view_of == ""
    assert values["getitem"].view_of == "max_1"


def test_attention_counts_both_products_and_all_projections() -> None:
    projections, products = 4 * (5 * 4 * 4), 2 * (5 * 5 * 2) * 2
    macs = {name: [value.macs for value in network(name).dataflow.values.values()] for name in KINDS}
    assert projections + products in macs["ClassToken"]  # nn.MultiheadAttention over five tokens
    assert 2 * (4 * 4 * 2) * 2 in macs["Attention"]  # scaled_dot_product_attention over four


class Rotated(nn.Module):
    """Branches on a shape, so it stays whole; its tables are made anew at loading."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("angles", torch.polar(torch.ones(5, 4), torch.rand(5, 4)), persistent=False)
        self.register_buffer("positions", torch.rand(5, 8), persistent=False)
        self.register_buffer("order", torch.arange(5), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] > 0:
            x = (x + self.positions)[:, self.order]
        turned = torch.view_as_complex(x.unflatten(2, (4, 2))) * self.angles
        return torch.view_as_real(turned).flatten(2)


def test_tables_that_are_not_saved_take_memory_too() -> None:
    module = nn.Sequential(nn.Linear(8, 8), Rotated(), nn.Flatten(), nn.Linear(40, 3))
    found = trace(module, torch.zeros(1, 5, 8))
    assert found.opaque == ("1",)
    flow = found.dataflow
    (whole,) = (value for value in flow.values.values() if value.path == "1")
    assert flow.stored_bytes([whole]) == 8 * (5 * 4) + 4 * (
        5 * 8
    )  # complex64, float32; integers do not count
    assert flow.stored_bytes(flow.values.values()) == 160 + 160 + 4 * (8 * 8 + 8 + 40 * 3 + 3)


def test_a_complex_number_is_two() -> None:
    class Spectrum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.rfft(x).abs()

    values = trace(Spectrum(), torch.zeros(1, 6)).dataflow.values
    assert [value.size_bytes for value in values.values()] == [4 * 6, 8 * 4, 4 * 4]
