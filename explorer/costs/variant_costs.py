"""Costs of all networks of one variant at once, exact: counts are affine in the junctions' densities.

A junction of density d has d times its dense weights and multiply-accumulates, and of what is counted only
the positions that it stores depend on it otherwise. So the dense network's counts, and those with one
junction thinned out at a time, give the counts of every network; modelled times follow operator by operator.
How an operator runs depends on the pattern and the density of its own junction alone, and on whether another
junction before it is sparse. Positions have a closed form per junction
(:mod:`explorer.core.sparsity.positions`), summed over the junctions whose weights a part holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from explorer.core.failures import failing_alone
from explorer.core.graph.thinning import thinned
from explorer.core.payload import Ranges
from explorer.core.sparsity.execution import Execution, sparse_execution
from explorer.core.sparsity.patterns import PatternName
from explorer.core.sparsity.positions import index_bytes
from explorer.core.sparsity.sparsify import Junction
from explorer.costs.evaluate import build_network, costs_before_training, dense_counterpart
from explorer.costs.latency import operator_times_s
from explorer.costs.model import counted_columns, with_overheads
from explorer.costs.split_costs import SplitCosts, deployed_dataflow, deployed_stages, split_costs
from explorer.devices import DeviceProfile, Setting
from explorer.devices.operators import Operator, operator_columns
from explorer.space.candidate import NetworkSpec

_NONE = Fraction(0)  # of a junction's weights: the counts without them are whole numbers
_SAME = 1e-9  # densities are told as floats
_RUNS = ("kind", "groups", "added_macs", "added_bytes")
_LARGEST_DENOMINATOR = 1 << 16  # of a density: greatest common divisor of a junction's units


class _Layer(NamedTuple):
    """An operator of the dense network, the junctions whose weights it reads, and what else it reads."""

    dense: Operator
    junctions: tuple[int, ...]
    input_bytes: int


@dataclass(frozen=True, eq=False)
class VariantCosts:
    """What the networks of a variant cost, by their densities.

    Shape suffixes: C networks, J junctions, S split points, O operators. Row 0 of a coefficient array holds
    the dense network's counts; row 1 + j what a density of junction j adds to them per unit above 1.

    Attributes:
        split_points: Names, from ``input`` to ``output``.
        counts: Coefficients (1 + J, S) of each count.
        macs, moved_bytes: Coefficients (1 + J, O) of the operators.
        stage_O: Split point up to which each operator belongs, by its number.
        layers: Of each operator how it runs when it is dense, its junction and what it reads.
        exit_operators: Of each exit classifier.
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
    macs: NDArray[np.float64]
    moved_bytes: NDArray[np.float64]
    stage_O: NDArray[np.int64]
    layers: tuple[_Layer, ...]
    exit_operators: tuple[tuple[Operator, ...], ...]
    junctions: tuple[Junction, ...]
    by_magnitude: bool

    @classmethod
    def of(
        cls,
        dense: Sequence[SplitCosts],
        thinned_out: Sequence[tuple[Fraction, Sequence[SplitCosts]]],
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

        def coefficients(read: Any) -> NDArray[np.float64]:
            base = read(dense)
            slopes = [(base - read(own)) / float(1 - density) for density, own in thinned_out]
            return np.stack([base, *slopes]).astype(np.float64)

        names = [name for name in counted_columns(dense) if name != "edge_index_bytes"]
        stages = [len(split.operators) for split in dense]
        macs, moved_bytes = (
            coefficients(lambda splits, name=name: _operators(splits)[name])
            for name in ("macs", "moved_bytes")
        )
        operators = [own for split in dense for own in split.operators]
        return cls(
            tuple(split.name for split in dense),
            {name: coefficients(lambda splits, name=name: counted_columns(splits)[name]) for name in names},
            macs,
            moved_bytes,
            np.repeat(np.arange(len(dense)), stages),
            tuple(
                _Layer(own, tuple(np.flatnonzero(macs[1:, place])), read)
                for place, (own, read) in enumerate(zip(operators, input_bytes, strict=True))
            ),
            tuple(split.exit_operators for split in dense),
            tuple(junctions),
            by_magnitude,
        )

    def totals(self, densities_CJ: NDArray[np.float64]) -> NDArray[np.float64]:
        """MACs and stored bytes of whole networks (C, 2), whole numbers."""
        above_C1J = np.column_stack([np.ones(len(densities_CJ)), densities_CJ - 1.0])
        wanted = [self.counts[name][:, -1] for name in ("edge_macs", "edge_param_bytes")]
        return np.asarray(np.rint(above_C1J @ np.stack(wanted, axis=1)))

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
        above_C1J = np.column_stack([np.ones(len(densities_CJ)), densities_CJ - 1.0])
        counts = {name: np.rint(above_C1J @ own).astype(np.int64) for name, own in self.counts.items()}
        macs_CO, bytes_CO = np.rint(above_C1J @ self.macs), np.rint(above_C1J @ self.moved_bytes)
        upto_OS = self.stage_O[:, np.newaxis] <= np.arange(len(self.split_points))
        runs = self._executions(densities_CJ, patterns) if _by_kind(setting) else {}
        edge_CO, server_CO = (
            operator_times_s(macs_CO, bytes_CO, device, **runs) for device in (setting.edge, setting.server)
        )
        exit_S = np.array([_seconds(own, setting.edge) for own in self.exit_operators])
        edge_s, server_s = with_overheads(edge_CO @ upto_OS, server_CO @ ~upto_OS, setting)
        return counts | {
            "edge_index_bytes": self.index_bytes(densities_CJ, patterns),
            "edge_s": edge_s,
            "server_s": server_s,
            "exit_s": np.broadcast_to(exit_S, (len(densities_CJ), len(exit_S))),
        }

    def _executions(
        self, densities_CJ: NDArray[np.float64], patterns: Sequence[PatternName]
    ) -> dict[str, NDArray[Any]]:
        """How every operator of every network runs: kinds, groups and what is added, each (C, O)."""
        dense = operator_columns(layer.dense for layer in self.layers)
        shape = (len(densities_CJ), len(self.layers))
        runs = {name: np.tile(dense[name], (shape[0], 1)) for name in _RUNS}
        sparse_CJ = densities_CJ < 1
        after_CJ = np.cumsum(sparse_CJ, axis=1) > 1  # a sparse junction behind another one

        def columns_of(junction: int) -> tuple[list[float], list[bool]]:
            return densities_CJ[:, junction].tolist(), after_CJ[:, junction].tolist()

        for place, layer in enumerate(self.layers):
            if len(layer.junctions) != 1:
                continue
            (junction,) = layer.junctions
            alike: dict[tuple[PatternName, float, bool], list[int]] = {}
            for row, own in enumerate(zip(patterns, *columns_of(junction), strict=True)):
                alike.setdefault(own, []).append(row)
            for (pattern, density, after), rows in alike.items():
                if density < 1:
                    execution = self._sparse(place, junction, pattern, density, after)
                    for name in _RUNS:
                        runs[name][rows, place] = getattr(execution, name)
        return runs

    def _sparse(
        self, place: int, junction: int, pattern: PatternName, density: float, after: bool
    ) -> Execution:
        layer = self.layers[place]
        return _remembered_execution(
            layer.dense.kind,
            pattern,
            density,
            after or self.by_magnitude,
            int(self.macs[1 + junction, place]),
            int(self.moved_bytes[1 + junction, place]),
            layer.input_bytes,
        )


@lru_cache(maxsize=4096)
def _remembered_execution(
    kind: str, pattern: PatternName, density: float, interleaved: bool, macs: int, weights: int, read: int
) -> Execution:
    exact = Fraction(density).limit_denominator(_LARGEST_DENOMINATOR)
    return sparse_execution(kind, pattern, exact, interleaved, macs, weights, read)


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


def _operators(splits: Sequence[SplitCosts]) -> dict[str, NDArray[Any]]:
    return operator_columns(own for split in splits for own in split.operators)


def _by_kind(setting: Setting) -> bool:
    return any(device.operators is not None for device in (setting.edge, setting.server))


def _seconds(operators: Sequence[Operator], device: DeviceProfile) -> float:
    return float(operator_times_s(**operator_columns(operators), device=device).sum())
