"""Costs of both sides of every cut, counted by hand on one small network and by sums on others."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from tiny_nets import IMAGE, NUM_CLASSES, TINY_NETS, Chain, Residual, SharedModule, build
from torch import nn

from explorer.core.network import Network
from explorer.core.sparsity.patterns import PATTERN_NAMES, PatternName
from explorer.core.sparsity.sparsify import find_junctions, sparsify
from explorer.costs.dense_macs import DenseCounts, dense_counts
from explorer.costs.split_costs import SplitCosts, split_costs, stored_bytes
from explorer.devices.operators import Operator

HALF = Fraction(1, 2)


def make(net: Callable[[], nn.Module], densities: Mapping[str, Fraction], pattern: PatternName) -> Network:
    module = build(net)
    sparsify(module, densities, pattern, seed=0)
    return Network(module, torch.zeros(1, *IMAGE), NUM_CLASSES, exit_features=8).eval()


def no_dense_counts(network: Network) -> DenseCounts:
    zeros = {point.name: 0 for point in network.split_points}
    return DenseCounts(zeros, zeros, {})


CONFIDENCE = Operator(0, 4 * 3 * 3, "softmax")  # of three logits: read, written, read


def costs_of(net: Callable[[], nn.Module], densities: Mapping[str, Fraction]) -> dict[str, SplitCosts]:
    network = make(net, densities, "block")
    return {split.name: split for split in split_costs(network, no_dense_counts(network))}


def test_one_network_by_hand() -> None:
    """conv 2 -> 4 on 4 x 4, norm, relu, pool to 2 x 2 (split point "3"), flatten, dropout, fc 16 -> 3."""
    costs = costs_of(Chain, {})
    conv_macs, fc_macs = (2 * 4 * 9) * 16, 16 * 3
    conv_bytes, fc_bytes = 4 * (2 * 4 * 9 + 4), 4 * (16 * 3 + 3)  # the norm is folded into the convolution
    image, maps, pooled = 4 * 32, 4 * 64, 4 * 16  # bytes of the tensors
    # the exit at the input pools 2 x 4 x 4 to 2 x 2 x 2 = 8 features, at "3" it pools 16 values to 4
    assert costs["input"] == SplitCosts(
        name="input",
        shape=IMAGE,
        payload_elements=32,
        edge_macs=0,
        edge_macs_dense=0,
        server_macs=conv_macs + fc_macs,
        server_macs_dense=0,
        exit_macs=8 * 3,
        edge_param_bytes=0,
        server_param_bytes=conv_bytes + fc_bytes,
        exit_param_bytes=4 * (8 * 3 + 3),
        peak_activation_bytes=image,
        exit_peak_bytes=4 * (32 + 8 + 3),
        edge_ram_bytes=image,
        exit_ram_bytes=4 * (32 + 8 + 3),
        operators=(),
        exit_operators=(
            Operator(0, 4 * (32 + 8), "pool"),
            Operator(8 * 3, 4 * (8 + 3 + 9 * 3), "linear"),
            CONFIDENCE,
        ),
    )
    assert costs["3"] == SplitCosts(
        name="3",
        shape=(4, 2, 2),
        payload_elements=16,
        edge_macs=conv_macs,
        edge_macs_dense=0,
        server_macs=fc_macs,
        server_macs_dense=0,
        exit_macs=4 * 3,
        edge_param_bytes=conv_bytes,
        server_param_bytes=fc_bytes,
        exit_param_bytes=4 * (4 * 3 + 3),
        peak_activation_bytes=2 * maps,  # activation: its input and its output
        exit_peak_bytes=4 * (16 + 4 + 3),
        edge_ram_bytes=image + maps,  # the convolution's input and output; the activation writes over that
        exit_ram_bytes=4 * (16 + 4 + 3),
        operators=(  # the activation is the convolution's
            Operator(conv_macs, image + maps + conv_bytes, "conv"),
            Operator(0, maps + pooled, "pool"),
        ),
        exit_operators=(
            Operator(0, 4 * (16 + 4), "pool"),
            Operator(4 * 3, 4 * (4 + 3 + 5 * 3), "linear"),
            CONFIDENCE,
        ),
    )
    assert costs["output"] == SplitCosts(
        name="output",
        shape=(3,),
        payload_elements=3,
        edge_macs=conv_macs + fc_macs,
        edge_macs_dense=0,
        server_macs=0,
        server_macs_dense=0,
        exit_macs=0,
        edge_param_bytes=conv_bytes + fc_bytes,
        server_param_bytes=0,
        exit_param_bytes=0,
        peak_activation_bytes=2 * maps,
        exit_peak_bytes=0,
        edge_ram_bytes=image + maps,
        exit_ram_bytes=0,
        operators=(Operator(fc_macs, pooled + 4 * 3 + fc_bytes, "linear"),),  # flatten moves nothing
        exit_operators=(),
    )


def test_linear_exit_without_pooling() -> None:
    network = Network(nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3)), torch.zeros(1, 4), 3, exit_features=8)
    _, split, _ = split_costs(network, no_dense_counts(network))
    assert split.exit_operators == (Operator(5 * 3, 4 * (5 + 3 + 6 * 3), "linear"), CONFIDENCE)
    assert split.exit_peak_bytes == 4 * (5 + 3)


def test_skip_connection_is_held() -> None:
    costs = costs_of(Residual, {})
    # relu(x + block1(x)): x, block1(x) and their sum exist together, each 4 x 4 x 4 floats
    assert costs["relu_1"].peak_activation_bytes == 3 * 4 * 64
    assert costs["relu_1"].edge_ram_bytes == 2 * 4 * 64  # the sum is written over an addend that ends there


def test_activation_of_a_convolutional_exit_is_done_in_place() -> None:
    """8 x 16 x 16 to 16 x 8 x 8 and pooled to one each: 2,048 values held, the convolution's 1,024 beside."""
    backbone = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(2048, 3))
    network = Network(backbone, torch.zeros(1, 2, 16, 16), 3, exit_features=16, exit_kind="conv").eval()
    split = {own.name: own for own in split_costs(network, no_dense_counts(network))}["1"]
    assert split.exit_peak_bytes == 4 * (2048 + 1024 + 1024)
    assert split.exit_ram_bytes == 4 * (2048 + 1024 + 16)


