"""The prescreen: constraints that a candidate violates whatever its training gives, known before it."""

from collections.abc import Sequence

from explorer.core.run_point import INT8
from explorer.costs.build import costs_before_training
from explorer.costs.model import CostModel
from explorer.costs.split_costs import SplitCosts
from explorer.space.candidate import Candidate, NetworkSpec
from explorer.space.constraints import Constraint
from explorer.space.metrics import ALL_METRICS
from explorer.space.variants import Inventory


class Prescreen:
    """Looks up what candidates of one inventory cost at least.

    Args:
        inventory: Gives the shapes to build networks with.
        constraints: Those on columns that are learned or measured are passed over.
        costs: The cost model of the search.

    Example:
        >>> from explorer.core.run_point import RunPoint
        >>> from explorer.devices import Setting
        >>> from explorer.engine.proposals import Proposer
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> inventory = build_inventory(load_space("digits")[0], (1, 8, 8), 10)
        >>> costs = CostModel(Setting.load("rpi4", "nvidia_t4", "lte_2021"))
        >>> dense = inventory.variants["mlp"][0]
        >>> network = Proposer(inventory, {}).network(dense, "block", dense.densest)
        >>> prescreen = Prescreen(inventory, [Constraint("edge_macs", "<=", 1000)], costs)
        >>> prescreen.violations(Candidate(network, RunPoint.at_output()))
        {'edge_macs <= 1000': 1.08}
    """

    def __init__(self, inventory: Inventory, constraints: Sequence[Constraint], costs: CostModel) -> None:
        self._inventory, self._cost_model = inventory, costs
        self._constraints = [c for c in constraints if ALL_METRICS[c.column].known_before_training]
        self._splits: dict[str, tuple[SplitCosts, ...]] = {}

    def violations(self, candidate: Candidate) -> dict[str, float]:
        """Relative violation of each constraint that the candidate violates at every offload rate."""
        if not self._constraints:
            return {}
        form = self._inventory.space.inference_config.payload
        as_code = INT8 in self._inventory.space.edge_weight_bits
        splits = self._costs(candidate.network)
        bounds = self._cost_model.lower_bounds(candidate.point, splits, form, as_code)
        least = {
            str(constraint): min(map(constraint.violation, bounds[constraint.column]))
            for constraint in self._constraints
        }
        return {constraint: violation for constraint, violation in least.items() if violation > 0}

    def _costs(self, spec: NetworkSpec) -> tuple[SplitCosts, ...]:
        if spec.key not in self._splits:
            shape, num_classes = self._inventory.input_shape, self._inventory.num_classes
            ranges = self._inventory.space.payload.ranges
            self._splits[spec.key] = costs_before_training(spec, shape, num_classes, ranges)
        return self._splits[spec.key]
