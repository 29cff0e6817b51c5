"""Costs of all networks of one variant at once, exact: counts are affine in the junctions' densities.

A junction of density d has d times its dense weights and multiply-accumulates, and of what is counted only
the positions that it stores depend on it otherwise. So the dense network's counts, and those with one
junction thinned out at a time, give the counts of every network; modelled times follow operator by operator
(:mod:`explorer.costs.variant_operators`). Positions have a closed form per junction
(:mod:`explorer.core.sparsity.positions`), summed over the junctions whose weights a part holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.failures import failing_alone
from explorer.core.graph.thinning import thinned
from explorer.core.payload import Ranges
from explorer.core.sparsity.patterns import PatternName
from explorer.core.sparsity.positions import index_bytes
from explorer.core.sparsity.sparsify import Junction
from explorer.costs.affine import ThinnedOut, coefficients, counts_at
from explorer.costs.build import build_network, costs_before_training, dense_counterpart
from explorer.costs.split_costs import SplitCosts, deployed_dataflow, deployed_stages, split_costs
from explorer.costs.split_table import counted_columns
from explorer.costs.variant_operators import VariantOperators
from explorer.devices import Setting
from explorer.space.candidate import NetworkSpec

_NONE = Fraction(0)  # of a junction's weights: the counts without them are whole numbers
_SAME = 1e-9  # densities are told as floats


@dataclass(frozen=True, eq=False)
class VariantCosts:
    """What the networks of a variant cost, by their densities.

    Shape suffixes: C networks, J junctions, S split points. Row 0 of a coefficient array holds the dense
    network's counts; row 1 + j what a density of junction j adds to them per unit above 1.

    Attributes:
        split_points: Names, from ``input`` to ``output``.
        counts: Coefficients (1 + J, S) of each count.
        operators: What times follow from.
        junctions: Of the variant, in definition order.
        by_magnitude: Whether sparse layers are placed by magnitudes.

    Example:
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> from explorer.engine.proposals import Proposer
        >>> inventory = build_inventory(load_space("digits")[0], (1, 8, 8), 10)
        >>> small = inventory.variants["mlp"][0]
        >>> dense = Proposer(inventory, {}).network(small, "block", small.densest)
        >>> sparsest = {path: choices[0] for path, choices in small.densities.items()}
        >>> costs = variant_costs(dense, small.junctions, sparsest, (1, 8, 8), 10, "sample")
        >>> setting = Setting.load("rpi4", "nvidia_t4", "lte_2021")
        >>> table = costs.table(np.array([[1, 1, 1], [0.5, 1, 0.5]]), ["block", "random"], setting)
        >>> costs.split_points, table["edge_macs"].tolist()
        (('input', 'relu1', 'relu2', 'output'), [[0, 1536, 1920, 2080], [0, 768, 1152, 1232]])
        >>> table["edge_index_bytes"].tolist()  # 768 and 80 positions, of two bytes and one
        [[0, 0, 0, 0], [0, 1536, 1536, 1616]]
    """

    split_points: tuple[str, ...]
    counts: Mapping[str, NDArray[np.float64]]
    operators: VariantOperators
    junctions: tuple[Junction, ...]
    by_magnitude: bool

    @classmethod
    def of(
        cls,
        dense: Sequence[SplitCosts],
        thinned_out: ThinnedOut,
        junctions: Sequence[Junction],
        input_bytes: Sequence[int],
        by_magnitude: bool = False,
    ) -> "VariantCosts":
        """From the costs of the dense network, and of those with one junction alone at a density below 1.

        Args:
            dense: Of the dense network.
            thinned_out: Of the others, in the order of the junctions, with that density.
            junctions: Of the variant, in definition order.
            input_bytes: What each operator reads besides parameters.
            by_magnitude: See the attribute.
        """
        names = [name for name in counted_columns(dense) if name != "edge_index_bytes"]
        return cls(
            tuple(split.name for split in dense),
            coefficients(dense, thinned_out, counted_columns, names),
            VariantOperators.of(dense, thinned_out, input_bytes, by_magnitude),
            tuple(junctions),
            by_magnitude,
        )

    def totals(self, densities_CJ: NDArray[np.float64]) -> NDArray[np.float64]:
        """MACs and stored bytes of whole networks (C, 2), whole numbers."""
        wanted = [self.counts[name][:, -1] for name in ("edge_macs", "edge_param_bytes")]
        return counts_at(densities_CJ, np.stack(wanted, axis=1))

    def index_bytes(
        self, densities_CJ: NDArray[np.float64], patterns: Sequence[PatternName]
    ) -> NDArray[np.int64]:
        """Bytes of the positions that the edge part stores at every split point (C, S).

        A part stores a junction's positions where it stores its weights, whose bytes depend on the density.

        Args:
            densities_CJ: Of the junctions, in definition order.
            patterns: Of each network.
        """
        sparse_CJ = densities_CJ < 1
        interleaved_CJ = sparse_CJ & (np.cumsum(sparse_CJ, axis=1) > 1)  # all but the first sparse junction
        stored_CJ = np.zeros(densities_CJ.shape, dtype=np.int64)
        known: dict[tuple[int, PatternName, float, bool], int] = {}
        for row, place in zip(*np.nonzero(sparse_CJ), strict=True):
            what = (
                int(place),
                patterns[row],
                float(densities_CJ[row, place]),
                bool(interleaved_CJ[row, place]),
            )
            if what not in known:
                known[what] = self._junction_index_bytes(*what)
            stored_CJ[row, place] = known[what]
        held_JS = self.counts["edge_param_bytes"][1:] > 0
        return stored_CJ @ held_JS.astype(np.int64)

    def _junction_index_bytes(
        self, place: int, pattern: PatternName, density: float, interleaved: bool
    ) -> int:
        own = self.junctions[place]
        exact = next(share for share in own.legal if abs(share - density) < _SAME)
        return index_bytes(
            *(pattern, own.inputs, own.outputs, own.taps, exact),
            linear=own.kind == "Linear",
            interleaved=interleaved,
            by_magnitude=self.by_magnitude,
        )

    def table(
        self, densities_CJ: NDArray[np.float64], patterns: Sequence[PatternName], setting: Setting
    ) -> dict[str, NDArray[Any]]:
        """What every split point of every network costs, for :meth:`explorer.costs.model.CostModel.expected`.

        Args:
            densities_CJ: Of the junctions, in definition order.
            patterns: Of each network (C,).
            setting: Devices that times are modelled for.

        Returns:
            Counts and seconds by name, each (C, S).
        """
        counts = {name: counts_at(densities_CJ, own).astype(np.int64) for name, own in self.counts.items()}
        return counts | {
            "edge_index_bytes": self.index_bytes(densities_CJ, patterns),
            **self.operators.times_s(densities_CJ, patterns, setting),
        }


def variant_costs(
    dense: NetworkSpec,
    junctions: Sequence[Junction],
    sparsest: Mapping[str, Fraction],
    input_shape: tuple[int, ...],
    num_classes: int,
    ranges: Ranges,
) -> VariantCosts:
    """Count the networks of the variant that ``dense`` belongs to.

    One network is built; where a junction cannot be thinned out in its dataflow, one more with that junction
    sparse.

    Args:
        dense: The network of the variant with every junction dense.
        junctions: Of the variant, in definition order.
        sparsest: Least density of each junction.
        input_shape: Without batch.
        num_classes: Number of logits.
        ranges: Of its payloads.

    Raises:
        TrainingFailedError: It cannot be built.

    Example:
        >>> from torch import nn
        >>> from explorer.core.sparsity.sparsify import find_junctions
        >>> from explorer.space.files import load_space
        >>> recipe, arguments = load_space("digits")[0].recipe, '{"hidden": [4]}'
        >>> how = ("explorer.backbones:mlp", arguments, "block", (("fc1", Fraction(1)),), 8, recipe, "{}")
        >>> spec, sparsest = NetworkSpec("mlp", *how), {"fc1": Fraction(1, 4)}
        >>> junctions = find_junctions(nn.ModuleDict({"fc1": nn.Linear(8, 4)}))
        >>> variant_costs(spec, junctions, sparsest, (8,), 2, "sample").counts["edge_macs"]
        array([[ 0., 32., 40.],
               [ 0., 32., 32.]])
    """
    with failing_alone():
        network = build_network(dense, input_shape, num_classes, probe=False).eval()
        counted = dense_counterpart(dense, input_shape, num_classes)
        base, flow = split_costs(network, counted, ranges), deployed_dataflow(network)
        read = [
            sum(flow.values[name].size_bytes for name in value.inputs)
            for stage in deployed_stages(network, flow)
            for value in stage
        ]
        thinned_out: list[tuple[Fraction, Sequence[SplitCosts]]] = []
        for path, _ in dense.densities:
            if sparsest[path] == 1:
                thinned_out.append((_NONE, base))
            elif (thin := thinned(network.dataflow, {path: _NONE})) is not None:
                thinned_out.append((_NONE, split_costs(network, counted, ranges, thin)))
            else:
                others = tuple((dict(dense.densities) | {path: sparsest[path]}).items())
                built = costs_before_training(
                    replace(dense, densities=others), input_shape, num_classes, ranges
                )
                thinned_out.append((sparsest[path], built))
        by_magnitude = dense.initial.placement == "magnitude"
        return VariantCosts.of(base, thinned_out, junctions, read, by_magnitude)
