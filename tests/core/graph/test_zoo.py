"""Every kind of module a user may bring: split points by brute force, MACs by hand, parts that fit."""

from functools import cache

import pytest
import torch
from brute_force import expected_payloads, split_classes
from zoo import CLASSES, ZOO, Kind, build

from explorer.core.graph.dataflow import total_macs
from explorer.core.network import Network
from explorer.core.sparsity.sparsify import find_junctions, sparsify

NAMES = [kind.name for kind in ZOO]


@cache
def evaluated(name: str, tensors: int = 1) -> Network:
    """One network for all tests that only look at it."""
    return network(ZOO[NAMES.index(name)], tensors).eval()


def network(kind: Kind, tensors: int = 1) -> Network:
    return Network(build(kind), torch.zeros(1, *kind.input_shape), CLASSES, 8, tensors)


def edge_macs(found: Network) -> dict[str, int]:
    flow = found.dataflow
    return {p.name: total_macs(flow.between([flow.source], p.nodes)) for p in found.split_points}


@pytest.mark.parametrize("kind", [kind for kind in ZOO if kind.traced_by == "fx"], ids=lambda kind: kind.name)
def test_split_points_are_those_of_brute_force(kind: Kind) -> None:
    points = evaluated(kind.name).split_points[1:-1]
    expected = expected_payloads(split_classes(build(kind), kind.input_shape))
    assert [(point.payload_elements, len(point.shape)) for point in points] == expected


@pytest.mark.parametrize("kind", ZOO, ids=NAMES)
def test_names_and_edge_macs_by_hand(kind: Kind) -> None:
    found = evaluated(kind.name)
    assert list(edge_macs(found).items()) == list(kind.edge_macs.items())
    assert ("export" if found.exported else "opaque" if found.opaque else "fx") == kind.traced_by
    assert not found.left_out


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("tensors", [1, 4])
@pytest.mark.parametrize("kind", ZOO, ids=NAMES)
def test_edge_then_server_is_the_whole(kind: Kind, tensors: int, batch: int) -> None:
    x = torch.randn(batch, *kind.input_shape, generator=torch.Generator().manual_seed(1))
    found = evaluated(kind.name, tensors)
    with torch.no_grad():
        expected = build(kind).eval()(x)
        for point, crossing in zip(found.split_points, found.features(x), strict=True):
            parts = found.parts(point)
            received = parts.edge(x)
            assert received.shape == (batch, *point.shape)
            torch.testing.assert_close(received, crossing, rtol=0, atol=1e-6)
            torch.testing.assert_close(parts.server(received), expected, rtol=0, atol=1e-5)
    assert max(found.probe(x).values()) <= 1e-6


@pytest.mark.parametrize("kind", ZOO, ids=NAMES)
def test_training_is_that_of_the_module(kind: Kind) -> None:
    """Dropout draws the same, batch normalisation learns the same, gradients are the same."""
    x = torch.randn(5, *kind.input_shape, generator=torch.Generator().manual_seed(1))
    module, found = build(kind).train(), network(kind).train()
    torch.manual_seed(2)
    expected = module(x)
    torch.manual_seed(2)
    logits = found.features(x)[-1]
    torch.testing.assert_close(logits, expected)
    expected.square().sum().backward()
    logits.square().sum().backward()
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(found.backbone.get_parameter(name).grad, parameter.grad)
    for name, buffer in module.named_buffers():
        torch.testing.assert_close(found.backbone.get_buffer(name), buffer)


@pytest.mark.parametrize("kind", ZOO, ids=NAMES)
def test_sparse_networks_keep_their_split_points_and_count_kept_connections(kind: Kind) -> None:
    dense, backbone = evaluated(kind.name), build(kind)
    junctions = [junction for junction in find_junctions(backbone) if not junction.stays_dense]
    sparsify(backbone, {junction.path: junction.legal[0] for junction in junctions}, "block", seed=0)
    sparse = Network(backbone, torch.zeros(1, *kind.input_shape), CLASSES, exit_features=8)
    assert [point.name for point in sparse.split_points] == [point.name for point in dense.split_points]
    dense_macs, sparse_macs = (
        {value.path: value.macs for value in found.dataflow.values.values()} for found in (dense, sparse)
    )
    density = {junction.path: junction.legal[0] for junction in junctions}
    for path, macs in dense_macs.items():
        if path in density:
            assert sparse_macs[path] == macs * density[path]