def test_module_used_on_both_sides_is_stored_on_both() -> None:
    costs = costs_of(SharedModule, {})
    stem, block, fc = 4 * (2 * 4 * 9 + 4), 4 * (4 * 4 * 9 + 4), 4 * (64 * 3 + 3)
    assert costs["relu_1"].edge_param_bytes == stem + block
    assert costs["relu_1"].server_param_bytes == block + fc
    assert costs["output"].edge_param_bytes == stem + block + fc
    assert costs["relu_1"].edge_macs == (2 * 4 + 4 * 4) * 9 * 16
    assert costs["relu_2"].edge_macs == (2 * 4 + 2 * 4 * 4) * 9 * 16  # block1 runs twice


@pytest.mark.parametrize("net", TINY_NETS)
def test_edge_and_server_make_the_whole(net: Callable[[], nn.Module]) -> None:
    costs = list(costs_of(net, {}).values())
    total = costs[-1].edge_macs
    assert {split.edge_macs + split.server_macs for split in costs} == {total}
    assert sum(own.macs for split in costs for own in split.operators) == total
    for before, after in pairwise(costs):
        assert before.edge_macs <= after.edge_macs
        assert before.edge_param_bytes <= after.edge_param_bytes
        assert before.server_param_bytes >= after.server_param_bytes
        assert before.peak_activation_bytes <= after.peak_activation_bytes
        assert after.edge_ram_bytes <= after.peak_activation_bytes


@pytest.mark.parametrize("pattern", PATTERN_NAMES)
def test_density_scales_its_own_junction(pattern: PatternName) -> None:
    densities = {"stem": HALF, "block1": Fraction(1, 4), "block2": Fraction(3, 4)}
    sparse = make(Residual, densities, pattern)
    dense = make(Residual, {}, "block")
    (*_, on_edge), (*_, dense_on_edge) = (
        split_costs(network, no_dense_counts(network)) for network in (sparse, dense)
    )
    macs = {"stem": 2 * 4 * 9 * 16, "block1": 2 * 4 * 4 * 9 * 16, "block2": 4 * 4 * 9 * 16, "fc": 64 * 3}
    assert dense_on_edge.edge_macs == sum(macs.values())  # block1 runs twice
    assert on_edge.edge_macs == sum(densities.get(path, 1) * count for path, count in macs.items())
    weights = {junction.path: junction.num_weights for junction in find_junctions(build(Residual))}
    dropped = sum((1 - density) * weights[path] for path, density in densities.items())
    assert on_edge.edge_param_bytes == dense_on_edge.edge_param_bytes - 4 * dropped
    assert on_edge.peak_activation_bytes == dense_on_edge.peak_activation_bytes
    assert on_edge.edge_ram_bytes == dense_on_edge.edge_ram_bytes


def test_positions_are_stored_where_the_weights_are() -> None:
    densities = {"stem": HALF, "block1": Fraction(1, 4)}
    splits = split_costs(network := make(Residual, densities, "random"), no_dense_counts(network))
    stem, block = (
        8 * (2 * 4 // 2),
        8 * (4 * 4 // 4),
    )  # a place per kept kernel: so few that each takes eight bytes
    assert {split.name: split.edge_index_bytes for split in splits} == {
        "input": 0,
        "relu": stem,
        "relu_1": stem + block,
        "relu_3": stem + block,  # block1 runs twice and is stored once
        "output": stem + block,
    }


def test_dense_twin_is_counted_by_fvcore() -> None:
    counts = dense_counts("tiny_nets:residual", "{}", IMAGE, NUM_CLASSES, 8)
    network = make(Residual, {"block1": HALF}, "block")
    splits = split_costs(network, counts)
    dense = make(Residual, {}, "block")
    own = {split.name: split for split in split_costs(dense, no_dense_counts(dense))}
    for split in splits:
        # fvcore and the trace count the same network independently
        assert split.edge_macs_dense == own[split.name].edge_macs
        assert split.server_macs_dense == own[split.name].server_macs
    assert counts.uncounted == {"aten::add": 2}  # activations count as nothing in fvcore


def test_json_round_trip() -> None:
    for split in costs_of(Chain, {}).values():
        assert SplitCosts.from_json(split.to_json()) == split
        lists = split.to_json() | {
            "shape": list(split.shape),
            "operators": [list(o) for o in split.operators],
        }
        assert SplitCosts.from_json(lists) == split
        assert SplitCosts.from_json(replace(split, edge_macs=1).to_json()) != split


def test_stored_bytes_count_floats_once() -> None:
    tied = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    tied.append(tied[0])
    # weights and biases once, four vectors of the norm; its int64 counter is no parameter of inference
    assert stored_bytes(tied) == 4 * (16 + 4 + 4 * 4)
