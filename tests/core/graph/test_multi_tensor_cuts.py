"""Split points at which several tensors cross: brute force over prefixes of the execution, sums, parts."""

from itertools import pairwise

import pytest
import torch
from zoo import BLOCK, CLASSES, STEM, ZOO, Kind, build

from explorer.core.graph.dataflow import Dataflow, total_macs
from explorer.core.graph.split_points import find_split_points
from explorer.core.network import Network
from explorer.costs.dense_macs import dense_counts
from explorer.costs.split_costs import split_costs

KINDS = {kind.name: kind for kind in ZOO}


def network(kind: Kind, tensors: int) -> Network:
    return Network(
        build(kind), torch.zeros(1, *kind.input_shape), CLASSES, 8, max_crossing_tensors=tensors
    ).eval()


def brute_force(flow: Dataflow, limit: int) -> dict[int, int]:
    """Fewest values that cross after each number of MACs, over all prefixes; several tensors only."""
    steps = [name for name in flow.values if name in flow.dependent]
    fewest: dict[int, int] = {}
    for end in range(1, len(steps)):
        before, after = set(steps[:end]), set(steps[end:])
        crossing = [n for n in before if any(n in flow.values[later].inputs for later in after)]
        macs = sum(flow.values[name].macs for name in before)
        if 2 <= len(crossing) <= limit and all(flow.values[name].can_cross for name in crossing):
            elements = sum(flow.values[name].elements for name in crossing)
            fewest[macs] = min(elements, fewest.get(macs, elements))
    return fewest


@pytest.mark.parametrize("limit", [2, 3])
@pytest.mark.parametrize("kind", ZOO, ids=list(KINDS))
def test_joint_cuts_are_those_of_brute_force(kind: Kind, limit: int) -> None:
    flow = network(kind, 1).dataflow
    alone = find_split_points(flow)

    def macs(names: tuple[str, ...]) -> int:
        edge = flow.between([flow.source], names)
        return sum(value.macs for value in edge if value.name in flow.dependent)

    single = {macs(point.nodes): point.payload_elements for point in alone}
    expected = {
        spent: elements
        for spent, elements in brute_force(flow, limit).items()
        if 0 < spent < macs(alone[-1].nodes) and elements < single.get(spent, elements + 1)
    }
    points = find_split_points(flow, limit)
    joint = {macs(p.nodes): p.payload_elements for p in points if len(p.nodes) > 1}
    assert joint == expected
    assert [p for p in points if len(p.nodes) == 1] == list(alone)
    assert all(macs(before.nodes) <= macs(after.nodes) for before, after in pairwise(points))


def test_inside_a_residual_block_by_hand() -> None:
    found = network(KINDS["Residual"], 2)
    flow = found.dataflow
    assert [
        (point.name, point.payload_elements, total_macs(flow.between([flow.source], point.nodes)))
        for point in found.split_points
    ] == [
        ("input", 32, 0),
        ("stem", 64, STEM),
        ("stem+blocks.0.relu", 128, STEM + BLOCK),
        ("blocks.0", 64, STEM + 2 * BLOCK),
        ("blocks.0+blocks.1.relu", 128, STEM + 3 * BLOCK),
        ("pool", 4, STEM + 4 * BLOCK),
        ("output", 3, STEM + 4 * BLOCK + 4 * 3),
    ]
    inside = found.split_point("stem+blocks.0.relu")
    assert (inside.shapes, inside.shape) == (((4, 4, 4), (4, 4, 4)), (128,))


def test_costs_add_up() -> None:
    found = network(KINDS["Residual"], 2)
    counts = dense_counts(
        "factories:zoo_net", '{"name": "Residual"}', KINDS["Residual"].input_shape, CLASSES, 8, None, 2
    )
    costs = {split.name: split for split in split_costs(found, counts)}
    for split in costs.values():
        assert split.edge_macs + split.server_macs == costs["output"].edge_macs
        assert (split.edge_macs_dense, split.server_macs_dense) == (split.edge_macs, split.server_macs)
    # the skip connection, and norm or activation with input and output, each 4 x 4 x 4 floats
    assert costs["stem+blocks.0.relu"].peak_activation_bytes == 3 * 4 * 64
