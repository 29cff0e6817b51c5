"""How long the operators of a variant's networks take: their counts and how each runs, by the densities.

How an operator runs depends on the pattern and the density of its own junction alone, and on whether another
junction before it is sparse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from explorer.core.sparsity.execution import Execution, sparse_execution
from explorer.core.sparsity.patterns import PatternName
from explorer.costs.affine import ThinnedOut, coefficients, counts_at
from explorer.costs.latency import operator_times_s
from explorer.costs.split_costs import SplitCosts
from explorer.costs.split_table import with_overheads
from explorer.devices import DeviceProfile, Setting
from explorer.devices.operators import Operator, operator_columns

_RUNS = ("kind", "groups", "added_macs", "added_bytes")
_LARGEST_DENOMINATOR = 1 << 16  # of a density: greatest common divisor of a junction's units


class _Layer(NamedTuple):
    """An operator of the dense network, the junctions whose weights it reads, and what else it reads."""

    dense: Operator
    junctions: tuple[int, ...]
    input_bytes: int


@dataclass(frozen=True, eq=False)
class VariantOperators:
    """The operators of a variant's networks.

    Shape suffixes: C networks, J junctions, S split points, O operators.

    Attributes:
        macs, moved_bytes: Coefficients (1 + J, O), see :mod:`explorer.costs.affine`.
        stage_O: Split point up to which each operator belongs, by its number.
        layers: Of each operator how it runs when it is dense, its junction and what it reads.
        exit_operators: Of each exit classifier.
        by_magnitude: Whether sparse layers are placed by magnitudes.

    Example:
        >>> from torch import nn, zeros
        >>> from explorer.core.network import Network
        >>> from explorer.costs.dense_macs import DenseCounts
        >>> from explorer.costs.split_costs import split_costs
        >>> network, names = Network(nn.Linear(4, 2), zeros(1, 4), 2, exit_features=4), ("input", "output")
        >>> splits = split_costs(network, DenseCounts(dict.fromkeys(names, 8), dict.fromkeys(names, 8), {}))
        >>> operators = VariantOperators.of(splits, thinned_out=(), input_bytes=[16])
        >>> setting = Setting.load("rpi4", "nvidia_t4", "lte_2021")
        >>> times_s = operators.times_s(np.ones((3, 0)), ["block"] * 3, setting)
        >>> {name: own.shape for name, own in times_s.items()}
        {'edge_s': (3, 2), 'server_s': (3, 2), 'exit_s': (3, 2)}
    """

    macs: NDArray[np.float64]
    moved_bytes: NDArray[np.float64]
    stage_O: NDArray[np.int64]
    layers: tuple[_Layer, ...]
    exit_operators: tuple[tuple[Operator, ...], ...]
    by_magnitude: bool = False

    @classmethod
    def of(
        cls,
        dense: Sequence[SplitCosts],
        thinned_out: ThinnedOut,
        input_bytes: Sequence[int],
        by_magnitude: bool = False,
    ) -> "VariantOperators":
        """Arguments as of :meth:`explorer.costs.variant_costs.VariantCosts.of`."""
        counts = coefficients(dense, thinned_out, _columns, ("macs", "moved_bytes"))
        macs = counts["macs"]
        operators = [own for split in dense for own in split.operators]
        layers = tuple(
            _Layer(own, tuple(np.flatnonzero(macs[1:, place])), read)
            for place, (own, read) in enumerate(zip(operators, input_bytes, strict=True))
        )
        stage_O = np.repeat(np.arange(len(dense)), [len(split.operators) for split in dense])
        exits = tuple(split.exit_operators for split in dense)
        return cls(macs, counts["moved_bytes"], stage_O, layers, exits, by_magnitude)

    def times_s(
        self, densities_CJ: NDArray[np.float64], patterns: Sequence[PatternName], setting: Setting
    ) -> dict[str, NDArray[Any]]:
        """Modelled seconds of both parts and of the exit classifier at every split point, each (C, S)."""
        macs_CO = counts_at(densities_CJ, self.macs)
        bytes_CO = counts_at(densities_CJ, self.moved_bytes)
        upto_OS = self.stage_O[:, np.newaxis] <= np.arange(len(self.exit_operators))
        runs = self._executions(densities_CJ, patterns) if _by_kind(setting) else {}
        edge_CO, server_CO = (
            operator_times_s(macs_CO, bytes_CO, device, **runs) for device in (setting.edge, setting.server)
        )
        exit_S = np.array([_seconds(own, setting.edge) for own in self.exit_operators])
        edge_s, server_s = with_overheads(edge_CO @ upto_OS, server_CO @ ~upto_OS, setting)
        exit_s = np.broadcast_to(exit_S, (len(densities_CJ), len(exit_S)))
        return {"edge_s": edge_s, "server_s": server_s, "exit_s": exit_s}

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


def _columns(splits: Sequence[SplitCosts]) -> dict[str, NDArray[Any]]:
    return operator_columns(own for split in splits for own in split.operators)


def _by_kind(setting: Setting) -> bool:
    return any(device.operators is not None for device in (setting.edge, setting.server))


def _seconds(operators: Sequence[Operator], device: DeviceProfile) -> float:
    return float(operator_times_s(**operator_columns(operators), device=device).sum())
