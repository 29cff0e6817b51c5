"""Costs of all networks of a variant at once are those of the networks, built one by one."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from training_zoo import CLASSES, SHAPE, TRAINING_ZOO, Kind, Rotary

from explorer.core.graph.thinning import thinned
from explorer.core.network import Network
from explorer.core.sparsity.sparsify import find_junctions, sparsify
from explorer.costs.build import costs_before_training
from explorer.costs.dense_macs import DenseCounts
from explorer.costs.split_costs import SplitCosts, split_costs
from explorer.costs.split_table import split_table
from explorer.costs.variant_costs import VariantCosts, variant_costs
from explorer.devices import DeviceProfile, Setting
from explorer.devices.operators import KINDS, Operator
from explorer.engine.proposals import Proposer
from explorer.space.files import load_space
from explorer.space.inventory import build_inventory

ROOFLINE = Setting.load("stm32h7a3", "xeon_8124m", "lte_2021")
TIMES = {
    kind: {"s_per_call": place, "s_per_mac": 0.1 * place, "s_per_byte": 1 / place, "s_per_group": 7 * place}
    for place, kind in enumerate(KINDS, start=1)
}
BY_KIND = DeviceProfile(name="timed", kind="device", description="", operators=TIMES, part_overhead_s=5.0)
INVENTORY = build_inventory(load_space("digits")[0], (1, 8, 8), 10)
PROPOSER = Proposer(INVENTORY, {})
# a block layer's output is transposed, which view_as_complex refuses: sparse, Rotary does not run
TRACED = [kind for kind in TRAINING_ZOO if kind.net is not Rotary]
VARIANTS = [variant for backbone in ("mlp", "cnn") for variant in INVENTORY.variants[backbone]]


class Uncounted(dict[str, int]):
    """In place of fvcore's counts, which do not depend on densities."""

    def __missing__(self, key: str) -> int:
        return 0


def costs_of(variant: Any) -> VariantCosts:
    dense = PROPOSER.network(variant, "block", dict.fromkeys(variant.densities, Fraction(1)))
    sparsest = {path: choices[0] for path, choices in variant.densities.items()}
    return variant_costs(dense, variant.junctions, sparsest, (1, 8, 8), 10, "sample")


def counted(splits: Sequence[SplitCosts]) -> list[SplitCosts]:
    """Without how the operators run, which is otherwise than those of a dense layer, and without positions.

    These are no share of the dense weights: the variant adds them in closed form.
    """
    counts = [tuple(Operator(own.macs, own.moved_bytes) for own in split.operators) for split in splits]
    return [
        replace(split, operators=own, edge_index_bytes=0) for split, own in zip(splits, counts, strict=True)
    ]


def assert_same(
    costs: VariantCosts, densities: list[Fraction], pattern: str, splits: tuple[SplitCosts, ...]
) -> None:
    assert costs.split_points == tuple(split.name for split in splits)
    for setting in (ROOFLINE, replace(ROOFLINE, edge=BY_KIND), replace(ROOFLINE, server=BY_KIND)):
        table = costs.table(np.array([densities], dtype=np.float64), [pattern], setting)
        wanted = split_table(splits, setting)
        for name in wanted.keys() - {"edge_int8_s", "exit_int8_s"}:  # points in int8 are left to the sweep
            values = wanted[name]
            np.testing.assert_allclose(table[name][0], values, rtol=1e-12, err_msg=name)


@settings(max_examples=15, deadline=None)
@given(
    variant=st.sampled_from(VARIANTS),
    pattern=st.sampled_from(["block", "structured", "random", "clash_free"]),
    draw=st.data(),
)
def test_as_of_a_network_that_was_built(variant: Any, pattern: Any, draw: st.DataObject) -> None:
    densities = {path: draw.draw(st.sampled_from(own)) for path, own in variant.densities.items()}
    splits = costs_before_training(PROPOSER.network(variant, pattern, densities), (1, 8, 8), 10, "sample")
    assert_same(costs_of(variant), list(densities.values()), pattern, splits)


@pytest.mark.parametrize("kind", TRACED, ids=lambda kind: kind.net.__name__)
def test_thinned_as_of_any_kind_of_network(kind: Kind) -> None:
    """Where a junction cannot be thinned out in the dataflow, that is said, and nothing wrong is counted."""
    sample, counts = torch.zeros(1, *SHAPE), DenseCounts(Uncounted(), Uncounted(), {})
    dense = Network(kind.net(), sample, CLASSES, 16, probe=False).eval()
    junctions = [
        own for own in find_junctions(kind.net(), "block", dense.read_directly) if len(own.legal) > 1
    ]
    for junction in junctions:
        density = {junction.path: junction.legal[0]}
        flow = thinned(dense.dataflow, density)
        if flow is not None:
            module = kind.net()
            sparsify(module, density, "block", 0)
            built = Network(module, sample, CLASSES, 16, probe=False).eval()
            found, wanted = split_costs(dense, counts, flow=flow), split_costs(built, counts)
            assert counted(found) == counted(wanted)


def test_a_junction_that_cannot_be_thinned_out_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = costs_of(VARIANTS[0])
    monkeypatch.setattr("explorer.costs.variant_costs.thinned", lambda flow, densities: None)
    found = costs_of(VARIANTS[0])
    for name, values in expected.counts.items():
        np.testing.assert_allclose(found.counts[name], values, err_msg=name)
    np.testing.assert_allclose(found.operators.moved_bytes, expected.operators.moved_bytes)
